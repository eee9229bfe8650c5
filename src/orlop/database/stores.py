"""The one row that says which store this database describes."""

from typing import NamedTuple

from sqlalchemy import bindparam, case, insert, select, update

from orlop.database.connection import Connection
from orlop.database.schema import store
from orlop.database.statement import Statement

RAISE_MARK = Statement(lambda _: update(store).values(mark=store.c.mark + 1))
_READ = Statement(lambda _: select(store.c.store_id, store.c.mark))
_CREATE = Statement(lambda _: insert(store).values(id=1, store_id=bindparam("store_id"), mark=bindparam("mark")))
_DESCRIBE = Statement(
    lambda _: update(store).values(
        store_id=bindparam("id_of_store"),
        mark=case((store.c.mark < bindparam("least"), bindparam("least")), else_=store.c.mark),
    )
)


class Store(NamedTuple):
    store_id: str
    mark: int


def read(connection: Connection) -> Store | None:
    row = connection.one(_READ)
    return Store(*row) if row else None


def create(connection: Connection, store_id: str, mark: int) -> None:
    connection.run(_CREATE, store_id=store_id, mark=mark)


def describe(connection: Connection, store_id: str, mark: int) -> None:
    """Makes this the database of that store, at that mark or, where it has come further, at its own."""
    connection.run(_DESCRIBE, id_of_store=store_id, least=mark)
