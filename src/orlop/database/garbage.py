"""What nothing keeps, and the steps in which it goes: live, condemned, removing, removed, gone.

Each step is asked for one row at a time and looks again itself, in its own transaction, at what would keep the row:
whatever was found before may have changed since.
"""

from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, exists, false, func, literal_column, or_, select, tuple_, update

from orlop.database import pages
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
    kept: bool
    """Whether a manifest or a lease keeps it."""


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


def _kept(*, leased: bool = True) -> Any:
    """Whether anything keeps a blob: a manifest is it, a manifest names it, or somebody was told that it is there."""
    return or_(
        exists().where(manifests.c.digest == blobs.c.digest),
        exists().where(manifest_references.c.digest == blobs.c.digest),
        exists().where(leases.c.digest == blobs.c.digest, leases.c.expires_at > bindparam("now"))
        if leased
        else false(),
    )


def _page_of_blobs() -> Any:
    return (
        select(blobs.c.id, blobs.c.digest, blobs.c.size, blobs.c.generation, _kept())
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
            blobs.c.generation < bindparam("to"),
        )
        .values(state="condemned", generation=bindparam("to"), changed_at=bindparam("now"))
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


_ADOPT = Statement(_adopt)


def _link_kept(repository_id: Any, digest: Any) -> Any:
    """Whether the repository needs the blob."""
    return or_(
        exists().where(manifest_references.c.digest == digest, manifest_references.c.repository_id == repository_id),
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
        .where(repositories.c.name > bindparam("after"), pages.among(repositories.c.name))
        .order_by(repositories.c.name)
        .limit(bindparam("count"))
    )
)


def _is_empty() -> Any:
    held = (manifests, repository_blobs, leases, uploads, tags, tag_history)
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


def page_of_blobs(connection: Connection, after: int, count: int) -> list[Blob]:
    """Up to `count` blobs with row ids after `after`, in whatever state."""
    rows = connection.all(_BLOBS, after=after, count=count, now=connection.now())
    return [Blob(id_, digest, size, generation, bool(kept)) for id_, digest, size, generation, kept in rows]


def condemned(connection: Connection, after: int, count: int) -> list[Blob]:
    return _page(connection, "condemned", after, count, connection.now())


def removing(connection: Connection, after: int, count: int) -> list[Blob]:
    return _page(connection, "removing", after, count, connection.now())


def removed(connection: Connection, after: int, count: int, age: int) -> list[Blob]:
    """Blobs that were removed `age` milliseconds ago, or longer."""
    return _page(connection, "removed", after, count, connection.now() - age)


def _page(connection: Connection, state: str, after: int, count: int, before: int) -> list[Blob]:
    rows = connection.all(_IN[state], after=after, count=count, before=before)
    return [Blob(row[0], row[1], row[2], row[3], False) for row in rows]


def condemn(connection: Connection, blob_id: int) -> bool:
    """Makes a blob absent that nothing keeps. A push brings it back as it is."""
    # A push that counts on the row holds it; once this has it, such a push is committed and seen below.
    connection.one(_LOCK, id_=blob_id)
    if not connection.run(_CONDEMN, id_=blob_id, now=connection.now()):
        return False
    connection.run(_UNLINK_ALL, id_=blob_id)
    return True


def hand_over(connection: Connection, blob_id: int) -> bool:
    """Gives up the key of a condemned blob: from the commit on, no push records it again."""
    connection.one(_LOCK, id_=blob_id)
    return connection.run(_HAND_OVER, id_=blob_id, now=connection.now()) > 0


def note_removed(connection: Connection, blob_id: int) -> bool:
    """Records that nothing lies at the key any more."""
    return connection.run(_REMOVED, id_=blob_id, now=connection.now()) > 0


def forget(connection: Connection, blob_id: int) -> bool:
    """Drops the row of a removed blob; its digest starts at the first key again."""
    connection.one(_LOCK, id_=blob_id)
    connection.run(_UNLINK_ALL, id_=blob_id)
    return connection.run(_FORGET, id_=blob_id) > 0


def raise_generation(connection: Connection, blob_id: int, generation: int) -> bool:
    """Takes an object under a later key, left by a push that did not come to its commit, for the condemned one."""
    connection.one(_LOCK, id_=blob_id)
    return connection.run(_RAISE, id_=blob_id, to=generation, now=connection.now()) > 0


def adopt(connection: Connection, digest: Digest, size: int, generation: int) -> bool:
    """Gives an object a row, in no repository; False where it has one."""
    return connection.run(_ADOPT, digest=digest, size=size, generation=generation, now=connection.now()) > 0


def page_of_links(connection: Connection, after: tuple[int, int], count: int) -> list[Link]:
    """Up to `count` links after that repository and blob."""
    rows = connection.all(_LINKS, repository_id=after[0], blob_id=after[1], count=count, now=connection.now())
    return [Link(row[0], row[1], row[2], bool(row[3])) for row in rows]


def unlink(connection: Connection, link: Link) -> bool:
    """Takes a blob out of a repository that does not need it."""
    connection.one(_LOCK, id_=link.blob_id)
    parameters = {"repository_id_": link.repository_id, "id_": link.blob_id, "digest": link.digest}
    return connection.run(_UNLINK, **parameters, now=connection.now()) > 0


def page_of_manifests(
    connection: Connection, repository_id: int, *, after: str, count: int, age: int
) -> list[Manifest]:
    """Up to `count` manifests after that digest which nothing keeps and nobody used for `age` milliseconds."""
    now = connection.now()
    rows = connection.all(_MANIFESTS, repository_id=repository_id, after=after, count=count, now=now, before=now - age)
    return [Manifest(*row) for row in rows]


def is_releasable(connection: Connection, repository_id: int, manifest_id: int, age: int) -> bool:
    """Whether that still holds of the manifest."""
    now = connection.now()
    return connection.one(_STILL, repository_id=repository_id, id_=manifest_id, now=now, before=now - age) is not None


def page_of_repositories(
    connection: Connection, *, after: str, count: int, readable: str = ""
) -> list[tuple[int, RepositoryName]]:
    """Row ids and names of up to `count` repositories after that name; `readable`: see `Authority.readable`."""
    rows = connection.all(_REPOSITORIES, after=after, count=count, readable=readable)
    return [(row[0], RepositoryName(row[1])) for row in rows]


def empty_repositories(connection: Connection, *, after: str, count: int) -> list[tuple[int, str]]:
    """Repositories that hold nothing and of which nothing is told."""
    return [(row[0], row[1]) for row in connection.all(_EMPTY, after=after, count=count)]


def drop_empty(connection: Connection, repository_id: int) -> bool:
    return connection.run(_DROP_EMPTY, id_=repository_id) > 0
