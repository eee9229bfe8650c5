"""What nothing keeps, and the steps in which it goes: live, condemned, removing, removed, gone.

Each step is asked for one row at a time and looks again itself, in its own transaction, at what would keep the row:
whatever was found before may have changed since. `now` is the caller's: it knows whether the clock can be trusted.
"""

from typing import Any, NamedTuple

from sqlalchemy import BigInteger, and_, bindparam, delete, exists, func, literal_column, or_, select, tuple_, update

from orlop.database.connection import Connection
from orlop.database.schema import (
    blobs,
    leases,
    manifest_references,
    manifests,
    repositories,
    repository_blobs,
    tag_history,
    tags,
    uploads,
    v1_images,
    v1_listed,
)
from orlop.database.statement import Insert, Statement
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName


class Blob(NamedTuple):
    """A blob's row, as a page of them shows it."""

    id: int
    digest: str
    size: int
    generation: int
    named: bool
    """Whether a manifest is it or names it."""
    leased: bool
    """Whether somebody was told that it is there, and may count on it."""


class Link(NamedTuple):
    """A blob in a repository."""

    repository_id: int
    blob_id: int
    digest: str
    kept: bool


class Manifest(NamedTuple):
    """A manifest that nothing keeps, and that a rule lets go."""

    id: int
    digest: str
    size: int


def _in_state(*states: str) -> Any:
    # Written out, so that the index of the few that are not live is found.
    return or_(*[blobs.c.state == literal_column(f"'{state}'") for state in states])


def _named() -> Any:
    return or_(
        exists().where(manifests.c.digest == blobs.c.digest),
        exists().where(manifest_references.c.digest == blobs.c.digest),
        exists().where(v1_images.c.layer_digest == blobs.c.digest),
        exists().where(v1_images.c.shown_digest == blobs.c.digest),
    )


def _leased() -> Any:
    return exists().where(leases.c.digest == blobs.c.digest, leases.c.expires_at > bindparam("now"))


def _kept() -> Any:
    return or_(_named(), _leased())


def _page_of_blobs() -> Any:
    return (
        select(blobs.c.id, blobs.c.digest, blobs.c.size, blobs.c.generation, _named(), _leased())
        .where(blobs.c.id > bindparam("after"), or_(blobs.c.state == "live", blobs.c.state == "lost"))
        .order_by(blobs.c.id)
        .limit(bindparam("count"))
    )


def _page_in(state: str) -> Statement:
    columns = (blobs.c.id, blobs.c.digest, blobs.c.size, blobs.c.generation)
    return Statement(
        lambda _: (
            select(*columns)
            .where(_in_state(state), blobs.c.id > bindparam("after"), blobs.c.changed_at <= bindparam("before"))
            .order_by(blobs.c.id)
            .limit(bindparam("count"))
        )
    )


_BLOBS = Statement(lambda _: _page_of_blobs())
_IN = {state: _page_in(state) for state in ("condemned", "removing", "removed")}
_LOCK = Statement(lambda _: select(blobs.c.id).where(blobs.c.id == bindparam("id_")).with_for_update())
_CONDEMN = Statement(
    lambda _: (
        update(blobs)
        .where(blobs.c.id == bindparam("id_"), or_(blobs.c.state == "live", blobs.c.state == "lost"), ~_kept())
        .values(state="condemned", changed_at=bindparam("now"))
    )
)
_UNLINK_ALL = Statement(lambda _: delete(repository_blobs).where(repository_blobs.c.blob_id == bindparam("id_")))
_HAND_OVER = Statement(
    lambda _: (
        update(blobs)
        .where(blobs.c.id == bindparam("id_"), blobs.c.state == "condemned", ~_kept())
        .values(state="removing", changed_at=bindparam("now"))
    )
)
_REMOVED = Statement(
    lambda _: (
        update(blobs)
        .where(blobs.c.id == bindparam("id_"), blobs.c.state == "removing")
        .values(state="removed", changed_at=bindparam("now"))
    )
)
_FORGET = Statement(lambda _: delete(blobs).where(blobs.c.id == bindparam("id_"), blobs.c.state == "removed"))
_RAISE = Statement(
    lambda _: (
        update(blobs)
        .where(
            blobs.c.id == bindparam("id_"),
            blobs.c.state == "removed",
        )
        .values(state="condemned", generation=blobs.c.generation + 1, changed_at=bindparam("now"))
    )
)


def _adopt(insert: Insert) -> Any:
    return (
        insert(blobs)
        .values(
            digest=bindparam("digest"),
            size=bindparam("size"),
            generation=bindparam("generation"),
            created_at=bindparam("now"),
            changed_at=bindparam("now"),
        )
        .on_conflict_do_nothing(index_elements=["digest"])
    )


def _link_where_named(insert_: Insert) -> Any:
    named = (
        select(manifest_references.c.repository_id, blobs.c.id, bindparam("now", type_=BigInteger()))
        .select_from(manifest_references.join(blobs, blobs.c.digest == manifest_references.c.digest))
        .where(manifest_references.c.digest == bindparam("digest"), manifest_references.c.kind != "manifest")
        .distinct()
    )
    return (
        insert_(repository_blobs)
        .from_select(["repository_id", "blob_id", "created_at"], named)
        .on_conflict_do_nothing()
    )


_ADOPT = Statement(_adopt)
_LINK_WHERE_NAMED = Statement(_link_where_named)


def _link_kept(repository_id: Any, digest: Any) -> Any:
    """Whether the repository needs the blob."""
    return or_(
        exists().where(manifest_references.c.digest == digest, manifest_references.c.repository_id == repository_id),
        exists().where(v1_images.c.layer_digest == digest, v1_images.c.repository_id == repository_id),
        exists().where(v1_images.c.shown_digest == digest, v1_images.c.repository_id == repository_id),
        exists().where(
            leases.c.digest == digest, leases.c.repository_id == repository_id, leases.c.expires_at > bindparam("now")
        ),
    )


def _page_of_links() -> Any:
    key = tuple_(repository_blobs.c.repository_id, repository_blobs.c.blob_id)
    kept = _link_kept(repository_blobs.c.repository_id, blobs.c.digest)
    return (
        select(repository_blobs.c.repository_id, repository_blobs.c.blob_id, blobs.c.digest, kept)
        .select_from(repository_blobs.join(blobs, blobs.c.id == repository_blobs.c.blob_id))
        .where(key > tuple_(bindparam("repository_id"), bindparam("blob_id")))
        .order_by(repository_blobs.c.repository_id, repository_blobs.c.blob_id)
        .limit(bindparam("count"))
    )


_LINKS = Statement(lambda _: _page_of_links())
_UNLINK = Statement(
    lambda _: delete(repository_blobs).where(
        repository_blobs.c.repository_id == bindparam("repository_id_"),
        repository_blobs.c.blob_id == bindparam("id_"),
        ~_link_kept(bindparam("repository_id_"), bindparam("digest")),
    )
)


def _releasable() -> Any:
    """Manifests of a repository that neither a tag nor an index, a subject or a lease keeps, and not used since."""
    parent = manifests.alias("parent")
    subject = manifests.alias("subject_")
    return and_(
        manifests.c.repository_id == bindparam("repository_id"),
        manifests.c.pushed_at < bindparam("before"),
        func.coalesce(manifests.c.released_at, 0) < bindparam("before"),
        func.coalesce(manifests.c.last_pulled_at, 0) < bindparam("before"),
        ~exists().where(tags.c.manifest_id == manifests.c.id),
        ~exists()
        .where(
            manifest_references.c.digest == manifests.c.digest,
            manifest_references.c.repository_id == manifests.c.repository_id,
            parent.c.id == manifest_references.c.manifest_id,
        )
        .correlate(manifests),
        ~exists()
        .where(subject.c.repository_id == manifests.c.repository_id, subject.c.digest == manifests.c.subject)
        .correlate(manifests),
        ~exists().where(
            leases.c.repository_id == manifests.c.repository_id,
            leases.c.digest == manifests.c.digest,
            leases.c.expires_at > bindparam("now"),
        ),
    )


_MANIFESTS = Statement(
    lambda _: (
        select(manifests.c.id, manifests.c.digest, manifests.c.size)
        .where(_releasable(), manifests.c.digest > bindparam("after"))
        .order_by(manifests.c.digest)
        .limit(bindparam("count"))
    )
)
_STILL = Statement(lambda _: select(manifests.c.id).where(manifests.c.id == bindparam("id_"), _releasable()))
_REPOSITORIES = Statement(
    lambda _: (
        select(repositories.c.id, repositories.c.name)
        .where(repositories.c.name > bindparam("after"))
        .order_by(repositories.c.name)
        .limit(bindparam("count"))
    )
)


def _is_empty() -> Any:
    held = (manifests, repository_blobs, leases, uploads, tags, tag_history, v1_images, v1_listed)
    return and_(*[~exists().where(table.c.repository_id == repositories.c.id) for table in held])


_EMPTY = Statement(
    lambda _: (
        select(repositories.c.id, repositories.c.name)
        .where(repositories.c.name > bindparam("after"), _is_empty())
        .order_by(repositories.c.name)
        .limit(bindparam("count"))
    )
)
_DROP_EMPTY = Statement(lambda _: delete(repositories).where(repositories.c.id == bindparam("id_"), _is_empty()))


def page_of_blobs(connection: Connection, after: int, count: int, now: int) -> list[Blob]:
    """Up to `count` blobs with row ids after `after` that are live, or lost."""
    rows = connection.all(_BLOBS, after=after, count=count, now=now)
    return [Blob(row[0], row[1], row[2], row[3], bool(row[4]), bool(row[5])) for row in rows]


def page_in(connection: Connection, state: str, after: int, count: int, before: int) -> list[Blob]:
    """Up to `count` blobs that came into that state (condemned, removing or removed) at `before` at the latest."""
    rows = connection.all(_IN[state], after=after, count=count, before=before)
    return [Blob(row[0], row[1], row[2], row[3], False, False) for row in rows]


def condemn(connection: Connection, blob: Blob, now: int) -> bool:
    """Makes a blob absent that nothing keeps. A push brings it back as it is."""
    # A push that counts on the row holds it; once this has it, such a push is committed and seen below.
    connection.one(_LOCK, id_=blob.id)
    if not connection.run(_CONDEMN, id_=blob.id, now=now):
        return False
    connection.run(_UNLINK_ALL, id_=blob.id)
    return True


def hand_over(connection: Connection, blob: Blob, now: int) -> bool:
    """Gives up the key of a condemned blob: from the commit on, no push records it again."""
    connection.one(_LOCK, id_=blob.id)
    return connection.run(_HAND_OVER, id_=blob.id, now=now) > 0


def note_removed(connection: Connection, blob: Blob, now: int) -> bool:
    """Records that nothing lies at the key any more."""
    return connection.run(_REMOVED, id_=blob.id, now=now) > 0


def forget(connection: Connection, blob: Blob) -> bool:
    """Drops the row of a removed blob; its digest starts at the first key again."""
    connection.one(_LOCK, id_=blob.id)
    connection.run(_UNLINK_ALL, id_=blob.id)
    return connection.run(_FORGET, id_=blob.id) > 0


def raise_generation(connection: Connection, blob: Blob, now: int) -> bool:
    """Takes the object under the next key, left by a push that did not come to its commit, for the condemned one."""
    connection.one(_LOCK, id_=blob.id)
    return connection.run(_RAISE, id_=blob.id, now=now) > 0


def adopt(connection: Connection, digest: Digest, size: int, generation: int) -> bool:
    """Gives an object a row, and puts it into the repositories whose manifests name it; False where it has a row."""
    now = connection.now()
    if not connection.run(_ADOPT, digest=digest, size=size, generation=generation, now=now):
        return False
    connection.run(_LINK_WHERE_NAMED, digest=digest, now=now)
    return True


def page_of_links(connection: Connection, after: tuple[int, int], count: int, now: int) -> list[Link]:
    """Up to `count` links after that repository and blob."""
    rows = connection.all(_LINKS, repository_id=after[0], blob_id=after[1], count=count, now=now)
    return [Link(row[0], row[1], row[2], bool(row[3])) for row in rows]


def unlink(connection: Connection, link: Link, now: int) -> bool:
    """Takes a blob out of a repository that does not need it."""
    connection.one(_LOCK, id_=link.blob_id)
    parameters = {"repository_id_": link.repository_id, "id_": link.blob_id, "digest": link.digest}
    return connection.run(_UNLINK, **parameters, now=now) > 0


def page_of_manifests(
    connection: Connection, repository_id: int, *, after: str, count: int, now: int, age: int
) -> list[Manifest]:
    """Up to `count` manifests after that digest which nothing keeps and nobody used for `age` milliseconds."""
    rows = connection.all(_MANIFESTS, repository_id=repository_id, after=after, count=count, now=now, before=now - age)
    return [Manifest(*row) for row in rows]


def is_releasable(connection: Connection, repository_id: int, manifest_id: int, *, now: int, age: int) -> bool:
    """Whether that still holds of the manifest."""
    return connection.one(_STILL, repository_id=repository_id, id_=manifest_id, now=now, before=now - age) is not None


def page_of_repositories(connection: Connection, after: str, count: int) -> list[tuple[int, RepositoryName]]:
    """Row ids and names of up to `count` repositories after that name."""
    rows = connection.all(_REPOSITORIES, after=after, count=count)
    return [(row[0], RepositoryName(row[1])) for row in rows]


def empty_repositories(connection: Connection, after: str, count: int) -> list[tuple[int, str]]:
    """Repositories that hold nothing and of which nothing is told: row ids and names."""
    return [(row[0], row[1]) for row in connection.all(_EMPTY, after=after, count=count)]


def drop_empty(connection: Connection, repository: tuple[int, str]) -> bool:
    return connection.run(_DROP_EMPTY, id_=repository[0]) > 0
