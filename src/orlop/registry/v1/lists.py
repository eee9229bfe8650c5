"""The lists of a repository's images: what clients say they will push, and what there is."""

from collections.abc import Sequence
from typing import NamedTuple

from orlop.database import outbox, repositories, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.caller import Caller
from orlop.domain.errors import ImageInvalid, RepositoryUnknown
from orlop.domain.name import RepositoryName
from orlop.domain.v1.ids import ImageId
from orlop.registry.names import Change, Names

MOST = 10_000
"""Images in one list that a client sends."""


class Listed(NamedTuple):
    id: ImageId
    checksum: str | None


class Lists:
    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names

    def announce(self, caller: Caller, name: RepositoryName, entries: Sequence[Listed]) -> None:
        """Notes which images a client is about to push. What was announced before stays."""
        if len(entries) > MOST:
            raise ImageInvalid("Invalid data")

        def unit(connection: Connection) -> None:
            repository_id = repositories.ensure(connection, name)
            for entry in entries:
                v1_images.announce(connection, repository_id, entry.id, entry.checksum)

        self._database.write(unit)
        publish_list(self._database, self._names, name)

    def read(self, caller: Caller, name: RepositoryName) -> list[Listed]:
        """What the repository has, or awaits. RepositoryUnknown."""
        reader = self._database.reader()
        repository_id = repositories.find(reader, name)
        if repository_id is None:
            raise RepositoryUnknown(detail={"name": name})
        listed = v1_images.listed(reader, repository_id)
        if not listed and repositories.find_known(reader, name) is None:
            raise RepositoryUnknown(detail={"name": name})
        return [Listed(ImageId(entry.image_id), entry.checksum) for entry in listed]


def publish_list(database: Database, names: Names, name: RepositoryName) -> None:
    """Brings `_images_list` in the tree to what is listed."""

    def unit(connection: Connection) -> Change:
        return outbox.add(connection, "images", name, ""), v1_images.list_text(connection, name)

    names.publish([database.write(unit)])
