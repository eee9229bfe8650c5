"""Open uploads. How many bytes one holds is told by its object in the store, not by its row."""

from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update

from orlop.database.connection import Connection
from orlop.database.schema import repositories, uploads
from orlop.database.statement import Statement, parameters
from orlop.domain.name import RepositoryName

_START = Statement(lambda _: insert(uploads).values(parameters(uploads)))
_FIND = Statement(
    lambda _: (
        select(uploads.c.id, uploads.c.repository_id, uploads.c.algorithm, uploads.c.hashed_size, uploads.c.hashed_hex)
        .select_from(uploads.join(repositories, repositories.c.id == uploads.c.repository_id))
        .where(
            uploads.c.id == bindparam("upload_id"),
            repositories.c.name == bindparam("name"),
            uploads.c.account == bindparam("account_name"),
            uploads.c.expires_at > bindparam("now"),
        )
    )
)
_ADVANCE = Statement(
    lambda _: (
        update(uploads)
        .where(uploads.c.id == bindparam("upload_id"))
        .values(hashed_size=bindparam("size"), hashed_hex=bindparam("hex"), expires_at=bindparam("until"))
    )
)
_END = Statement(lambda _: delete(uploads).where(uploads.c.id == bindparam("upload_id")))
_EXPIRED = Statement(lambda _: select(uploads.c.id).where(uploads.c.expires_at <= bindparam("now")).limit(1000))
_ALIVE = Statement(lambda _: select(uploads.c.id).where(uploads.c.id == bindparam("upload_id")))


class Upload(NamedTuple):
    id: str
    repository_id: int
    algorithm: str
    hashed_size: int
    """How many bytes of the upload `hashed_hex` is the digest of."""
    hashed_hex: str


def start(
    connection: Connection, upload_id: str, repository_id: int, account: str, algorithm: str, lifetime: int
) -> None:
    """Records a new upload that lives for `lifetime` milliseconds after its last chunk."""
    now = connection.now()
    connection.run(
        _START,
        id=upload_id,
        repository_id=repository_id,
        account=account,
        algorithm=algorithm,
        hashed_size=0,
        hashed_hex="",
        created_at=now,
        expires_at=now + lifetime,
    )


def find(connection: Connection, upload_id: str, name: RepositoryName, account: str) -> Upload | None:
    """The upload, if it is this repository's and this account's: an id alone opens nothing."""
    row = connection.one(_FIND, upload_id=upload_id, name=name, account_name=account, now=connection.now())
    return Upload(*row) if row else None


def advance(connection: Connection, upload_id: str, size: int, hex_: str, lifetime: int) -> bool:
    return connection.run(_ADVANCE, upload_id=upload_id, size=size, hex=hex_, until=connection.now() + lifetime) > 0


def end(connection: Connection, upload_id: str) -> bool:
    return connection.run(_END, upload_id=upload_id) > 0


def exists(connection: Connection, upload_id: str) -> bool:
    return connection.one(_ALIVE, upload_id=upload_id) is not None


def expired(connection: Connection) -> list[str]:
    """Ids of up to 1,000 uploads whose time is over."""
    return [row[0] for row in connection.all(_EXPIRED, now=connection.now())]
