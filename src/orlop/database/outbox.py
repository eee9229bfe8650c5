"""The outbox: names that were committed and whose object in the tree may not be durable yet."""

from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select

from orlop.database.connection import Connection
from orlop.database.schema import outbox
from orlop.database.statement import Statement, parameters

_ADD = Statement(lambda _: insert(outbox).values(parameters(outbox, without=("id",))))
_PENDING = Statement(
    lambda _: (
        select(outbox.c.id, outbox.c.kind, outbox.c.repository, outbox.c.name)
        .order_by(outbox.c.id)
        .limit(bindparam("count"))
    )
)
_DONE = Statement(lambda _: delete(outbox).where(outbox.c.id == bindparam("entry")))
_HOLDS = Statement(
    lambda _: select(outbox.c.id).where(
        outbox.c.kind == bindparam("kind"),
        outbox.c.repository == bindparam("repository"),
        outbox.c.name == bindparam("name"),
    )
)
_COUNT = Statement(lambda _: select(func.count()).select_from(outbox))


class Entry(NamedTuple):
    """A name whose object must be brought to its row's current value."""

    id: int
    kind: str
    repository: str
    name: str


def add(connection: Connection, kind: str, repository: str, name: str) -> Entry:
    entry_id = connection.insert(_ADD, kind=kind, repository=repository, name=name)
    assert entry_id is not None
    return Entry(entry_id, kind, repository, name)


def pending(connection: Connection, count: int) -> list[Entry]:
    """The oldest entries."""
    return [Entry(*row) for row in connection.all(_PENDING, count=count)]


def holds(connection: Connection, kind: str, repository: str, name: str) -> bool:
    """Whether the name's object may differ from its row. Reads the whole outbox, which is short."""
    return connection.one(_HOLDS, kind=kind, repository=repository, name=name) is not None


def done(connection: Connection, entries: list[Entry]) -> None:
    connection.many(_DONE, [{"entry": entry.id} for entry in entries])


def size(connection: Connection) -> int:
    row = connection.one(_COUNT)
    return int(row[0]) if row else 0
