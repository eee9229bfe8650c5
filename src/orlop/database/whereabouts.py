"""Where layers and images are, in the repositories that somebody may read: which manifests, and by which tags.

`readable` is as in `Authority.readable`: an anchored regular expression, empty for all repositories.
"""

from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, exists, func, literal_column, select

from orlop.database import pages
from orlop.database.connection import Connection
from orlop.database.schema import blobs, jobs, manifest_references, manifests, repositories, repository_blobs, tags
from orlop.database.statement import Statement
from orlop.domain.manifest import IMAGE_CONFIGS

DEEPEST = 4
"""Indexes in indexes that are followed from an image to a tag."""

_REFERENCES = manifest_references
_ZERO: Any = literal_column("0")


class Sighting(NamedTuple):
    """An image, and one tag that leads to it; without a tag where it, or an index of it, has none."""

    manifest_id: int
    repository: str
    digest: str
    platforms: str
    """JSON array of `os/architecture[/variant]`."""
    depth: int
    """How many indexes are between the tag and the image."""
    tag: str | None


class Tagged(NamedTuple):
    repository: str
    tag: str
    digest: str


def _is_image() -> Any:
    return and_(
        manifests.c.lost == _ZERO,
        manifests.c.config_media_type.in_([literal_column(f"'{kind}'") for kind in IMAGE_CONFIGS]),
        pages.among(repositories.c.name),
    )


def _is_held(*kinds: str) -> Any:
    """The manifest's repository holds all that the manifest names as these: where manifests are taken before what they
    name, one may name what only another repository has."""
    named = manifest_references.alias("named")
    held = exists().where(
        repository_blobs.c.repository_id == named.c.repository_id,
        repository_blobs.c.blob_id == blobs.c.id,
        blobs.c.digest == named.c.digest,
    )
    return ~exists().where(
        named.c.manifest_id == manifests.c.id, named.c.kind.in_([literal_column(f"'{kind}'") for kind in kinds]), ~held
    )


def _tags_of(found: Select[Any]) -> Select[Any]:
    """The sightings of the images that `found` selects: by their own tags, and by those of indexes that list them."""
    up = found.cte("up", recursive=True)
    child, parent = manifests.alias("child"), manifests.alias("parent")
    up = up.union(
        select(up.c.image, parent.c.id, up.c.depth + literal_column("1"))
        .select_from(up)
        .join(child, child.c.id == up.c.manifest_id)
        .join(
            _REFERENCES,
            and_(_REFERENCES.c.digest == child.c.digest, _REFERENCES.c.repository_id == child.c.repository_id),
        )
        .join(parent, parent.c.id == _REFERENCES.c.manifest_id)
        .where(
            _REFERENCES.c.kind == literal_column("'manifest'"),
            parent.c.lost == _ZERO,
            up.c.depth < literal_column(str(DEEPEST)),
        )
    )
    return (
        select(manifests.c.id, repositories.c.name, manifests.c.digest, manifests.c.platforms, up.c.depth, tags.c.name)
        .select_from(up)
        .join(manifests, manifests.c.id == up.c.image)
        .join(repositories, repositories.c.id == manifests.c.repository_id)
        .outerjoin(tags, tags.c.manifest_id == up.c.manifest_id)
        .order_by(repositories.c.name, manifests.c.id, up.c.depth, tags.c.name)
        .limit(bindparam("count"))
    )


def _seed() -> Select[Any]:
    return select(
        manifests.c.id.label("image"), manifests.c.id.label("manifest_id"), literal_column("0").label("depth")
    )


_WITH_LAYER = Statement(
    lambda _: _tags_of(
        _seed()
        .select_from(_REFERENCES)
        .join(manifests, manifests.c.id == _REFERENCES.c.manifest_id)
        .join(repositories, repositories.c.id == manifests.c.repository_id)
        .where(
            _REFERENCES.c.digest == bindparam("digest"),
            _REFERENCES.c.kind == literal_column("'layer'"),
            _is_image(),
            _is_held("config", "layer"),
        )
    )
)
_OF_MANIFEST = Statement(
    lambda _: _tags_of(
        _seed()
        .select_from(manifests)
        .join(repositories, repositories.c.id == manifests.c.repository_id)
        .where(manifests.c.digest == bindparam("digest"), _is_image(), _is_held("config"))
    )
)
_LAYERS = Statement(
    lambda _: (
        select(_REFERENCES.c.digest)
        .distinct()
        .select_from(repositories)
        .join(manifests, manifests.c.repository_id == repositories.c.id)
        .join(_REFERENCES, _REFERENCES.c.manifest_id == manifests.c.id)
        .where(
            repositories.c.name == bindparam("name"),
            _REFERENCES.c.kind == literal_column("'layer'"),
            manifests.c.lost == _ZERO,
        )
        .limit(bindparam("count"))
    )
)
_MANIFESTS = Statement(
    lambda _: (
        select(manifests.c.digest)
        .select_from(repositories)
        .join(manifests, manifests.c.repository_id == repositories.c.id)
        .where(repositories.c.name == bindparam("name"), manifests.c.lost == _ZERO)
        .limit(bindparam("count"))
    )
)
_NAMES = Statement(
    lambda _: (
        select(repositories.c.name)
        .where(
            repositories.c.name > bindparam("last"),
            pages.containing(repositories.c.name),
            pages.among(repositories.c.name),
            select(manifests.c.id).where(manifests.c.repository_id == repositories.c.id).exists(),
        )
        .order_by(repositories.c.name)
        .limit(bindparam("count"))
    )
)


def _tags() -> Any:
    last: Any = bindparam("last")
    last_tag: Any = bindparam("last_tag")
    whole = repositories.c.name + literal_column("':'") + tags.c.name
    return (
        select(repositories.c.name, tags.c.name, manifests.c.digest)
        .select_from(repositories)
        .join(tags, tags.c.repository_id == repositories.c.id)
        .join(manifests, manifests.c.id == tags.c.manifest_id)
        .where(
            repositories.c.name >= last,
            (repositories.c.name > last) | (tags.c.name > last_tag),
            pages.containing(tags.c.name) | func.lower(whole).like(bindparam("whole"), escape="!"),
            pages.among(repositories.c.name),
        )
        .order_by(repositories.c.name, tags.c.name)
        .limit(bindparam("count"))
    )


_TAGS = Statement(lambda _: _tags())
_PENDING = Statement(
    lambda _: (
        select(jobs.c.kind, jobs.c.subject)
        .where(
            jobs.c.kind.in_([literal_column("'image'"), literal_column("'index-all'")]),
            jobs.c.state.in_([literal_column("'waiting'"), literal_column("'running'")]),
        )
        .limit(bindparam("count"))
    )
)


def with_layer(connection: Connection, digest: str, readable: str, count: int) -> list[Sighting]:
    """Up to `count` sightings of images that have a layer, those of one image beside one another."""
    return [Sighting(*row) for row in connection.all(_WITH_LAYER, digest=digest, readable=readable, count=count)]


def of_manifest(connection: Connection, digest: str, readable: str, count: int) -> list[Sighting]:
    """Up to `count` sightings of images with this manifest."""
    return [Sighting(*row) for row in connection.all(_OF_MANIFEST, digest=digest, readable=readable, count=count)]


def layers_in(connection: Connection, name: str, count: int) -> list[str]:
    """The digests of up to `count` layers that a repository's manifests name."""
    return [row[0] for row in connection.all(_LAYERS, name=name, count=count)]


def manifests_in(connection: Connection, name: str, count: int) -> list[str]:
    """The digests of up to `count` manifests of a repository."""
    return [row[0] for row in connection.all(_MANIFESTS, name=name, count=count)]


def names(connection: Connection, text: str, readable: str, last: str, count: int) -> list[str]:
    """Up to `count` repositories after `last` whose name holds `text`, in byte order."""
    return [
        row[0] for row in connection.all(_NAMES, pattern=pages.pattern(text), readable=readable, last=last, count=count)
    ]


def tagged(connection: Connection, text: str, readable: str, last: tuple[str, str], count: int) -> list[Tagged]:
    """Up to `count` tags after `last` that hold `text`; one with a colon may reach into the repository's name."""
    rows = connection.all(
        _TAGS,
        pattern=pages.pattern(text),
        whole=pages.pattern(text) if ":" in text else "",
        readable=readable,
        last=last[0],
        last_tag=last[1],
        count=count,
    )
    return [Tagged(*row) for row in rows]


def pending(connection: Connection, count: int) -> list[tuple[str, str]]:
    """Kinds and subjects of up to `count` jobs that images wait for."""
    return [(row[0], row[1]) for row in connection.all(_PENDING, count=count)]
