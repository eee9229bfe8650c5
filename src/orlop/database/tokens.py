"""Tokens of accounts: their hashes, what they are good for, and until when."""

from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, or_, select, update

from orlop.database import accounts
from orlop.database.connection import Connection
from orlop.database.schema import tokens
from orlop.database.statement import Statement, parameters


class Token(NamedTuple):
    """`kind`: access or refresh. `scopes`: a JSON array of texts. Times in milliseconds since 1970."""

    id: str
    account: str
    kind: str
    note: str
    scopes: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None


_COLUMNS = [tokens.c[name] for name in Token._fields]
_ALIVE = or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > bindparam("now"))
_BY_HASH = Statement(lambda _: select(*_COLUMNS).where(tokens.c.hash == bindparam("hash_"), _ALIVE))
_BY_ID = Statement(lambda _: select(*_COLUMNS).where(tokens.c.id == bindparam("id_"), _ALIVE))
_ALL = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(or_(bindparam("account_name") == "", tokens.c.account == bindparam("account_name")))
        .order_by(tokens.c.account, tokens.c.created_at, tokens.c.id)
    )
)
_CREATE = Statement(lambda _: insert(tokens).values(parameters(tokens)))
_DELETE = Statement(lambda _: delete(tokens).where(tokens.c.id == bindparam("id_")))
_DELETE_ALL = Statement(lambda _: delete(tokens).where(tokens.c.account == bindparam("account_name")))
_EXPIRE = Statement(lambda _: delete(tokens).where(tokens.c.expires_at < bindparam("before")))
_OLDEST = Statement(
    lambda _: (
        select(tokens.c.id)
        .where(tokens.c.account == bindparam("account_name"), tokens.c.kind == "refresh")
        .order_by(tokens.c.created_at.desc(), tokens.c.id)
        .offset(bindparam("kept"))
        .limit(100)
    )
)
_USED = Statement(
    lambda _: (
        update(tokens)
        .where(
            tokens.c.id == bindparam("id_"),
            or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < bindparam("minute")),
        )
        .values(last_used_at=bindparam("minute"))
    )
)


def by_hash(connection: Connection, hashed: str) -> Token | None:
    """The token with that hash, unless its time is over."""
    row = connection.one(_BY_HASH, hash_=hashed, now=connection.now())
    return Token(*row) if row else None


def by_id(connection: Connection, token_id: str, *, alive: bool = True) -> Token | None:
    """The token, unless its time is over; that, too, where it need not be `alive`."""
    row = connection.one(_BY_ID, id_=token_id, now=connection.now() if alive else 0)
    return Token(*row) if row else None


def every(connection: Connection, account: str = "") -> list[Token]:
    """All tokens, of one account or of all."""
    return [Token(*row) for row in connection.all(_ALL, account_name=account)]


def create(connection: Connection, token: Token, hashed: str) -> None:
    connection.run(_CREATE, hash=hashed, **token._asdict())


def remove(connection: Connection, token_id: str) -> bool:
    accounts.changed(connection)
    return connection.run(_DELETE, id_=token_id) > 0


def remove_all(connection: Connection, account: str) -> int:
    accounts.changed(connection)
    return connection.run(_DELETE_ALL, account_name=account)


def keep_newest_refresh(connection: Connection, account: str, kept: int) -> None:
    """Drops an account's older refresh tokens, so that signing in again and again does not fill the database."""
    old: list[Any] = connection.all(_OLDEST, account_name=account, kept=kept)
    for row in old:
        connection.run(_DELETE, id_=row[0])
    if old:
        accounts.changed(connection)


def expire(connection: Connection, before: int) -> int:
    """Drops tokens whose time was over before then; how many."""
    return connection.run(_EXPIRE, before=before)


def used(connection: Connection, uses: list[tuple[str, int]]) -> None:
    """Records uses: ids with the minute (in milliseconds since 1970)."""
    connection.many(_USED, [{"id_": token_id, "minute": minute} for token_id, minute in uses])
