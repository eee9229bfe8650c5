"""The keys that sign tokens of the token service, the newest first."""

from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select

from orlop.database import accounts
from orlop.database.connection import Connection
from orlop.database.schema import signing_keys
from orlop.database.statement import Statement, parameters

_ALL = Statement(
    lambda _: select(signing_keys.c.id, signing_keys.c.private_key, signing_keys.c.created_at).order_by(
        signing_keys.c.created_at.desc(), signing_keys.c.id
    )
)
_ADD = Statement(lambda _: insert(signing_keys).values(parameters(signing_keys)))
_DELETE = Statement(lambda _: delete(signing_keys).where(signing_keys.c.id == bindparam("id_")))


class SigningKey(NamedTuple):
    """`private_key`: PEM. `created_at`: milliseconds since 1970."""

    id: str
    private_key: str
    created_at: int


def every(connection: Connection) -> list[SigningKey]:
    return [SigningKey(*row) for row in connection.all(_ALL)]


def add(connection: Connection, key_id: str, private_key: str) -> None:
    """Adds a key that is newer than all others."""
    newest = every(connection)[:1]
    at = max([connection.now(), *[key.created_at + 1 for key in newest]])
    connection.run(_ADD, id=key_id, private_key=private_key, created_at=at)
    accounts.changed(connection)


def remove(connection: Connection, key_id: str) -> bool:
    accounts.changed(connection)
    return connection.run(_DELETE, id_=key_id) > 0
