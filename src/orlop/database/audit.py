"""The audit log: who changed what, and who was refused. Entries of changes stand in the change's own transaction."""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from orlop.database.connection import Connection
from orlop.database.schema import audit
from orlop.database.statement import Statement, parameters
from orlop.domain.caller import Caller


class Entry(NamedTuple):
    """`at`: milliseconds since 1970. `detail`: a JSON object. `times`: how often, in the minute after `at`."""

    id: int
    at: int
    account: str
    address: str
    request_id: str
    action: str
    repository: str
    object: str
    detail: str
    times: int


class Filter(NamedTuple):
    """What a list is of; empty: all. `action` is a name, or the part of names before the dot."""

    account: str = ""
    repository: str = ""
    action: str = ""
    since: int = 0


_COLUMNS = [audit.c[name] for name in Entry._fields]
_ADD = Statement(lambda _: insert(audit).values(parameters(audit, without=("id",))))
_PAGE = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(
            audit.c.id < bindparam("before"),
            or_(bindparam("account_name") == "", audit.c.account == bindparam("account_name")),
            or_(bindparam("repository_name") == "", audit.c.repository == bindparam("repository_name")),
            or_(
                bindparam("action_name") == "",
                audit.c.action == bindparam("action_name"),
                audit.c.action.startswith(bindparam("action_group"), autoescape=False),
            ),
            audit.c.at >= bindparam("since"),
        )
        .order_by(audit.c.id.desc())
        .limit(bindparam("count_"))
    )
)
_COUNT_MORE = Statement(
    lambda _: update(audit).where(audit.c.id == bindparam("id_")).values(times=audit.c.times + bindparam("more"))
)
_SAME_MINUTE = Statement(
    lambda _: (
        select(audit.c.id)
        .where(
            audit.c.id > bindparam("after"),
            audit.c.account == bindparam("account_name"),
            audit.c.address == bindparam("address_"),
            audit.c.action == bindparam("action_name"),
            audit.c.at >= bindparam("since"),
        )
        .order_by(audit.c.id.desc())
        .limit(1)
    )
)
# Each by itself is a look-up; SQLite finds both together only by reading every row.
_BOUNDS = Statement(
    lambda _: select(select(func.min(audit.c.id)).scalar_subquery(), select(func.max(audit.c.id)).scalar_subquery())
)
_TRIM = Statement(lambda _: delete(audit).where(audit.c.id < bindparam("first")))

LOOK_BACK = 10_000
"""Entries among which one of the same minute is looked for."""
TRIMMED = 10_000
"""Entries that go in one transaction."""


def add(
    connection: Connection,
    caller: Caller,
    action: str,
    repository: str = "",
    object_: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Notes a change, in its own transaction."""
    connection.run(
        _ADD,
        at=connection.now(),
        account=caller.account,
        address=caller.address,
        request_id=caller.request_id,
        action=action,
        repository=repository,
        object=object_,
        detail="{}" if not detail else msgspec.json.encode(detail, enc_hook=str).decode(),
        times=1,
    )


def count(connection: Connection, caller: Caller, action: str, repository: str, object_: str, times: int) -> None:
    """Notes refusals: those of one account, address, action and minute are one entry, with the first's particulars."""
    minute = connection.now() // 60_000 * 60_000
    bounds = connection.one(_BOUNDS)
    newest = int(bounds[1] or 0) if bounds else 0
    row = connection.one(
        _SAME_MINUTE,
        after=newest - LOOK_BACK,
        account_name=caller.account,
        address_=caller.address,
        action_name=action,
        since=minute,
    )
    if row is not None:
        connection.run(_COUNT_MORE, id_=row[0], more=times)
        return
    add(connection, caller, action, repository, object_)
    if times > 1:
        bounds = connection.one(_BOUNDS)
        assert bounds is not None
        connection.run(_COUNT_MORE, id_=bounds[1], more=times - 1)


def page(connection: Connection, filter_: Filter, *, before: int, count: int) -> list[Entry]:
    """Up to `count` entries older than the one of id `before`, the latest first."""
    rows = connection.all(
        _PAGE,
        before=before,
        account_name=filter_.account,
        repository_name=filter_.repository,
        action_name=filter_.action,
        action_group=f"{filter_.action}.",
        since=filter_.since,
        count_=count,
    )
    return [Entry(*row) for row in rows]


def trim(connection: Connection, most: int) -> int:
    """Drops the oldest entries beyond `most`, a part of them at a time; how many."""
    bounds = connection.one(_BOUNDS)
    if bounds is None or bounds[1] is None:
        return 0
    oldest, newest = bounds
    return connection.run(_TRIM, first=min(newest - most + 1, oldest + TRIMMED))
