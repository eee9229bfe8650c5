"""Tags, and the history that every change of one leaves."""

from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, case, delete, func, insert, literal_column, or_, select, update

from orlop.database import pages
from orlop.database.connection import Connection
from orlop.database.manifests import let_go
from orlop.database.pages import Order, Position
from orlop.database.schema import manifest_references, manifests, repositories, tag_history, tags
from orlop.database.statement import Insert, Statement, parameters
from orlop.domain.caller import Caller
from orlop.domain.manifest import INDEXES
from orlop.domain.name import RepositoryName

MOST_SIBLINGS = 100
"""Other tags on the same manifest that are told; their number is told whole."""


class Record(NamedTuple):
    """A tag with what is recorded of it and of its manifest."""

    name: str
    updated_at: int
    updated_by: str
    updated_from: str
    last_pulled_at: int | None
    manifest_id: int
    digest: str
    media_type: str
    size: int
    """Bytes of the manifest and of what it names; for an index also of what its children name."""
    artifact_type: str
    platforms: str
    pushed_at: int
    pushed_by: str
    pushed_from: str


class Change(NamedTuple):
    """One entry of a tag's history; a missing digest means that there was none before or is none after."""

    digest: str | None
    previous: str | None
    at: int
    account: str
    address: str


def _set(insert: Insert) -> Any:
    statement = insert(tags).values(parameters(tags))
    columns = ("manifest_id", "updated_at", "updated_by", "updated_from")
    return statement.on_conflict_do_update(
        index_elements=["repository_id", "name"],
        set_={column: statement.excluded[column] for column in columns} | {"last_pulled_at": None},
    )


_SET = Statement(_set)
_DIGEST = Statement(
    lambda _: (
        select(manifests.c.digest)
        .select_from(tags.join(manifests, manifests.c.id == tags.c.manifest_id))
        .where(tags.c.repository_id == bindparam("repository_id"), tags.c.name == bindparam("tag"))
    )
)
_NAMED = Statement(
    lambda _: (
        select(manifests.c.digest, manifests.c.id)
        .select_from(tags.join(manifests, manifests.c.id == tags.c.manifest_id))
        .where(tags.c.repository_id == bindparam("repository_id"), tags.c.name == bindparam("tag"))
    )
)
_CURRENT = Statement(
    lambda _: (
        select(manifests.c.digest)
        .select_from(
            repositories.join(tags, tags.c.repository_id == repositories.c.id).join(
                manifests, manifests.c.id == tags.c.manifest_id
            )
        )
        .where(repositories.c.name == bindparam("name"), tags.c.name == bindparam("tag"))
    )
)
_REMOVE = Statement(
    lambda _: delete(tags).where(tags.c.repository_id == bindparam("repository_id"), tags.c.name == bindparam("tag"))
)
_LOG = Statement(lambda _: insert(tag_history).values(parameters(tag_history, without=("id",))))


def _names() -> Select[Any]:
    page = (
        select(tags.c.name)
        .where(tags.c.repository_id == bindparam("repository_id"), tags.c.name > bindparam("last"))
        .order_by(tags.c.name)
        .limit(bindparam("count"))
        .subquery("page")
    )
    return select(func.aggregate_strings(page.c.name, literal_column("' '")))  # type: ignore[arg-type]


_NAMES = Statement(lambda _: _names())
_OF_MANIFEST = Statement(
    lambda _: select(tags.c.name).where(tags.c.manifest_id == bindparam("manifest_id")).order_by(tags.c.name)
)
_OLD = Statement(
    lambda _: (
        select(tags.c.name)
        .where(tags.c.repository_id == bindparam("repository_id"), tags.c.manifest_id <= bindparam("newest"))
        .order_by(tags.c.name)
        .limit(bindparam("count"))
    )
)
_HISTORY = Statement(
    lambda _: (
        select(*[tag_history.c[name] for name in Change._fields])
        .where(tag_history.c.repository_id == bindparam("repository_id"), tag_history.c.name == bindparam("tag"))
        .order_by(tag_history.c.id.desc())
        .limit(bindparam("count"))
    )
)


def _size() -> Any:
    child = manifests.alias("child")
    below = (
        select(pages.whole(func.sum(child.c.content_size)))
        .select_from(manifest_references.join(child, child.c.digest == manifest_references.c.digest))
        .where(
            manifest_references.c.manifest_id == manifests.c.id,
            manifest_references.c.kind == "manifest",
            child.c.repository_id == manifest_references.c.repository_id,
        )
        .scalar_subquery()
    )
    is_index = or_(*[manifests.c.media_type == media_type for media_type in INDEXES])
    return manifests.c.size + manifests.c.content_size + case((is_index, below), else_=0)


def _records() -> Select[Any]:
    joined = {
        "digest": manifests.c.digest,
        "media_type": manifests.c.media_type,
        "size": _size(),
        "artifact_type": manifests.c.artifact_type,
        "platforms": manifests.c.platforms,
        "pushed_at": manifests.c.pushed_at,
        "pushed_by": manifests.c.pushed_by,
        "pushed_from": manifests.c.pushed_from,
    }
    columns = [joined[name] if name in joined else tags.c[name] for name in Record._fields]
    return (
        select(*columns)
        .select_from(tags.join(manifests, manifests.c.id == tags.c.manifest_id))
        .where(tags.c.repository_id == bindparam("repository_id"))
    )


def _page(order: Order) -> Select[Any]:
    columns = {
        "name": tags.c.name,
        "updated": tags.c.updated_at,
        "pulled": func.coalesce(tags.c.last_pulled_at, 0),
        "size": _size(),
    }
    return pages.paged(_records().where(pages.containing(tags.c.name)), order, columns)


SORTS = ("name", "updated", "pulled", "size")
_PAGES = pages.each_order(SORTS, _page)
_RECORD = Statement(lambda _: _records().where(tags.c.name == bindparam("tag")))
_TOTAL = Statement(
    lambda _: (
        select(func.count())
        .select_from(tags)
        .where(tags.c.repository_id == bindparam("repository_id"), pages.containing(tags.c.name))
    )
)
_COUNT = Statement(lambda _: select(func.count()).select_from(tags))
_SIBLINGS = Statement(
    lambda _: (
        select(tags.c.name)
        .where(tags.c.manifest_id == bindparam("manifest_id"))
        .order_by(tags.c.name)
        .limit(bindparam("count"))
    )
)
_SIBLING_COUNT = Statement(
    lambda _: select(func.count()).select_from(tags).where(tags.c.manifest_id == bindparam("manifest_id"))
)
_PULLED = Statement(
    lambda _: (
        update(tags)
        .where(
            tags.c.repository_id == bindparam("repository"),
            tags.c.name == bindparam("tag"),
            tags.c.manifest_id == bindparam("manifest"),
            or_(tags.c.last_pulled_at.is_(None), tags.c.last_pulled_at < bindparam("hour")),
        )
        .values(last_pulled_at=bindparam("hour"))
    )
)


def digest(connection: Connection, repository_id: int, tag: str) -> str | None:
    row = connection.one(_DIGEST, repository_id=repository_id, tag=tag)
    return row[0] if row else None


def current(connection: Connection, name: RepositoryName, tag: str) -> str | None:
    """The digest that the tag names now, by the repository's name."""
    row = connection.one(_CURRENT, name=name, tag=tag)
    return row[0] if row else None


def point(
    connection: Connection,
    caller: Caller,
    repository_id: int,
    tag: str,
    manifest_id: int,
    to: str,
    at: int | None = None,
) -> None:
    """Points the tag at a manifest and writes that into its history, when it is a change; now, or at `at`."""
    named = connection.one(_NAMED, repository_id=repository_id, tag=tag)
    previous = named[0] if named else None
    now = connection.now() if at is None else at
    connection.run(
        _SET,
        repository_id=repository_id,
        name=tag,
        manifest_id=manifest_id,
        updated_at=now,
        updated_by=caller.account,
        updated_from=caller.address,
        last_pulled_at=None,
    )
    if previous != to:
        _log(connection, caller, repository_id, tag, to, previous, now)
        if named is not None:
            let_go(connection, named[1], now)


def remove(connection: Connection, caller: Caller, repository_id: int, tag: str) -> bool:
    """Removes the tag and nothing else; False where there is none."""
    named = connection.one(_NAMED, repository_id=repository_id, tag=tag)
    if named is None:
        return False
    now = connection.now()
    connection.run(_REMOVE, repository_id=repository_id, tag=tag)
    _log(connection, caller, repository_id, tag, None, named[0], now)
    let_go(connection, named[1], now)
    return True


def names(connection: Connection, repository_id: int, *, last: str, count: int) -> list[str]:
    """Up to `count` tags after `last`, in byte order."""
    # As one value: of 10,000 rows, making each one a Python object takes most of the time. A tag holds no space.
    row = connection.one(_NAMES, repository_id=repository_id, last=last, count=count)
    joined: str | None = row[0] if row else None
    return sorted(joined.split(" ")) if joined else []


def of_manifest(connection: Connection, manifest_id: int) -> list[str]:
    return [row[0] for row in connection.all(_OF_MANIFEST, manifest_id=manifest_id)]


def on_old(connection: Connection, repository_id: int, newest: int, count: int) -> list[str]:
    """Up to `count` tags on manifests of that row id or an older one."""
    return [row[0] for row in connection.all(_OLD, repository_id=repository_id, newest=newest, count=count)]


def position(order: Order, record: Record) -> Position:
    """Where a page that begins after this tag begins."""
    values = {"updated": record.updated_at, "pulled": record.last_pulled_at or 0, "size": record.size}
    return Position(values.get(order.by, 0), record.name)


def records(
    connection: Connection, repository_id: int, *, text: str, order: Order, last: Position, count: int
) -> list[Record]:
    """Up to `count` tags after `last` whose name holds `text`. `order.by` is one of SORTS."""
    rows = connection.all(
        _PAGES[order],
        repository_id=repository_id,
        pattern=pages.pattern(text),
        last_value=last.value,
        last_name=last.name,
        count=count,
    )
    return [Record(*row) for row in rows]


def record(connection: Connection, repository_id: int, tag: str) -> Record | None:
    row = connection.one(_RECORD, repository_id=repository_id, tag=tag)
    return Record(*row) if row else None


def total(connection: Connection, repository_id: int, text: str) -> int:
    """How many tags of the repository have a name that holds `text`."""
    row = connection.one(_TOTAL, repository_id=repository_id, pattern=pages.pattern(text))
    return int(row[0]) if row else 0


def count(connection: Connection) -> int:
    """How many tags there are in all."""
    row = connection.one(_COUNT)
    return int(row[0]) if row else 0


def on_manifest(connection: Connection, manifest_id: int, most: int) -> tuple[list[str], int]:
    """The first `most` tags on a manifest, and how many there are."""
    found = [row[0] for row in connection.all(_SIBLINGS, manifest_id=manifest_id, count=most)]
    if len(found) < most:
        return found, len(found)
    row = connection.one(_SIBLING_COUNT, manifest_id=manifest_id)
    return found, int(row[0]) if row else 0


def history(connection: Connection, repository_id: int, tag: str, count: int) -> list[Change]:
    """The newest changes first."""
    return [Change(*row) for row in connection.all(_HISTORY, repository_id=repository_id, tag=tag, count=count)]


def pulled(connection: Connection, pulls: list[tuple[int, str, int, int]]) -> None:
    """Records pulls by tag: repository id, tag, manifest id, and the hour (in milliseconds since 1970)."""
    rows = [
        {"repository": repository_id, "tag": tag, "manifest": manifest_id, "hour": hour}
        for repository_id, tag, manifest_id, hour in pulls
    ]
    connection.many(_PULLED, rows)


def _log(
    connection: Connection, caller: Caller, repository_id: int, tag: str, to: str | None, previous: str | None, at: int
) -> None:
    connection.run(
        _LOG,
        repository_id=repository_id,
        name=tag,
        digest=to,
        previous=previous,
        at=at,
        account=caller.account,
        address=caller.address,
    )
