"""Repositories: a row appears with the first push; the registry knows a repository while it holds a manifest."""

from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, exists, func, select

from orlop.database.connection import Connection
from orlop.database.schema import manifests, repositories, tags
from orlop.database.statement import Insert, Statement, parameters
from orlop.domain.name import RepositoryName


def _create(insert: Insert) -> Any:
    return (
        insert(repositories)
        .values(parameters(repositories, without=("id",)))
        .on_conflict_do_nothing(index_elements=["name"])
    )


def _holding_a_manifest() -> Any:
    return exists().where(manifests.c.repository_id == repositories.c.id)


def _page(*columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .where(repositories.c.name > bindparam("last"), _holding_a_manifest())
        .order_by(repositories.c.name)
        .limit(bindparam("count"))
    )


_ID = Statement(lambda _: select(repositories.c.id).where(repositories.c.name == bindparam("name")))
_CREATE = Statement(_create)
_KNOWN = Statement(
    lambda _: select(repositories.c.id).where(repositories.c.name == bindparam("name"), _holding_a_manifest())
)
_NAMES = Statement(lambda _: _page(repositories.c.name))
_COUNT = Statement(lambda _: select(func.count()).select_from(repositories).where(_holding_a_manifest()))
_SUMMARIES = Statement(
    lambda _: _page(
        repositories.c.name,
        repositories.c.created_at,
        select(func.count()).where(tags.c.repository_id == repositories.c.id).scalar_subquery(),
        select(func.count()).where(manifests.c.repository_id == repositories.c.id).scalar_subquery(),
        select(func.max(manifests.c.pushed_at)).where(manifests.c.repository_id == repositories.c.id).scalar_subquery(),
        select(func.max(manifests.c.last_pulled_at))
        .where(manifests.c.repository_id == repositories.c.id)
        .scalar_subquery(),
    ).where(repositories.c.name.contains(bindparam("filter"), autoescape=False))
)


class Summary(NamedTuple):
    name: str
    created_at: int
    tags: int
    manifests: int
    pushed_at: int | None
    last_pulled_at: int | None


def find(connection: Connection, name: RepositoryName) -> int | None:
    """The row id, whether or not the repository holds anything."""
    row = connection.one(_ID, name=name)
    return row[0] if row else None


def find_known(connection: Connection, name: RepositoryName) -> int | None:
    """The row id of a repository that holds a manifest."""
    row = connection.one(_KNOWN, name=name)
    return row[0] if row else None


def ensure(connection: Connection, name: RepositoryName) -> int:
    """The row id, made where there is none."""
    found = find(connection, name)
    if found is None:
        connection.run(_CREATE, name=name, created_at=connection.now())
        found = find(connection, name)
        assert found is not None
    return found


def names(connection: Connection, *, last: str, count: int) -> list[str]:
    """Up to `count` names after `last`, in byte order."""
    return [row[0] for row in connection.all(_NAMES, last=last, count=count)]
