"""Blobs: one row for each digest, and which repositories hold it."""

from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, delete, func, or_, select

from orlop.database import pages
from orlop.database.connection import Connection
from orlop.database.schema import blobs, leases, manifest_references, manifests, repositories, repository_blobs
from orlop.database.statement import Insert, Statement, parameters
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName

GIVEN_UP = ("removing", "removed")
"""States of a blob whose key was handed to removal: nothing is ever recorded under that key again."""


class Held(NamedTuple):
    """A blob that a repository holds."""

    repository_id: int
    size: int
    generation: int
    lease_expires_at: int
    """0 where there is no lease."""


class Record(NamedTuple):
    """A blob's own row."""

    id: int
    size: int
    state: str
    generation: int
    changed_at: int
    """When it came into its state, or was last pushed."""


def _held() -> Select[Any]:
    return (
        select(repositories.c.id, blobs.c.size, blobs.c.generation, func.coalesce(leases.c.expires_at, 0))
        .select_from(
            repositories.join(repository_blobs, repository_blobs.c.repository_id == repositories.c.id)
            .join(blobs, blobs.c.id == repository_blobs.c.blob_id)
            .outerjoin(leases, and_(leases.c.repository_id == repositories.c.id, leases.c.digest == blobs.c.digest))
        )
        .where(
            repositories.c.name == bindparam("name"),
            blobs.c.digest == bindparam("digest"),
            blobs.c.state == "live",
        )
    )


_HELD = Statement(lambda _: _held())
_HELD_FIRMLY = Statement(lambda _: _held().with_for_update(read=True, of=blobs))
_RECORD = Statement(
    lambda _: select(blobs.c.id, blobs.c.size, blobs.c.state, blobs.c.generation, blobs.c.changed_at).where(
        blobs.c.digest == bindparam("digest")
    )
)

_HOLDS = Statement(
    lambda _: (
        select(blobs.c.size)
        .select_from(blobs.join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id))
        .where(
            blobs.c.digest == bindparam("digest"),
            blobs.c.state == "live",
            repository_blobs.c.repository_id == bindparam("repository_id"),
        )
        .with_for_update(read=True, of=blobs)
    )
)


def _is_given_up() -> Any:
    return or_(*[blobs.c.state == state for state in GIVEN_UP])


def _record_live(insert: Insert) -> Any:
    statement = insert(blobs).values(**parameters(blobs, without=("id", "state")), state="live")
    # A key that was handed to removal is never written again: such a row takes a higher generation only.
    return statement.on_conflict_do_update(
        index_elements=["digest"],
        set_={name: statement.excluded[name] for name in ("state", "generation", "size", "changed_at")},
        where=or_(
            and_(~_is_given_up(), blobs.c.generation == statement.excluded.generation),
            and_(_is_given_up(), blobs.c.generation < statement.excluded.generation),
        ),
    )


def _rebuild(insert: Insert) -> Any:
    statement = insert(blobs).values(**parameters(blobs, without=("id", "state")), state="live")
    changes = {name: statement.excluded[name] for name in ("size", "generation", "state", "changed_at")}
    return statement.on_conflict_do_update(index_elements=["digest"], set_=changes)


def _link(insert: Insert) -> Any:
    return insert(repository_blobs).from_select(
        ["repository_id", "blob_id", "created_at"],
        select(bindparam("repository_id"), blobs.c.id, bindparam("created_at")).where(
            blobs.c.digest == bindparam("digest")
        ),
    ).on_conflict_do_nothing()  # fmt: skip


_RECORD_LIVE = Statement(_record_live)
_REBUILD = Statement(_rebuild)
_LINK = Statement(_link)
_UNLINK = Statement(
    lambda _: delete(repository_blobs).where(
        repository_blobs.c.repository_id == bindparam("repository_id"),
        repository_blobs.c.blob_id == select(blobs.c.id).where(blobs.c.digest == bindparam("digest")).scalar_subquery(),
    )
)
_NEEDED_BY = Statement(
    lambda _: (
        select(manifests.c.digest)
        .select_from(manifest_references.join(manifests, manifests.c.id == manifest_references.c.manifest_id))
        .where(
            manifest_references.c.digest == bindparam("digest"),
            manifest_references.c.repository_id == bindparam("repository_id"),
        )
        .limit(1)
    )
)
_READABLE_SOMEWHERE = Statement(
    lambda _: (
        select(blobs.c.id)
        .select_from(
            blobs.join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id).join(
                repositories, repositories.c.id == repository_blobs.c.repository_id
            )
        )
        .where(blobs.c.digest == bindparam("digest"), blobs.c.state == "live", pages.among(repositories.c.name))
        .limit(1)
        .with_for_update(read=True, of=blobs)
    )
)


def held(connection: Connection, name: RepositoryName, digest: Digest, *, firmly: bool = False) -> Held | None:
    """The blob as the repository of that name holds it. One look-up; called for every blob request.

    `firmly`: the blob stays live until the transaction ends. A unit that counts on it asks so.
    """
    row = connection.one(_HELD_FIRMLY if firmly else _HELD, name=name, digest=digest)
    return Held(*row) if row else None


def record(connection: Connection, digest: Digest) -> Record | None:
    row = connection.one(_RECORD, digest=digest)
    return Record(*row) if row else None


def size_in(connection: Connection, repository_id: int, digest: Digest) -> int | None:
    """The size of a live blob that the repository holds, and that stays live until the transaction ends."""
    row = connection.one(_HOLDS, repository_id=repository_id, digest=digest)
    return row[0] if row else None


def record_live(connection: Connection, digest: Digest, size: int, generation: int) -> bool:
    """Records that the object of that generation is in the tree. False: its key was given up meanwhile, write anew."""
    now = connection.now()
    return (
        connection.run(_RECORD_LIVE, digest=digest, size=size, generation=generation, created_at=now, changed_at=now)
        == 1
    )


def rebuild(connection: Connection, digest: Digest, size: int, generation: int) -> None:
    """Records an object that was found in the tree, whatever was recorded of the digest before."""
    now = connection.now()
    connection.run(_REBUILD, digest=digest, size=size, generation=generation, created_at=now, changed_at=now)


def link(connection: Connection, repository_id: int, digest: Digest) -> None:
    connection.run(_LINK, repository_id=repository_id, digest=digest, created_at=connection.now())


def unlink(connection: Connection, repository_id: int, digest: Digest) -> bool:
    """Takes the blob out of the repository; False where it was not in it."""
    return connection.run(_UNLINK, repository_id=repository_id, digest=digest) > 0


def needed_by(connection: Connection, repository_id: int, digest: Digest) -> str | None:
    """The digest of a manifest in the repository that references this content."""
    row = connection.one(_NEEDED_BY, repository_id=repository_id, digest=digest)
    return row[0] if row else None


def held_anywhere(connection: Connection, digest: Digest, readable: str = "") -> bool:
    """Whether a repository among those that may be read holds the blob. `readable`: see `Authority.readable`."""
    return connection.one(_READABLE_SOMEWHERE, digest=digest, readable=readable) is not None
