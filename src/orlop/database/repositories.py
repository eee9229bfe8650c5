"""Repositories: a row appears with the first push; the registry knows a repository while it holds a manifest."""

from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, delete, exists, func, or_, select

from orlop.database import pages
from orlop.database.connection import Connection
from orlop.database.pages import Order, Position
from orlop.database.schema import blobs, manifest_references, manifests, repositories, repository_blobs, tags
from orlop.database.statement import Insert, Statement, parameters
from orlop.domain.name import RepositoryName


def _create(insert: Insert) -> Any:
    return (
        insert(repositories)
        .values(parameters(repositories, without=("id", "pushed_at")))
        .on_conflict_do_nothing(index_elements=["name"])
    )


def _holding_a_manifest() -> Any:
    return exists().where(manifests.c.repository_id == repositories.c.id)


def _page(*columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .where(repositories.c.name > bindparam("last"), pages.among(repositories.c.name), _holding_a_manifest())
        .order_by(repositories.c.name)
        .limit(bindparam("count"))
    )


_ID = Statement(lambda _: select(repositories.c.id).where(repositories.c.name == bindparam("name")))
_LOCK = Statement(
    lambda _: select(repositories.c.id).where(repositories.c.name == bindparam("name")).with_for_update(key_share=True)
)
_CREATE = Statement(_create)
_KNOWN = Statement(
    lambda _: select(repositories.c.id).where(repositories.c.name == bindparam("name"), _holding_a_manifest())
)
_NAMES = Statement(lambda _: _page(repositories.c.name))


def _summaries(order: Order) -> Any:
    # The page first, then what is counted for its repositories alone.
    columns = {"name": repositories.c.name, "pushed": repositories.c.pushed_at}
    rows = select(repositories.c.id, repositories.c.name, repositories.c.pushed_at).where(
        pages.containing(repositories.c.name), pages.among(repositories.c.name), _holding_a_manifest()
    )
    page = pages.paged(rows, order, columns).cte("page")
    return _counted(page).order_by(*pages.ordering(order, {"name": page.c.name, "pushed": page.c.pushed_at}))


def _counted(page: Any) -> Select[Any]:
    """What each repository of a page holds."""
    return (
        select(
            page.c.name,
            select(func.count()).where(tags.c.repository_id == page.c.id).scalar_subquery(),
            func.count(),
            pages.whole(func.sum(manifests.c.size)) + _referenced_size(page.c.id),
            page.c.pushed_at,
            func.max(manifests.c.last_pulled_at),
        )
        .select_from(page.join(manifests, manifests.c.repository_id == page.c.id))
        .group_by(page.c.id, page.c.name, page.c.pushed_at)
    )


def _one() -> Any:
    columns = (repositories.c.id, repositories.c.name, repositories.c.pushed_at)
    return _counted(select(*columns).where(repositories.c.name == bindparam("name")).cte("page"))


def _referenced_size(repository_id: Any) -> Any:
    """Bytes of the blobs that the repository holds and that one of its manifests names, each counted once."""
    named = exists().where(
        manifest_references.c.digest == blobs.c.digest,
        manifest_references.c.repository_id == repository_blobs.c.repository_id,
    )
    return (
        select(pages.whole(func.sum(blobs.c.size)))
        .select_from(repository_blobs.join(blobs, blobs.c.id == repository_blobs.c.blob_id))
        .where(repository_blobs.c.repository_id == repository_id, blobs.c.state == "live", named)
        .scalar_subquery()
    )


SORTS = ("name", "pushed")
_SUMMARY = Statement(lambda _: _one())
_SUMMARIES = pages.each_order(SORTS, _summaries)
_COUNT = Statement(
    lambda _: (
        select(func.count())
        .select_from(repositories)
        .where(pages.containing(repositories.c.name), pages.among(repositories.c.name), _holding_a_manifest())
    )
)


def _here(table: Any, column: Any) -> Any:
    return select(column).where(table.c.repository_id == bindparam("repository_id"))


def _freed() -> Any:
    """Blobs that the repository holds, or that are its manifests, and that no other repository needs."""
    elsewhere = [
        exists().where(table.c.repository_id != bindparam("repository_id"), condition)
        for table, condition in (
            (manifests, manifests.c.digest == blobs.c.digest),
            (manifest_references, manifest_references.c.digest == blobs.c.digest),
            (repository_blobs, repository_blobs.c.blob_id == blobs.c.id),
        )
    ]
    held = or_(
        blobs.c.id.in_(_here(repository_blobs, repository_blobs.c.blob_id)),
        blobs.c.digest.in_(_here(manifests, manifests.c.digest)),
    )
    return select(func.count(), pages.whole(func.sum(blobs.c.size))).where(held, *[~there for there in elsewhere])


def _contents() -> Any:
    return select(
        select(func.count()).where(tags.c.repository_id == bindparam("repository_id")).scalar_subquery(),
        select(func.count()).where(manifests.c.repository_id == bindparam("repository_id")).scalar_subquery(),
        select(func.count()).where(repository_blobs.c.repository_id == bindparam("repository_id")).scalar_subquery(),
        select(func.max(manifests.c.id))
        .where(manifests.c.repository_id == bindparam("repository_id"))
        .scalar_subquery(),
    )


_CONTENTS = Statement(lambda _: _contents())
_FREED = Statement(lambda _: _freed())
_DROP = Statement(lambda _: delete(repositories).where(repositories.c.id == bindparam("id_"), ~_holding_a_manifest()))


class Contents(NamedTuple):
    """How much a repository holds, and what of it no other one needs."""

    tags: int
    manifests: int
    blobs: int
    newest: int
    """The row id of the manifest that came last."""
    freed_blobs: int
    """Manifests among them."""
    freed: int
    """Bytes."""


class Summary(NamedTuple):
    """What a repository holds. `size`: bytes of its manifests and of the blobs that they name, each counted once."""

    name: str
    tags: int
    manifests: int
    size: int
    pushed_at: int
    last_pulled_at: int | None


def find(connection: Connection, name: RepositoryName) -> int | None:
    """The row id, whether or not the repository holds anything."""
    row = connection.one(_ID, name=name)
    return row[0] if row else None


def find_known(connection: Connection, name: RepositoryName) -> int | None:
    """The row id of a repository that holds a manifest."""
    row = connection.one(_KNOWN, name=name)
    return row[0] if row else None


def lock(connection: Connection, name: RepositoryName) -> int | None:
    """The row id, held until the transaction ends: units that change what a repository holds take turns by it.

    What such a unit has read of the repository is still so when it writes. SQLite has one writer anyhow.
    """
    row = connection.one(_LOCK, name=name)
    return row[0] if row else None


def ensure(connection: Connection, name: RepositoryName) -> int:
    """`lock`, on a row made where there is none."""
    found = lock(connection, name)
    if found is None:
        connection.run(_CREATE, name=name, created_at=connection.now())
        found = lock(connection, name)
        assert found is not None
    return found


def names(connection: Connection, *, last: str, count: int, readable: str = "") -> list[str]:
    """Up to `count` names after `last`, in byte order. `readable`: see `Authority.readable`."""
    return [row[0] for row in connection.all(_NAMES, readable=readable, last=last, count=count)]


def contents(connection: Connection, repository_id: int) -> Contents:
    """Looks at everything that the repository holds."""
    held = connection.one(_CONTENTS, repository_id=repository_id)
    freed = connection.one(_FREED, repository_id=repository_id)
    assert held is not None
    assert freed is not None
    return Contents(held[0], held[1], held[2], held[3] or 0, freed[0], int(freed[1]))


def drop(connection: Connection, repository_id: int) -> bool:
    """Drops a repository that holds no manifest, with its links, leases, open uploads and the history of its tags."""
    return connection.run(_DROP, id_=repository_id) > 0


def position(order: Order, summary: Summary) -> Position:
    """Where a page that begins after this repository begins."""
    return Position(summary.pushed_at if order.by == "pushed" else 0, summary.name)


def summary(connection: Connection, name: RepositoryName) -> Summary | None:
    """What one repository holds; None where it holds no manifest."""
    row = connection.one(_SUMMARY, name=name)
    return Summary(*row) if row else None


def summaries(
    connection: Connection, *, text: str, order: Order, last: Position, count: int, readable: str = ""
) -> list[Summary]:
    """Up to `count` repositories after `last` whose name holds `text`. `order.by` is one of SORTS."""
    rows = connection.all(
        _SUMMARIES[order],
        readable=readable,
        pattern=pages.pattern(text),
        last_value=last.value,
        last_name=last.name,
        count=count,
    )
    return [Summary(*row) for row in rows]


def total(connection: Connection, text: str, readable: str = "") -> int:
    """How many repositories have a name that holds `text`. Looks at every repository: see `registry/totals.py`."""
    row = connection.one(_COUNT, pattern=pages.pattern(text), readable=readable)
    return int(row[0]) if row else 0
