"""Tags with all that is recorded of them."""

from typing import NamedTuple

from orlop.database import repositories, tags
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.pages import Order, Position
from orlop.database.tags import Change, Record
from orlop.domain.caller import Caller
from orlop.domain.errors import RepositoryUnknown, TagUnknown
from orlop.domain.name import RepositoryName, Tag

SORTS = tags.SORTS
MOST_CHANGES = 100


class Listed(NamedTuple):
    """A tag. `siblings`: the first other tags on the same manifest, of `sibling_count` in all."""

    record: Record
    siblings: list[str]
    sibling_count: int


class Page(NamedTuple):
    """`following`: where the next page begins, None where there is none. `total`: in all pages."""

    items: list[Listed]
    following: Position | None
    total: int


class Found(NamedTuple):
    """One tag with its newest changes, the latest first."""

    listed: Listed
    history: list[Change]


class Tags:
    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, caller: Caller, name: RepositoryName, *, text: str, order: Order, last: Position, count: int
    ) -> Page:
        """Up to `count` tags after `last` whose name holds `text`, else RepositoryUnknown."""
        with self._database.snapshot() as connection:
            repository_id = _repository(connection, name)
            found = tags.records(connection, repository_id, text=text, order=order, last=last, count=count + 1)
            records = found[:count]
            following = tags.position(order, records[-1]) if len(found) > count else None
            return Page(_listed(connection, records), following, tags.total(connection, repository_id, text))

    def find(self, caller: Caller, name: RepositoryName, tag: Tag) -> Found:
        """One tag, else RepositoryUnknown or TagUnknown."""
        with self._database.snapshot() as connection:
            repository_id = _repository(connection, name)
            record = tags.record(connection, repository_id, tag)
            if record is None:
                raise TagUnknown(f"{name} has no tag {tag}", detail={"name": name, "tag": tag})
            history = tags.history(connection, repository_id, tag, MOST_CHANGES)
            return Found(_listed(connection, [record])[0], history)


def _repository(connection: Connection, name: RepositoryName) -> int:
    repository_id = repositories.find_known(connection, name)
    if repository_id is None:
        raise RepositoryUnknown(f"the registry has no repository {name}", detail={"name": name})
    return repository_id


def _listed(connection: Connection, records: list[Record]) -> list[Listed]:
    # Once for each manifest: all the tags of a page may be on one.
    on_manifest = {
        manifest_id: tags.on_manifest(connection, manifest_id, tags.MOST_SIBLINGS + 1)
        for manifest_id in {record.manifest_id for record in records}
    }
    listed = []
    for record in records:
        names, count = on_manifest[record.manifest_id]
        siblings = [name for name in names if name != record.name][: tags.MOST_SIBLINGS]
        listed.append(Listed(record, siblings, count - 1))
    return listed
