"""Leases: they keep what no manifest names yet, so that a push can count on what it was told is there."""

from typing import Any

from sqlalchemy import bindparam, delete

from orlop.database.connection import Connection
from orlop.database.schema import leases
from orlop.database.statement import Insert, Statement, parameters
from orlop.domain.digest import Digest


def _renew(insert: Insert) -> Any:
    statement = insert(leases).values(parameters(leases))
    return statement.on_conflict_do_update(
        index_elements=["repository_id", "digest"],
        set_={"expires_at": statement.excluded.expires_at},
        where=leases.c.expires_at < statement.excluded.expires_at,  # a lease never gets shorter
    )


_RENEW = Statement(_renew)
_DROP = Statement(
    lambda _: delete(leases).where(
        leases.c.repository_id == bindparam("repository_id"), leases.c.digest == bindparam("digest")
    )
)
_EXPIRE = Statement(lambda _: delete(leases).where(leases.c.expires_at < bindparam("now")))


def renew(connection: Connection, repository_id: int, digest: Digest, milliseconds: int) -> None:
    connection.run(_RENEW, repository_id=repository_id, digest=digest, expires_at=connection.now() + milliseconds)


def drop(connection: Connection, repository_id: int, digest: Digest) -> None:
    """Ends a lease: whoever held it has deleted what it was for."""
    connection.run(_DROP, repository_id=repository_id, digest=digest)


def expire(connection: Connection) -> int:
    """Drops the leases that are over."""
    return connection.run(_EXPIRE, now=connection.now())
