"""The audit log: who changed what, and who was refused. Entries of changes stand in the change's own transaction."""

import re
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


_ACTION = re.compile(r"[a-z]+(?:[.-][a-z]+)*")


def is_action(text: str) -> bool:
    """Whether that may be the name of an action, or of a group of them."""
    return _ACTION.fullmatch(text) is not None


class Filter(NamedTuple):
    """What a list is of; empty: all. `action` is a name, or the part of names before the dot."""

    account: str = ""
    repository: str = ""
    action: str = ""
    since: int = 0


_COLUMNS = [audit.c[name] for name in Entry._fields]
_ADD = Statement(lambda _: insert(audit).values(parameters(audit, without=("id",))))


def _page(*, by_account: bool, by_repository: bool) -> Statement:
    """A statement for each, so that each finds its entries by an index of its own."""
    found = [audit.c.account == bindparam("account_name")] if by_account else []
    if by_repository:
        found.append(audit.c.repository == bindparam("repository_name"))
    action = or_(
        bindparam("action_name") == "",
        audit.c.action == bindparam("action_name"),
        audit.c.action.startswith(bindparam("action_group"), autoescape=False),
    )
    return Statement(
        lambda _: (
            select(*_COLUMNS)
            .where(*found, audit.c.id < bindparam("before"), action, audit.c.at >= bindparam("since"))
            .order_by(audit.c.id.desc())
            .limit(bindparam("count_"))
        )
    )


_PAGES = {
    (by_account, by_repository): _page(by_account=by_account, by_repository=by_repository)
    for by_account in (False, True)
    for by_repository in (False, True)
}
_COUNT_MORE = Statement(
    lambda _: update(audit).where(audit.c.id == bindparam("id_")).values(times=audit.c.times + bindparam("more"))
)
# Each by itself is a look-up; SQLite finds both together only by reading every row.
_BOUNDS = Statement(
    lambda _: select(select(func.min(audit.c.id)).scalar_subquery(), select(func.max(audit.c.id)).scalar_subquery())
)
_TRIM = Statement(lambda _: delete(audit).where(audit.c.id < bindparam("first")))

TRIMMED = 10_000
"""Entries that go in one transaction."""


def add(
    connection: Connection,
    caller: Caller,
    action: str,
    repository: str = "",
    object_: str = "",
    detail: dict[str, Any] | None = None,
    *,
    times: int = 1,
) -> int:
    """Notes a change, in its own transaction; the entry's id."""
    entry = connection.insert(
        _ADD,
        at=connection.now(),
        account=caller.account,
        address=caller.address,
        request_id=caller.request_id,
        action=action,
        repository=repository,
        object=object_,
        detail="{}" if not detail else msgspec.json.encode(detail, enc_hook=str).decode(),
        times=times,
    )
    assert entry is not None
    return entry


def count(connection: Connection, entry: int, more: int) -> bool:
    """Adds to how often it happened; False where there is no such entry any more."""
    return connection.run(_COUNT_MORE, id_=entry, more=more) > 0


def page(connection: Connection, filter_: Filter, *, before: int, count: int) -> list[Entry]:
    """Up to `count` entries older than the one of id `before`, the latest first."""
    named = {"account_name": filter_.account, "repository_name": filter_.repository}
    rows = connection.all(
        _PAGES[bool(filter_.account), bool(filter_.repository)],
        before=before,
        action_name=filter_.action,
        action_group=f"{filter_.action}.",
        since=filter_.since,
        count_=count,
        **{name: value for name, value in named.items() if value},
    )
    return [Entry(*row) for row in rows]


def trim(connection: Connection, most: int) -> int:
    """Drops the oldest entries beyond `most`, a part of them at a time; how many."""
    bounds = connection.one(_BOUNDS)
    if bounds is None or bounds[1] is None:
        return 0
    oldest, newest = bounds
    return connection.run(_TRIM, first=min(newest - most + 1, oldest + TRIMMED))
