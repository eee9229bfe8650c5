"""What a scrub asks of the database: all rows page by page, what is referenced and by whom, and the steps of repairs.

A repair changes a row only where it still is as it was seen: each says whether it did.
"""

from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, exists, func, literal_column, or_, select, tuple_, union, update

from orlop.database import v1_images as v1_images_
from orlop.database.connection import Connection
from orlop.database.schema import (
    blobs,
    leases,
    manifest_references,
    manifests,
    metadata,
    repositories,
    repository_blobs,
    tags,
    v1_images,
)
from orlop.database.statement import Insert, Statement
from orlop.domain.digest import Digest
from orlop.domain.manifest import is_foreign
from orlop.domain.name import RepositoryName


class Holding(NamedTuple):
    """A manifest in a repository, and whether its content has a row."""

    id: int
    repository: str
    digest: str
    recorded: bool


class TagRow(NamedTuple):
    repository_id: int
    repository: str
    name: str
    digest: str | None
    """None where the tag's manifest is gone."""


class ImageRow(NamedTuple):
    """An image of v1, and whether its layer has a row."""

    repository_id: int
    repository: str
    image_id: str
    layer: str | None
    recorded: bool


class Unmet(NamedTuple):
    """A reference to what the repository does not hold as it should."""

    digest: str
    repository: str
    kind: str
    recorded: bool
    """Whether the digest has a row."""


class Reference(NamedTuple):
    size: int
    media_type: str


_BLOBS = Statement(
    lambda _: (
        select(blobs.c.id, blobs.c.digest)
        .where(blobs.c.id > bindparam("after"))
        .order_by(blobs.c.id)
        .limit(bindparam("count"))
    )
)
_BYTES = Statement(lambda _: select(func.count(), func.coalesce(func.sum(blobs.c.size), 0)).select_from(blobs))


def _holdings() -> Any:
    recorded = exists().where(blobs.c.digest == manifests.c.digest)
    return (
        select(manifests.c.id, repositories.c.name, manifests.c.digest, recorded)
        .select_from(manifests.join(repositories, repositories.c.id == manifests.c.repository_id))
        .where(manifests.c.id > bindparam("after"))
        .order_by(manifests.c.id)
        .limit(bindparam("count"))
    )


_HOLDINGS = Statement(lambda _: _holdings())


def _tag_rows() -> Any:
    return select(tags.c.repository_id, repositories.c.name, tags.c.name, manifests.c.digest).select_from(
        tags.join(repositories, repositories.c.id == tags.c.repository_id).outerjoin(
            manifests, manifests.c.id == tags.c.manifest_id
        )
    )


_TAGS = Statement(
    lambda _: (
        _tag_rows()
        .where(tuple_(tags.c.repository_id, tags.c.name) > tuple_(bindparam("repository_id"), bindparam("after")))
        .order_by(tags.c.repository_id, tags.c.name)
        .limit(bindparam("count"))
    )
)
_TAG = Statement(
    lambda _: _tag_rows().where(repositories.c.name == bindparam("repository"), tags.c.name == bindparam("tag"))
)
_DROP_TAG = Statement(
    lambda _: delete(tags).where(
        tags.c.repository_id == bindparam("repository_id"),
        tags.c.name == bindparam("tag"),
        ~exists().where(manifests.c.id == tags.c.manifest_id),
    )
)
_REFERENCED = Statement(
    lambda _: (
        select(manifest_references.c.digest)
        .where(manifest_references.c.digest > bindparam("after"))
        .distinct()
        .order_by(manifest_references.c.digest)
        .limit(bindparam("count"))
    )
)


def _unmet(*conditions: Any) -> Any:
    child = manifests.alias("child")
    reference = manifest_references
    is_child = reference.c.kind == "manifest"
    return (
        select(reference.c.digest, repositories.c.name, reference.c.kind, reference.c.media_type, blobs.c.id)
        .select_from(
            reference.join(repositories, repositories.c.id == reference.c.repository_id)
            .outerjoin(blobs, blobs.c.digest == reference.c.digest)
            .outerjoin(
                repository_blobs,
                and_(
                    repository_blobs.c.repository_id == reference.c.repository_id,
                    repository_blobs.c.blob_id == blobs.c.id,
                ),
            )
            .outerjoin(
                child, and_(child.c.repository_id == reference.c.repository_id, child.c.digest == reference.c.digest)
            )
        )
        .where(
            *conditions,
            or_(
                and_(is_child, child.c.id.is_(None)),
                and_(~is_child, or_(repository_blobs.c.blob_id.is_(None), blobs.c.state == "condemned")),
            ),
        )
    )


_UNMET = Statement(
    lambda _: _unmet(
        manifest_references.c.digest > bindparam("after"), manifest_references.c.digest <= bindparam("upto")
    )
)
_UNMET_IN = Statement(
    lambda _: _unmet(
        manifest_references.c.digest == bindparam("digest"), repositories.c.name == bindparam("repository")
    )
)
_REFERENCE = Statement(
    lambda _: (
        select(manifest_references.c.size, manifest_references.c.media_type)
        .where(manifest_references.c.digest == bindparam("digest"))
        .limit(1)
    )
)
_MANIFEST_SIZE = Statement(
    lambda _: select(manifests.c.size, manifests.c.media_type).where(manifests.c.digest == bindparam("digest")).limit(1)
)
_LEASED = Statement(lambda _: select(leases.c.digest).where(leases.c.digest == bindparam("digest")).limit(1))


def _holders() -> Any:
    return (
        select(manifests.c.id, repositories.c.name, manifests.c.digest)
        .select_from(
            manifest_references.join(manifests, manifests.c.id == manifest_references.c.manifest_id).join(
                repositories, repositories.c.id == manifests.c.repository_id
            )
        )
        .where(manifest_references.c.digest == bindparam("digest"))
        .limit(bindparam("count"))
    )


_HOLDERS = Statement(lambda _: _holders())
_AS_MANIFEST = Statement(
    lambda _: (
        select(manifests.c.id, repositories.c.name, manifests.c.digest)
        .select_from(manifests.join(repositories, repositories.c.id == manifests.c.repository_id))
        .where(manifests.c.digest == bindparam("digest"))
        .limit(bindparam("count"))
    )
)
_IN_REPOSITORIES = Statement(
    lambda _: (
        select(repositories.c.name)
        .select_from(
            blobs.join(repository_blobs, repository_blobs.c.blob_id == blobs.c.id).join(
                repositories, repositories.c.id == repository_blobs.c.repository_id
            )
        )
        .where(blobs.c.digest == bindparam("digest"))
        .limit(bindparam("count"))
    )
)
_TAGS_ON = Statement(
    lambda _: select(tags.c.name).where(tags.c.manifest_id == bindparam("manifest_id")).limit(bindparam("count"))
)


def _images() -> Any:
    key = tuple_(v1_images.c.repository_id, v1_images.c.image_id)
    recorded = exists().where(blobs.c.digest == v1_images.c.layer_digest)
    return (
        select(v1_images.c.repository_id, repositories.c.name, v1_images.c.image_id, v1_images.c.layer_digest, recorded)
        .select_from(v1_images.join(repositories, repositories.c.id == v1_images.c.repository_id))
        .where(key > tuple_(bindparam("repository_id"), bindparam("after")))
        .order_by(v1_images.c.repository_id, v1_images.c.image_id)
        .limit(bindparam("count"))
    )


_IMAGES = Statement(lambda _: _images())
_AS_LAYER = Statement(
    lambda _: select(v1_images.c.layer_size).where(v1_images.c.layer_digest == bindparam("digest")).limit(1)
)
_AS_SHOWN = Statement(
    lambda _: select(v1_images.c.image_id).where(v1_images.c.shown_digest == bindparam("digest")).limit(1)
)

# Repairs.

_AS_SEEN = and_(
    blobs.c.digest == bindparam("digest_"),
    blobs.c.generation == bindparam("seen_generation"),
    blobs.c.changed_at == bindparam("seen_at"),
    or_(blobs.c.state == "live", blobs.c.state == "condemned"),
)
_LOSE = Statement(
    lambda _: (
        update(blobs)
        .where(_AS_SEEN)
        .values(state="lost", generation=blobs.c.generation + 1, changed_at=bindparam("now"))
    )
)
_RESIZE = Statement(lambda _: update(blobs).where(_AS_SEEN).values(size=bindparam("size_")))


def _record(insert: Insert) -> Any:
    names = ("digest", "size", "state", "generation")
    values: dict[str, Any] = {name: bindparam(name) for name in names} | {
        "created_at": bindparam("now"),
        "changed_at": bindparam("now"),
    }
    return insert(blobs).values(values).on_conflict_do_nothing(index_elements=["digest"])


_RECORD = Statement(_record)
_REVIVE = Statement(
    lambda _: (
        update(blobs)
        .where(blobs.c.digest == bindparam("digest_"), blobs.c.state == "condemned")
        .values(state="live", changed_at=bindparam("now"))
    )
)
_GIVE_UP = Statement(
    lambda _: (
        update(blobs)
        .where(
            blobs.c.digest == bindparam("digest_"),
            or_(blobs.c.state == "removing", blobs.c.state == "removed"),
            blobs.c.generation < bindparam("given_up"),
        )
        .values(state="removing", generation=bindparam("given_up"), changed_at=bindparam("now"))
    )
)


def _counting_on() -> Any:
    """Repositories that count on a digest: a manifest or image names it, or a lease does that is not a manifest's."""
    named = select(manifest_references.c.repository_id).where(
        manifest_references.c.digest == bindparam("digest"), manifest_references.c.kind != "manifest"
    )
    leased = select(leases.c.repository_id).where(
        leases.c.digest == bindparam("digest"),
        ~exists().where(manifests.c.repository_id == leases.c.repository_id, manifests.c.digest == leases.c.digest),
    )
    layers = select(v1_images.c.repository_id).where(v1_images.c.layer_digest == bindparam("digest"))
    shown = select(v1_images.c.repository_id).where(v1_images.c.shown_digest == bindparam("digest"))
    return union(named, leased, layers, shown)


def _restore_links(insert: Insert) -> Any:
    counting = _counting_on().subquery("counting")
    rows = select(counting.c.repository_id, blobs.c.id, bindparam("now", type_=blobs.c.id.type)).where(
        blobs.c.digest == bindparam("digest")
    )
    return (
        insert(repository_blobs).from_select(["repository_id", "blob_id", "created_at"], rows).on_conflict_do_nothing()
    )


_RESTORE_LINKS = Statement(_restore_links)
_DROP_DANGLING_LINKS = Statement(
    lambda _: delete(repository_blobs).where(
        repository_blobs.c.repository_id.in_(_counting_on()),
        ~exists().where(blobs.c.id == repository_blobs.c.blob_id),
    )
)

# Rows that name a row which is not there. Foreign keys keep them out, unless somebody has worked with them turned off.

LINKS = "repository_blobs.blob_id"


def _relations() -> dict[str, tuple[Any, Any]]:
    """Each foreign key, as `table.column`, with its parent's column; tables before those that they point to."""
    found = {}
    for table in reversed(metadata.sorted_tables):
        for key in table.foreign_keys:
            found[f"{table.name}.{key.parent.name}"] = (key.parent, key.column)
    del found["tags.manifest_id"]  # see TagRow.digest
    return dict(sorted(found.items(), key=lambda item: item[0] == "manifests.repository_id"))


_RELATIONS = _relations()
RELATIONS = tuple(name for name in _RELATIONS if name != LINKS)


def _dangles(child: Any, parent: Any) -> Any:
    return and_(child.is_not(None), ~exists().where(parent == child))


def _dangling(child: Any, parent: Any) -> Statement:
    return Statement(lambda _: select(func.count()).select_from(child.table).where(_dangles(child, parent)))


def _drop_dangling(child: Any, parent: Any) -> Statement:
    return Statement(lambda _: delete(child.table).where(_dangles(child, parent)))


_DANGLING = {name: _dangling(*columns) for name, columns in _RELATIONS.items()}
_DROP_DANGLING = {name: _drop_dangling(*columns) for name, columns in _RELATIONS.items()}
_LINK_DANGLES = ~exists().where(blobs.c.id == repository_blobs.c.blob_id)
_REPOSITORIES_WITH_DANGLING_LINKS = Statement(
    lambda _: (
        select(repositories.c.name)
        .where(
            repositories.c.name > bindparam("after"),
            exists().where(repository_blobs.c.repository_id == repositories.c.id, _LINK_DANGLES),
        )
        .order_by(repositories.c.name)
        .limit(bindparam("count"))
    )
)
_ID = select(repositories.c.id).where(repositories.c.name == bindparam("repository")).scalar_subquery()
_DANGLING_LINKS_IN = Statement(
    lambda _: (
        select(func.count()).select_from(repository_blobs).where(repository_blobs.c.repository_id == _ID, _LINK_DANGLES)
    )
)
_DROP_DANGLING_LINKS_IN = Statement(
    lambda _: delete(repository_blobs).where(repository_blobs.c.repository_id == _ID, _LINK_DANGLES)
)
_LACKS_A_ROW = Statement(
    lambda _: (
        select(literal_column("1"))
        .select_from(manifests.join(manifest_references, manifest_references.c.manifest_id == manifests.c.id))
        .where(
            manifests.c.repository_id == _ID,
            manifest_references.c.kind != "manifest",
            ~exists().where(blobs.c.digest == manifest_references.c.digest),
        )
        .limit(1)
    )
)
_LEASES_WITHOUT_A_ROW = Statement(
    lambda _: (
        select(literal_column("1"))
        .select_from(leases)
        .where(leases.c.repository_id == _ID, ~exists().where(blobs.c.digest == leases.c.digest))
        .limit(1)
    )
)


def page_of_blobs(connection: Connection, after: int, count: int) -> list[tuple[int, str]]:
    """Row ids and digests of up to `count` blobs, of any state, with row ids after `after`."""
    return [(row[0], row[1]) for row in connection.all(_BLOBS, after=after, count=count)]


def totals(connection: Connection) -> tuple[int, int]:
    """How many blobs have a row, and their bytes."""
    row = connection.one(_BYTES)
    return (int(row[0]), int(row[1])) if row else (0, 0)


def page_of_manifests(connection: Connection, after: int, count: int) -> list[Holding]:
    """Up to `count` manifests of all repositories with row ids after `after`."""
    rows = connection.all(_HOLDINGS, after=after, count=count)
    return [Holding(row[0], row[1], row[2], bool(row[3])) for row in rows]


def page_of_tags(connection: Connection, after: tuple[int, str], count: int) -> list[TagRow]:
    """Up to `count` tags after that repository's id and name."""
    return [TagRow(*row) for row in connection.all(_TAGS, repository_id=after[0], after=after[1], count=count)]


def tag(connection: Connection, repository: str, name: str) -> TagRow | None:
    row = connection.one(_TAG, repository=repository, tag=name)
    return TagRow(*row) if row else None


def drop_tag(connection: Connection, row: TagRow) -> bool:
    """Drops a tag whose manifest is gone."""
    return connection.run(_DROP_TAG, repository_id=row.repository_id, tag=row.name) > 0


def page_of_images(connection: Connection, after: tuple[int, str], count: int) -> list[ImageRow]:
    """Up to `count` images after that repository's id and image."""
    rows = connection.all(_IMAGES, repository_id=after[0], after=after[1], count=count)
    return [ImageRow(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]


def page_of_referenced(connection: Connection, after: str, count: int) -> list[str]:
    """Up to `count` digests after that one which manifests reference, each once."""
    return [row[0] for row in connection.all(_REFERENCED, after=after, count=count)]


def unmet(connection: Connection, after: str, upto: str) -> list[Unmet]:
    """References to digests after `after`, up to `upto`, that are not met, in no order, some of them more than once;
    but for what is kept elsewhere."""
    return _as_unmet(connection.all(_UNMET, after=after, upto=upto))


def unmet_in(connection: Connection, repository: RepositoryName, digest: Digest) -> Unmet | None:
    """The repository's reference to that digest, where it is not met."""
    found = _as_unmet(connection.all(_UNMET_IN, repository=repository, digest=digest))
    return found[0] if found else None


def _as_unmet(rows: list[tuple[Any, ...]]) -> list[Unmet]:
    return [Unmet(row[0], row[1], row[2], row[4] is not None) for row in rows if not is_foreign(row[3])]


def reference(connection: Connection, digest: Digest) -> Reference | None:
    """What the manifest with that digest is, or else what a manifest or an image says of it; None where nothing names
    it."""
    row = connection.one(_MANIFEST_SIZE, digest=digest) or connection.one(_REFERENCE, digest=digest)
    if row is not None:
        return Reference(*row)
    layer = connection.one(_AS_LAYER, digest=digest)
    if layer is not None:
        return Reference(layer[0] or 0, "")
    return Reference(0, "") if connection.one(_AS_SHOWN, digest=digest) is not None else None


def is_leased(connection: Connection, digest: Digest) -> bool:
    return connection.one(_LEASED, digest=digest) is not None


def affected(connection: Connection, digest: str, most: int) -> list[str]:
    """Up to `most` tags (`repository:tag`), manifests without one (`repository@digest`), images of v1
    (`repository@image`), or else repositories, that lack something without the content."""
    found: dict[str, None] = {}
    # An image's layer is three steps below the tag of its index.
    holders = connection.all(_AS_MANIFEST, digest=digest, count=most)
    holders += connection.all(_HOLDERS, digest=digest, count=most)
    for _ in range(3):
        above = []
        for manifest_id, repository, held in holders:
            names = [row[0] for row in connection.all(_TAGS_ON, manifest_id=manifest_id, count=most)]
            parents = [] if names else connection.all(_HOLDERS, digest=held, count=most)
            above += parents
            if not parents:
                found.update(dict.fromkeys(f"{repository}:{name}" for name in names) or {f"{repository}@{held}": None})
        holders = above[:most]
    for image in v1_images_.holders(connection, digest, most):
        found[f"{image.repository}@{image.image_id}"] = None
    if not found:
        found.update((row[0], None) for row in connection.all(_IN_REPOSITORIES, digest=digest, count=most))
    return list(found)[:most]


def lose(connection: Connection, digest: Digest, generation: int, changed_at: int) -> bool:
    """Records that the object is gone or damaged: absent until a push writes the key after it. False: the row has
    changed since it was seen."""
    parameters = {"digest_": digest, "seen_generation": generation, "seen_at": changed_at}
    return connection.run(_LOSE, **parameters, now=connection.now()) > 0


def resize(connection: Connection, digest: Digest, generation: int, changed_at: int, size: int) -> bool:
    """Corrects the size. False: the row has changed since it was seen."""
    parameters = {"digest_": digest, "seen_generation": generation, "seen_at": changed_at}
    return connection.run(_RESIZE, **parameters, size_=size) > 0


def record(connection: Connection, digest: Digest, size: int, state: str, generation: int) -> bool:
    """Makes a row where there is none, and puts the blob back into the repositories that count on it."""
    now = connection.now()
    parameters = {"size": size, "state": state, "generation": generation, "now": now}
    if not connection.run(_RECORD, digest=digest, **parameters):
        return False
    if state in ("live", "lost"):
        restore_links(connection, digest)
        connection.run(_DROP_DANGLING_LINKS, digest=digest)
    return True


def restore_links(connection: Connection, digest: Digest) -> None:
    """Puts a blob into the repositories that count on it."""
    connection.run(_RESTORE_LINKS, digest=digest, now=connection.now())


def revive(connection: Connection, digest: Digest) -> bool:
    """Makes a condemned blob live again; its object must be there."""
    return connection.run(_REVIVE, digest_=digest, now=connection.now()) > 0


def give_up(connection: Connection, digest: Digest, generation: int) -> bool:
    """Gives up a key after the one that was given up already: no push records it from the commit on."""
    return connection.run(_GIVE_UP, digest_=digest, given_up=generation, now=connection.now()) > 0


def dangling(connection: Connection, relation: str) -> int:
    """How many rows point, by one of RELATIONS, to a row that is not there."""
    row = connection.one(_DANGLING[relation])
    return int(row[0]) if row else 0


def drop_dangling(connection: Connection, relation: str) -> int:
    return connection.run(_DROP_DANGLING[relation])


def repositories_with_dangling_links(connection: Connection, after: str, count: int) -> list[str]:
    """Names of up to `count` repositories, after that one, that hold a blob whose row is gone."""
    return [row[0] for row in connection.all(_REPOSITORIES_WITH_DANGLING_LINKS, after=after, count=count)]


def dangling_links(connection: Connection, repository: RepositoryName) -> int:
    row = connection.one(_DANGLING_LINKS_IN, repository=repository)
    return int(row[0]) if row else 0


def lacks_a_row(connection: Connection, repository: RepositoryName) -> bool:
    """Whether the repository counts on a digest that has no row: its dangling links are that row's."""
    return any(connection.one(each, repository=repository) for each in (_LACKS_A_ROW, _LEASES_WITHOUT_A_ROW))


def drop_dangling_links(connection: Connection, repository: RepositoryName) -> int:
    return connection.run(_DROP_DANGLING_LINKS_IN, repository=repository)
