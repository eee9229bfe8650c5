"""Manifests, one row for each repository that holds them, and what they reference."""

from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, exists, func, insert, or_, select, update

from orlop.database.connection import Connection
from orlop.database.schema import manifest_references, manifests, repositories, tags
from orlop.database.statement import Insert, Statement, parameters
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName, Tag


class Found(NamedTuple):
    """Where a reference points."""

    id: int
    repository_id: int
    digest: str
    media_type: str
    size: int
    lost: int
    """1 where its content is gone or damaged, so that it must be pushed again."""


class Record(NamedTuple):
    """All that is recorded of a manifest."""

    id: int
    digest: str
    media_type: str
    size: int
    content_size: int
    artifact_type: str
    config_media_type: str
    subject: str | None
    annotations: str
    platforms: str
    pushed_at: int
    pushed_by: str
    pushed_from: str
    last_pulled_at: int | None


class Reference(NamedTuple):
    kind: str
    digest: str
    size: int
    media_type: str


class Child(NamedTuple):
    """A manifest that an index lists. Where the repository does not hold it, `content_size` is None."""

    digest: str
    size: int
    media_type: str
    content_size: int | None
    artifact_type: str | None


class Referrer(NamedTuple):
    digest: str
    media_type: str
    size: int
    artifact_type: str
    annotations: str


_FOUND = (
    manifests.c.id, manifests.c.repository_id, manifests.c.digest, manifests.c.media_type, manifests.c.size,
    manifests.c.lost,
)  # fmt: skip
_COLUMNS = [manifests.c[name] for name in Record._fields]

_BY_TAG = Statement(
    lambda _: (
        select(*_FOUND)
        .select_from(
            repositories.join(tags, tags.c.repository_id == repositories.c.id).join(
                manifests, manifests.c.id == tags.c.manifest_id
            )
        )
        .where(repositories.c.name == bindparam("name"), tags.c.name == bindparam("tag"))
    )
)
_BY_DIGEST = Statement(
    lambda _: (
        select(*_FOUND)
        .select_from(repositories.join(manifests, manifests.c.repository_id == repositories.c.id))
        .where(repositories.c.name == bindparam("name"), manifests.c.digest == bindparam("digest"))
    )
)
_NEWEST = Statement(
    lambda _: (
        select(*_FOUND)
        .select_from(repositories.join(manifests, manifests.c.repository_id == repositories.c.id))
        .where(repositories.c.name == bindparam("name"), manifests.c.lost == 0)
        .order_by(manifests.c.id.desc())
        .limit(bindparam("count"))
    )
)
_RECORD = Statement(lambda _: select(*_COLUMNS).where(manifests.c.id == bindparam("manifest_id")))
_IN_REPOSITORY = Statement(
    lambda _: select(manifests.c.id, manifests.c.size, manifests.c.media_type).where(
        manifests.c.repository_id == bindparam("repository_id"),
        manifests.c.digest == bindparam("digest"),
        manifests.c.lost == 0,
    )
)
_HELD_AS = Statement(
    lambda _: select(manifests.c.id, manifests.c.media_type, manifests.c.lost).where(
        manifests.c.repository_id == bindparam("repository_id"), manifests.c.digest == bindparam("digest")
    )
)


def _insert(insert: Insert) -> Any:
    # A manifest that is pushed again keeps what is recorded of it, its media type above all (CVE-2021-41190).
    return (
        insert(manifests)
        .values(parameters(manifests, without=("id", "released_at", "lost")))
        .on_conflict_do_nothing(index_elements=["repository_id", "digest"])
    )


_INSERT = Statement(_insert)
_HEAL = Statement(
    lambda _: update(manifests).where(manifests.c.digest == bindparam("digest_"), manifests.c.lost == 1).values(lost=0)
)
_SHOWN = Statement(
    lambda _: select(manifests.c.id).where(manifests.c.digest == bindparam("digest"), manifests.c.lost == 0).limit(1)
)
_LOSE = Statement(
    lambda _: update(manifests).where(manifests.c.digest == bindparam("digest_"), manifests.c.lost == 0).values(lost=1)
)
_LET_GO = Statement(
    lambda _: update(manifests).where(manifests.c.id == bindparam("manifest_id")).values(released_at=bindparam("now"))
)
_LET_GO_BELOW = Statement(
    lambda _: (
        update(manifests)
        .where(
            manifests.c.repository_id == bindparam("repository"),
            or_(
                manifests.c.subject == bindparam("of"),
                manifests.c.digest.in_(
                    select(manifest_references.c.digest).where(
                        manifest_references.c.manifest_id == bindparam("manifest_id"),
                        manifest_references.c.kind == "manifest",
                    )
                ),
            ),
        )
        .values(released_at=bindparam("now"))
    )
)
_REFERENCE = Statement(lambda _: insert(manifest_references).values(parameters(manifest_references)))
_TAKEN_IN = Statement(
    lambda _: (
        update(repositories)
        .where(
            repositories.c.id == bindparam("repository_id"),
            or_(repositories.c.pushed_at.is_(None), repositories.c.pushed_at < bindparam("at")),
        )
        .values(pushed_at=bindparam("at"))
    )
)
_REFERENCES = Statement(
    lambda _: (
        select(*[manifest_references.c[name] for name in Reference._fields])
        .where(manifest_references.c.manifest_id == bindparam("manifest_id"))
        .order_by(manifest_references.c.position)
    )
)


def _children() -> Any:
    child = manifests.alias("child")
    held = (child.c.digest == manifest_references.c.digest) & (
        child.c.repository_id == manifest_references.c.repository_id
    )
    return (
        select(
            manifest_references.c.digest,
            manifest_references.c.size,
            manifest_references.c.media_type,
            child.c.content_size,
            child.c.artifact_type,
        )
        .select_from(manifest_references.outerjoin(child, held))
        .where(manifest_references.c.manifest_id == bindparam("manifest_id"), manifest_references.c.kind == "manifest")
        .order_by(manifest_references.c.position)
    )


_CHILDREN = Statement(lambda _: _children())
_DELETE = Statement(lambda _: delete(manifests).where(manifests.c.id == bindparam("manifest_id")))
_REFERRERS = Statement(
    lambda _: (
        select(*[manifests.c[name] for name in Referrer._fields])
        .where(
            manifests.c.repository_id == bindparam("repository_id"),
            manifests.c.subject == bindparam("subject"),
            manifests.c.digest > bindparam("last"),
            or_(bindparam("artifact_type") == "", manifests.c.artifact_type == bindparam("artifact_type")),
        )
        .order_by(manifests.c.digest)
        .limit(bindparam("count"))
    )
)
_OLD = Statement(
    lambda _: (
        select(manifests.c.id, manifests.c.digest)
        .where(
            manifests.c.repository_id == bindparam("repository_id"),
            manifests.c.id <= bindparam("newest"),
            ~exists().where(tags.c.manifest_id == manifests.c.id),
            ~exists().where(
                manifest_references.c.digest == manifests.c.digest,
                manifest_references.c.repository_id == manifests.c.repository_id,
            ),
        )
        .order_by(manifests.c.digest)
        .limit(bindparam("count"))
    )
)
_COUNT = Statement(lambda _: select(func.count()).select_from(manifests))
_SUBJECT = Statement(
    lambda _: select(manifests.c.subject).where(
        manifests.c.repository_id == bindparam("repository_id"), manifests.c.digest == bindparam("digest")
    )
)
_REFERRER_COUNT = Statement(
    lambda _: (
        select(func.count())
        .select_from(manifests)
        .where(manifests.c.repository_id == bindparam("repository_id"), manifests.c.subject == bindparam("subject"))
    )
)
_PULLED = Statement(
    lambda _: (
        update(manifests)
        .where(
            manifests.c.id == bindparam("manifest_id"),
            or_(manifests.c.last_pulled_at.is_(None), manifests.c.last_pulled_at < bindparam("hour")),
        )
        .values(last_pulled_at=bindparam("hour"))
    )
)


def by_tag(connection: Connection, name: RepositoryName, tag: Tag) -> Found | None:
    """One look-up; called for every pull by tag."""
    row = connection.one(_BY_TAG, name=name, tag=tag)
    return Found(*row) if row else None


def by_digest(connection: Connection, name: RepositoryName, digest: Digest) -> Found | None:
    """One look-up; called for every pull by digest."""
    row = connection.one(_BY_DIGEST, name=name, digest=digest)
    return Found(*row) if row else None


def newest(connection: Connection, name: RepositoryName, count: int) -> list[Found]:
    """The `count` manifests that the repository took in last."""
    return [Found(*row) for row in connection.all(_NEWEST, name=name, count=count)]


def record(connection: Connection, manifest_id: int) -> Record | None:
    row = connection.one(_RECORD, manifest_id=manifest_id)
    return Record(*row) if row else None


def find(connection: Connection, repository_id: int, digest: str) -> tuple[int, int, str] | None:
    """Row id, size and media type of a manifest that the repository holds whole."""
    row = connection.one(_IN_REPOSITORY, repository_id=repository_id, digest=digest)
    return (row[0], row[1], row[2]) if row else None


def add(connection: Connection, repository_id: int, values: dict[str, Any], references: list[Reference]) -> int | None:
    """Records a manifest with what it references. The row id, or None where the repository holds it already."""
    manifest_id = connection.insert(_INSERT, repository_id=repository_id, last_pulled_at=None, **values)
    if manifest_id is None:
        return None
    rows = [
        {"manifest_id": manifest_id, "repository_id": repository_id, "position": position, **reference._asdict()}
        for position, reference in enumerate(references)
    ]
    connection.many(_REFERENCE, rows)
    connection.run(_TAKEN_IN, repository_id=repository_id, at=values["pushed_at"])
    return manifest_id


def references(connection: Connection, manifest_id: int) -> list[Reference]:
    """In the manifest's order: the config, then layers or children."""
    return [Reference(*row) for row in connection.all(_REFERENCES, manifest_id=manifest_id)]


def children(connection: Connection, manifest_id: int) -> list[Child]:
    """The manifests that an index lists, in its order."""
    return [Child(*row) for row in connection.all(_CHILDREN, manifest_id=manifest_id)]


def held_as(connection: Connection, repository_id: int, digest: str) -> tuple[int, str, bool] | None:
    """Row id and media type of a manifest that the repository holds, and whether its content is lost."""
    row = connection.one(_HELD_AS, repository_id=repository_id, digest=digest)
    return (row[0], row[1], bool(row[2])) if row else None


def lose(connection: Connection, digest: str) -> int:
    """Records that the content is gone or damaged: no repository shows such a manifest until it is pushed again."""
    return connection.run(_LOSE, digest_=digest)


def is_shown(connection: Connection, digest: str) -> bool:
    """Whether a repository holds the manifest and does not take its content for lost."""
    return connection.one(_SHOWN, digest=digest) is not None


def heal(connection: Connection, digest: str) -> int:
    """Records that the content is there again, for every repository that holds the manifest."""
    return connection.run(_HEAL, digest_=digest)


def let_go(connection: Connection, manifest_id: int, now: int) -> None:
    """Notes that a tag has left the manifest: from then on it may be what nothing keeps."""
    connection.run(_LET_GO, manifest_id=manifest_id, now=now)


def remove(connection: Connection, repository_id: int, manifest_id: int, digest: str, *, release: bool = True) -> None:
    """Drops the manifest; `release`: notes that its children and referrers have lost now what kept them."""
    if release:
        now = connection.now()
        connection.run(_LET_GO_BELOW, repository=repository_id, manifest_id=manifest_id, of=digest, now=now)
    connection.run(_DELETE, manifest_id=manifest_id)


def referrers(
    connection: Connection, repository_id: int, subject: Digest, *, artifact_type: str, last: str, count: int
) -> list[Referrer]:
    """Up to `count` manifests with that subject after the digest `last`; an empty `artifact_type` means any."""
    rows = connection.all(
        _REFERRERS, repository_id=repository_id, subject=subject, artifact_type=artifact_type, last=last, count=count
    )
    return [Referrer(*row) for row in rows]


def untagged(connection: Connection, repository_id: int, newest: int, count: int) -> list[tuple[int, str]]:
    """Row ids and digests of up to `count` manifests of that row id or an older one that no tag and no index keeps."""
    rows = connection.all(_OLD, repository_id=repository_id, newest=newest, count=count)
    return [(row[0], row[1]) for row in rows]


def count(connection: Connection) -> int:
    """How many manifests there are in all repositories."""
    row = connection.one(_COUNT)
    return int(row[0]) if row else 0


def subject(connection: Connection, repository_id: int, digest: str) -> str | None:
    """The subject of a manifest that the repository holds; None where it has none."""
    row = connection.one(_SUBJECT, repository_id=repository_id, digest=digest)
    return row[0] if row else None


def referrer_count(connection: Connection, repository_id: int, subject: str) -> int:
    """How many manifests of the repository have that subject."""
    row = connection.one(_REFERRER_COUNT, repository_id=repository_id, subject=subject)
    return int(row[0]) if row else 0


def pulled(connection: Connection, pulls: list[tuple[int, int]]) -> None:
    """Records pulls: row ids with the hour (in milliseconds since 1970)."""
    connection.many(_PULLED, [{"manifest_id": manifest_id, "hour": hour} for manifest_id, hour in pulls])
