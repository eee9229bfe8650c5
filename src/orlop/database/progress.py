"""How far long work has come: a document for each kind of it."""

from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, select

from orlop.database.connection import Connection
from orlop.database.schema import progress
from orlop.database.statement import Insert, Statement, parameters


def _save(insert: Insert) -> Any:
    statement = insert(progress).values(parameters(progress))
    return statement.on_conflict_do_update(
        index_elements=["name"], set_={name: statement.excluded[name] for name in ("document", "updated_at")}
    )


_SAVE = Statement(_save)
_READ = Statement(lambda _: select(progress.c.document).where(progress.c.name == bindparam("name")))
_DROP = Statement(lambda _: delete(progress).where(progress.c.name == bindparam("name")))


def save(connection: Connection, name: str, document: object) -> None:
    """Keeps a document (a JSON object, or a struct that becomes one) under that name."""
    connection.run(_SAVE, name=name, document=msgspec.json.encode(document).decode(), updated_at=connection.now())


def read(connection: Connection, name: str) -> str | None:
    """The document's JSON, None where there is none."""
    row = connection.one(_READ, name=name)
    return row[0] if row else None


def drop(connection: Connection, name: str) -> None:
    connection.run(_DROP, name=name)
