"""Who else has what an image is made of: which tags share a blob, and what only one tag keeps."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, exists, func, literal_column, or_, select, union

from orlop.database import pages
from orlop.database.connection import Connection
from orlop.database.schema import (
    blobs,
    manifest_references,
    manifests,
    repositories,
    repository_blobs,
    tags,
    v1_images,
)
from orlop.database.statement import Statement

MOST_TAGS = 10_000
"""Tags that are counted for one blob."""
MOST_MANIFESTS = 10_000
"""Manifests that are looked at for one tag."""


class Freed(NamedTuple):
    """What only one tag keeps: how many blobs, manifests among them, and their bytes."""

    blobs: int
    size: int


NOTHING = Freed(0, 0)


def _sharing() -> Any:
    """Tags on a manifest that names the digest, and on an index that names such a manifest."""
    above = manifest_references.alias("above")
    parent = manifests.alias("parent")
    naming = manifest_references.join(manifests, manifests.c.id == manifest_references.c.manifest_id)
    straight = (
        select(tags.c.repository_id, tags.c.name)
        .select_from(naming.join(tags, tags.c.manifest_id == manifests.c.id))
        .where(manifest_references.c.digest == bindparam("digest"))
    )
    by_index = (
        select(tags.c.repository_id, tags.c.name)
        .select_from(
            naming.join(
                above,
                and_(above.c.digest == manifests.c.digest, above.c.repository_id == manifests.c.repository_id),
            )
            .join(parent, parent.c.id == above.c.manifest_id)
            .join(tags, tags.c.manifest_id == parent.c.id)
        )
        .where(manifest_references.c.digest == bindparam("digest"))
    )
    both = union(straight, by_index).subquery("both")
    readable = (
        select(literal_column("1"))
        .select_from(both.join(repositories, repositories.c.id == both.c.repository_id))
        .where(pages.among(repositories.c.name))
        .limit(bindparam("count"))
        .subquery("readable")
    )
    return select(func.count()).select_from(readable)


_SHARING = Statement(lambda _: _sharing())
_OF_DIGEST = Statement(
    lambda _: select(manifests.c.id, manifests.c.digest).where(
        manifests.c.repository_id == bindparam("repository_id"), manifests.c.digest == bindparam("digest")
    )
)
_BELOW = Statement(
    lambda _: select(manifest_references.c.digest).where(
        manifest_references.c.manifest_id == bindparam("manifest_id"),
        manifest_references.c.kind == literal_column("'manifest'"),
    )
)
_ABOUT = Statement(
    lambda _: select(manifests.c.digest).where(
        manifests.c.repository_id == bindparam("repository_id"), manifests.c.subject == bindparam("digest")
    )
)
_TAGS = Statement(
    lambda _: select(tags.c.name).where(tags.c.manifest_id == bindparam("manifest_id")).limit(literal_column("2"))
)
_PARENTS = Statement(
    lambda _: select(manifest_references.c.manifest_id).where(
        manifest_references.c.digest == bindparam("digest"),
        manifest_references.c.repository_id == bindparam("repository_id"),
        manifest_references.c.kind == literal_column("'manifest'"),
    )
)
_NAMED = Statement(
    lambda _: select(manifest_references.c.digest).where(manifest_references.c.manifest_id == bindparam("manifest_id"))
)
_NAMING = Statement(
    lambda _: (
        select(manifest_references.c.manifest_id)
        .where(manifest_references.c.digest == bindparam("digest"))
        .distinct()
        .limit(bindparam("count"))
    )
)


def _elsewhere() -> Any:
    """The blob where nothing but manifests of this repository has it."""
    here: Any = bindparam("repository_id")
    elsewhere = [
        exists().where(manifests.c.digest == blobs.c.digest, manifests.c.repository_id != here),
        exists().where(repository_blobs.c.blob_id == blobs.c.id, repository_blobs.c.repository_id != here),
        exists().where(
            or_(v1_images.c.layer_digest == blobs.c.digest, v1_images.c.shown_digest == blobs.c.digest),
            or_(v1_images.c.repository_id != here, v1_images.c.manifest_digest.is_(None)),
        ),
    ]
    return select(blobs.c.size).where(blobs.c.digest == bindparam("digest"), *[~there for there in elsewhere])


_ONLY_HERE = Statement(lambda _: _elsewhere())


def tag_count(connection: Connection, digest: str, readable: str = "") -> int:
    """How many tags need the blob, in repositories that may be read; MOST_TAGS at most. `readable`: see `Authority`."""
    row = connection.one(_SHARING, digest=digest, readable=readable, count=MOST_TAGS)
    return int(row[0]) if row else 0


def kept_by_tag(connection: Connection, repository_id: int, manifest_id: int, digest: str) -> Freed:
    """What nothing else would keep, if the manifest had one tag less, and if it were collected then.

    Leases and uploads are not looked at: they end by themselves. Nothing where another tag is on it, or an index
    above.
    """
    doomed = _doomed(connection, repository_id, manifest_id, digest)
    named = {row[0] for found in doomed for row in connection.all(_NAMED, manifest_id=found)}
    sizes = [
        row[0]
        for content in named | set(doomed.values())
        if _is_named_by(connection, content, doomed.keys())
        and not _is_kept_here(connection, repository_id, content, doomed.keys())
        and (row := connection.one(_ONLY_HERE, repository_id=repository_id, digest=content))
    ]
    return Freed(len(sizes), sum(sizes))


def _doomed(connection: Connection, repository_id: int, manifest_id: int, digest: str) -> dict[int, str]:
    """The manifests that would go with it, by row: what it lists and what is about it, unless something else has it."""
    doomed: dict[int, str] = {}
    waiting = [(manifest_id, digest, 2)]
    while waiting and len(doomed) < MOST_MANIFESTS:
        found, content, tagged = waiting.pop()
        if found in doomed or len(connection.all(_TAGS, manifest_id=found)) >= tagged:
            continue
        parents = connection.all(_PARENTS, repository_id=repository_id, digest=content)
        if any(row[0] not in doomed for row in parents):
            continue
        doomed[found] = content
        below = connection.all(_BELOW, manifest_id=found)
        about = connection.all(_ABOUT, repository_id=repository_id, digest=content)
        for (other,) in (*below, *about):
            row = connection.one(_OF_DIGEST, repository_id=repository_id, digest=other)
            if row is not None:
                waiting.append((row[0], row[1], 1))
    return doomed


def _is_kept_here(connection: Connection, repository_id: int, digest: str, doomed: Collection[int]) -> bool:
    """Whether the content is a manifest of the repository that stays."""
    row = connection.one(_OF_DIGEST, repository_id=repository_id, digest=digest)
    return row is not None and row[0] not in doomed


def _is_named_by(connection: Connection, digest: str, doomed: Collection[int]) -> bool:
    """Whether nothing but these names the content, in whatever repository."""
    return all(row[0] in doomed for row in connection.all(_NAMING, digest=digest, count=len(doomed) + 1))
