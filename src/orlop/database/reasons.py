"""What keeps a digest, one step at a time: for `orlop why` and for previews of a collection."""

from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, exists, select

from orlop.database.connection import Connection
from orlop.database.schema import (
    leases,
    manifest_references,
    manifests,
    repositories,
    repository_blobs,
    tags,
    uploads,
)
from orlop.database.statement import Statement


class Manifest(NamedTuple):
    """A manifest of a repository, and as what it holds what was asked for."""

    id: int
    repository_id: int
    repository: str
    digest: str
    role: str
    """`config`, `layer` or `manifest`; empty where it is it."""
    subject: str | None
    used_at: int
    """When it was last pushed, pulled or let go of."""


class Lease(NamedTuple):
    repository: str
    expires_at: int


class Upload(NamedTuple):
    repository: str
    created_at: int
    expires_at: int


class Untagged(NamedTuple):
    """A manifest that no tag names and that nobody used lately."""

    id: int
    digest: str
    size: int
    subject: str | None


def _manifests(role: Any, *tables: Any) -> Select[Any]:
    return select(
        manifests.c.id,
        manifests.c.repository_id,
        repositories.c.name,
        manifests.c.digest,
        role,
        manifests.c.subject,
        manifests.c.pushed_at,
        manifests.c.last_pulled_at,
        manifests.c.released_at,
    )


def _naming() -> Any:
    return (
        _manifests(manifest_references.c.kind)
        .select_from(
            manifest_references.join(manifests, manifests.c.id == manifest_references.c.manifest_id).join(
                repositories, repositories.c.id == manifests.c.repository_id
            )
        )
        .where(manifest_references.c.digest == bindparam("digest"))
        .limit(bindparam("count"))
    )


def _being() -> Any:
    return (
        _manifests(bindparam("role"))
        .select_from(manifests.join(repositories, repositories.c.id == manifests.c.repository_id))
        .where(manifests.c.digest == bindparam("digest"))
        .limit(bindparam("count"))
    )


_NAMING = Statement(lambda _: _naming())
_NAMING_IN = Statement(lambda _: _naming().where(manifest_references.c.repository_id == bindparam("repository_id")))
_BEING = Statement(lambda _: _being())
_BEING_IN = Statement(lambda _: _being().where(manifests.c.repository_id == bindparam("repository_id")))
_LEASES = Statement(
    lambda _: (
        select(repositories.c.name, leases.c.expires_at)
        .select_from(leases.join(repositories, repositories.c.id == leases.c.repository_id))
        .where(leases.c.digest == bindparam("digest"))
        .order_by(leases.c.expires_at.desc())
    )
)
_UPLOAD = Statement(
    lambda _: (
        select(repositories.c.name, uploads.c.created_at, uploads.c.expires_at)
        .select_from(uploads.join(repositories, repositories.c.id == uploads.c.repository_id))
        .where(uploads.c.id == bindparam("upload_id"))
    )
)
_HOLDERS = Statement(
    lambda _: (
        select(repositories.c.name)
        .select_from(repository_blobs.join(repositories, repositories.c.id == repository_blobs.c.repository_id))
        .where(repository_blobs.c.blob_id == bindparam("blob_id"))
        .order_by(repositories.c.name)
        .limit(bindparam("count"))
    )
)


def _untagged() -> Any:
    before: Any = bindparam("before")
    return (
        select(manifests.c.id, manifests.c.digest, manifests.c.size, manifests.c.subject)
        .where(
            manifests.c.repository_id == bindparam("repository_id"),
            manifests.c.pushed_at < before,
            (manifests.c.released_at.is_(None)) | (manifests.c.released_at < before),
            (manifests.c.last_pulled_at.is_(None)) | (manifests.c.last_pulled_at < before),
            ~exists().where(tags.c.manifest_id == manifests.c.id),
            ~exists().where(
                leases.c.repository_id == manifests.c.repository_id,
                leases.c.digest == manifests.c.digest,
                leases.c.expires_at > bindparam("now"),
            ),
        )
        .order_by(manifests.c.digest)
    )


_UNTAGGED = Statement(lambda _: _untagged())
_EDGES = Statement(
    lambda _: select(manifest_references.c.digest, manifest_references.c.manifest_id).where(
        manifest_references.c.repository_id == bindparam("repository_id"), manifest_references.c.kind == "manifest"
    )
)
_SUBJECTS = Statement(
    lambda _: select(manifests.c.digest).where(
        manifests.c.repository_id == bindparam("repository_id"), manifests.c.digest == bindparam("digest")
    )
)


def naming(connection: Connection, digest: str, count: int, repository_id: int | None = None) -> list[Manifest]:
    """Up to `count` manifests that name the digest, in every repository or in one."""
    if repository_id is None:
        rows = connection.all(_NAMING, digest=digest, count=count)
    else:
        rows = connection.all(_NAMING_IN, digest=digest, count=count, repository_id=repository_id)
    return list(map(_manifest, rows))


def being(connection: Connection, digest: str, count: int, repository_id: int | None = None) -> list[Manifest]:
    """Up to `count` manifests that have the digest, in every repository or in one."""
    if repository_id is None:
        rows = connection.all(_BEING, digest=digest, count=count, role="")
    else:
        rows = connection.all(_BEING_IN, digest=digest, count=count, repository_id=repository_id, role="")
    return list(map(_manifest, rows))


def _manifest(row: tuple[Any, ...]) -> Manifest:
    return Manifest(row[0], row[1], row[2], row[3], row[4], row[5], max(at or 0 for at in row[6:]))


def leases_on(connection: Connection, digest: str) -> list[Lease]:
    """Those that are over too, while they are recorded; the one that ends last comes first."""
    return [Lease(*row) for row in connection.all(_LEASES, digest=digest)]


def upload(connection: Connection, upload_id: str) -> Upload | None:
    row = connection.one(_UPLOAD, upload_id=upload_id)
    return Upload(*row) if row else None


def holders(connection: Connection, blob_id: int, count: int) -> list[str]:
    """The first `count` repositories that hold the blob."""
    return [row[0] for row in connection.all(_HOLDERS, blob_id=blob_id, count=count)]


def untagged(connection: Connection, repository_id: int, *, now: int, age: int) -> list[Untagged]:
    """The repository's manifests without a tag or lease that nobody used for `age` milliseconds."""
    return [Untagged(*row) for row in connection.all(_UNTAGGED, repository_id=repository_id, now=now, before=now - age)]


def parents(connection: Connection, repository_id: int) -> dict[str, set[int]]:
    """For each digest that an index of the repository lists, the row ids of those indexes."""
    found: dict[str, set[int]] = {}
    for digest, manifest_id in connection.all(_EDGES, repository_id=repository_id):
        found.setdefault(digest, set()).add(manifest_id)
    return found


def holds_manifest(connection: Connection, repository_id: int, digest: str) -> bool:
    return connection.one(_SUBJECTS, repository_id=repository_id, digest=digest) is not None
