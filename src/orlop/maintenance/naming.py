"""A tree's names, made to be those of a database: tags, `_manifests` entries, and v1 images with their lists."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from orlop.database import manifests, snapshot, tags
from orlop.database.connection import Connection
from orlop.domain.digest import Digest
from orlop.domain.errors import DigestInvalid, NameInvalid
from orlop.domain.name import RepositoryName
from orlop.maintenance.copying import Progress, Tell, put
from orlop.maintenance.image_naming import ImageNaming, Name
from orlop.storage.base import Storage
from orlop.storage.layout import join_name, split_name, tag_from_segment

PAGE = 1000


class Naming:
    def __init__(self, connection: Connection, storage: Storage, tell: Tell, root: Path | None = None) -> None:
        """`root`: the folder of a tree of files, which then get the time of the push as their own, too."""
        self._connection = connection
        self._storage = storage
        self._tell = tell
        self._root = root
        self._images = ImageNaming(connection, storage)

    def write(self) -> None:
        """Makes durable in the tree every name that the database has."""
        done = 0
        for page in itertools.chain(self._entries(), self._tags(), self._images.pages()):
            new = [name for name in page if not self._is_there(name)]
            put(self._storage, [(name.path, name.content) for name in new], durable=False)
            if self._root is not None:
                for name in new:
                    os.utime(self._root / name.path, ns=(name.at * 1_000_000, name.at * 1_000_000))
            self._storage.sync([name.path for name in new])
            done += len(page)
            self._tell(Progress("names", "names", done, 0))
        self._images.link_layers()

    def remove_others(self) -> int:
        """Removes every name that the database does not have; how many."""
        others = [entry.path for entry in self._storage.walk(self._storage.repositories) if self._is_other(entry.path)]
        others += [
            entry.path for entry in self._storage.walk(self._storage.images) if self._images.is_other(entry.path)
        ]
        for path in others:
            self._storage.remove(path)
        self._storage.sync(others)
        return len(others)

    def _entries(self) -> Iterator[list[Name]]:
        after = 0
        while page := snapshot.page_of_entries(self._connection, after, PAGE):
            yield [
                Name(
                    self._storage.manifest_entry_path(*split_name(entry.repository), entry.digest),
                    entry.media_type.encode(),
                    entry.at,
                )
                for entry in page
            ]
            after = page[-1].id

    def _tags(self) -> Iterator[list[Name]]:
        after = (0, "")
        while page := snapshot.page_of_tags(self._connection, after, PAGE):
            yield [
                Name(self._storage.tag_path(*split_name(tag.repository), tag.name), tag.digest.encode(), tag.at)
                for tag in page
            ]
            after = (page[-1].repository_id, page[-1].name)

    def _is_there(self, name: Name) -> bool:
        try:
            return self._storage.get_content(name.path) == name.content
        except FileNotFoundError:
            return False

    def _is_other(self, path: str) -> bool:
        """Whether it is a tag's or an entry's object of which the database has nothing."""
        key = self._storage.manifest_entry_of_path(path)
        try:
            if key is not None:
                name = RepositoryName.parse(join_name(key.namespace, key.repository))
                digest = Digest.parse(f"{key.algorithm}:{key.hex}")
                return manifests.by_digest(self._connection, name, digest) is None
            _, namespace, repository, *rest = path.split("/")
            if rest == [self._storage.images_list]:
                return self._images.is_other_list(RepositoryName.parse(join_name(namespace, repository)))
            tag = tag_from_segment(rest[0]) if len(rest) == 1 else None
            if tag is None:
                return False
            return tags.current(self._connection, RepositoryName.parse(join_name(namespace, repository)), tag) is None
        except (NameInvalid, DigestInvalid):
            return True
