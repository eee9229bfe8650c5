"""A copy of the database as it was at one moment, and what backups read of it and write to it.

Lists go by pages: each begins after the last row of the one before.
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from orlop.database import manifests as manifest_rows
from orlop.database import tags as tag_rows
from orlop.database.connection import Connection, SqliteConnection
from orlop.database.schema import (
    blobs,
    jobs,
    leases,
    manifests,
    outbox,
    progress,
    repositories,
    repository_blobs,
    uploads,
    v1_images,
)
from orlop.database.schema import tags as tags_
from orlop.database.statement import Insert, Statement
from orlop.database.upgrade import copy
from orlop.domain.digest import Digest
from orlop.domain.errors import StorageFull, Unavailable
from orlop.domain.name import RepositoryName


class Blob(NamedTuple):
    """A blob whose object is in the tree."""

    id: int
    digest: Digest
    size: int
    generation: int


class Entry(NamedTuple):
    """That a repository holds a manifest."""

    id: int
    repository: RepositoryName
    digest: Digest
    media_type: str
    at: int
    """When it was pushed, in milliseconds since 1970."""


class Tag(NamedTuple):
    repository_id: int
    repository: RepositoryName
    name: str
    digest: Digest
    at: int
    """When it was moved, in milliseconds since 1970."""


class Counts(NamedTuple):
    repositories: int
    manifests: int
    tags: int


_BLOBS = Statement(
    lambda _: (
        select(blobs.c.id, blobs.c.digest, blobs.c.size, blobs.c.generation)
        .where(blobs.c.id > bindparam("after"), or_(blobs.c.state == "live", blobs.c.state == "condemned"))
        .order_by(blobs.c.id)
        .limit(bindparam("count"))
    )
)
_HAS_OBJECT = Statement(
    lambda _: select(blobs.c.id).where(
        blobs.c.digest == bindparam("digest"),
        blobs.c.generation == bindparam("generation"),
        or_(blobs.c.state == "live", blobs.c.state == "condemned"),
    )
)
_ENTRIES = Statement(
    lambda _: (
        select(manifests.c.id, repositories.c.name, manifests.c.digest, manifests.c.media_type, manifests.c.pushed_at)
        .select_from(manifests.join(repositories, repositories.c.id == manifests.c.repository_id))
        .where(manifests.c.id > bindparam("after"))
        .order_by(manifests.c.id)
        .limit(bindparam("count"))
    )
)
_TAGS = Statement(
    lambda _: (
        select(
            tags_.c.repository_id, repositories.c.name.label("repository"), tags_.c.name, manifests.c.digest,
            tags_.c.updated_at,
        )
        .select_from(
            tags_.join(manifests, manifests.c.id == tags_.c.manifest_id).join(
                repositories, repositories.c.id == tags_.c.repository_id
            )
        )
        .where(
            or_(
                tags_.c.repository_id > bindparam("after_id"),
                and_(tags_.c.repository_id == bindparam("after_id"), tags_.c.name > bindparam("after_name")),
            )
        )
        .order_by(tags_.c.repository_id, tags_.c.name)
        .limit(bindparam("count"))
    )
)  # fmt: skip
_REPOSITORIES = Statement(lambda _: select(func.count(manifests.c.repository_id.distinct())))

# Their objects are not in the copy's tree; names are all written there; work begins anew elsewhere.
_LEFT_OUT = {
    "uploads": Statement(lambda _: delete(uploads)),
    "outbox": Statement(lambda _: delete(outbox)),
    "progress": Statement(lambda _: delete(progress)),
    "jobs": Statement(lambda _: delete(jobs)),
}
_TOUCH = Statement(
    lambda _: (
        update(blobs)
        .where(or_(blobs.c.state == "live", blobs.c.state == "condemned"))
        .values(changed_at=bindparam("now"))
    )
)
_TOUCH_IMAGES = Statement(lambda _: update(v1_images).values(updated_at=bindparam("now")))
_LOSE = Statement(
    lambda _: (
        update(blobs).where(blobs.c.digest == bindparam("digest_")).values(state="lost", changed_at=bindparam("now"))
    )
)


def _renew(insert: Insert, source: Any) -> Any:
    statement = insert(leases).from_select(["repository_id", "digest", "expires_at"], source)
    return statement.on_conflict_do_update(
        index_elements=["repository_id", "digest"],
        set_={"expires_at": statement.excluded.expires_at},
        where=leases.c.expires_at < statement.excluded.expires_at,
    )


_KEEP_MANIFESTS = Statement(
    lambda insert: _renew(
        insert,
        # SQLite takes `ON CONFLICT` for a part of a join where there is no condition before it.
        select(manifests.c.repository_id, manifests.c.digest, bindparam("until")).where(manifests.c.id > 0),
    )
)
_KEEP_BLOBS = Statement(
    lambda insert: _renew(
        insert,
        select(repository_blobs.c.repository_id, blobs.c.digest, bindparam("until"))
        .select_from(repository_blobs.join(blobs, blobs.c.id == repository_blobs.c.blob_id))
        .where(blobs.c.id > 0),
    )
)


def take(path: Path, target: Path) -> None:
    """A consistent, durable copy at `target` of a database that may be in use, readable by its owner alone.

    Without what means nothing beside a copied tree: open uploads, the outbox, the progress of long work. One file, with
    nothing beside it. StorageFull, Unavailable: it could not be written; `target` is no database then.
    """
    try:
        copy(path, target)
        target.chmod(0o600)
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as driver:
            driver.execute("PRAGMA journal_mode=DELETE")
            driver.execute("BEGIN")
            for statement in _LEFT_OUT.values():
                SqliteConnection(driver).run(statement)
            driver.execute("COMMIT")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            raise StorageFull from error
        raise Unavailable(f"the database cannot be copied to {target.parent}: {error}") from error
    _sync(target)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[SqliteConnection]:
    """A connection that reads a database which nobody writes, and leaves no files beside it."""
    name = f"file:{quote(str(path))}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(name, uri=True, isolation_level=None)) as driver:
        yield SqliteConnection(driver)


def page_of_blobs(connection: Connection, after: int, count: int) -> list[Blob]:
    rows = connection.all(_BLOBS, after=after, count=count)
    return [Blob(id_, Digest(digest), size, generation) for id_, digest, size, generation in rows]


def has_object(connection: Connection, digest: Digest, generation: int) -> bool:
    """Whether the object under this key is a blob's."""
    return connection.one(_HAS_OBJECT, digest=digest, generation=generation) is not None


def page_of_entries(connection: Connection, after: int, count: int) -> list[Entry]:
    rows = connection.all(_ENTRIES, after=after, count=count)
    return [Entry(row[0], RepositoryName(row[1]), Digest(row[2]), row[3], row[4]) for row in rows]


def page_of_tags(connection: Connection, after: tuple[int, str], count: int) -> list[Tag]:
    """After that repository's row id and tag; (0, "") begins."""
    rows = connection.all(_TAGS, after_id=after[0], after_name=after[1], count=count)
    return [Tag(row[0], RepositoryName(row[1]), row[2], Digest(row[3]), row[4]) for row in rows]


def counts(connection: Connection) -> Counts:
    """Repositories that hold a manifest, manifests and tags."""
    row = connection.one(_REPOSITORIES)
    return Counts(int(row[0]) if row else 0, manifest_rows.count(connection), tag_rows.count(connection))


def keep_all(connection: Connection, lease: int) -> None:
    """Keeps for `lease` milliseconds whatever a repository holds, and takes each blob for one that has just come.

    What was on its way out when the copy was made would else go before anyone has looked at the restored registry.
    """
    now = connection.now()
    connection.run(_TOUCH, now=now)
    connection.run(_TOUCH_IMAGES, now=now)
    connection.run(_KEEP_MANIFESTS, until=now + lease)
    connection.run(_KEEP_BLOBS, until=now + lease)


def lose(connection: Connection, digest: Digest) -> None:
    """Records that the content is not there: to clients it is unknown until they push it again."""
    connection.run(_LOSE, digest_=digest, now=connection.now())
    manifest_rows.lose(connection, digest)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from error
        raise
    finally:
        os.close(descriptor)
