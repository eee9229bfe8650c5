"""Images of the Docker Registry v1, and the lists of those that clients have announced."""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, exists, select, update

from orlop.database import pages
from orlop.database.connection import Connection
from orlop.database.schema import manifests, repositories, v1_images, v1_listed
from orlop.database.statement import Insert, Statement, parameters


class Image(NamedTuple):
    """An image as it is recorded."""

    repository_id: int
    image_id: str
    parent: str | None
    document: str
    state: str
    attempt: str
    checksums: str
    announced: str
    layer_digest: str | None
    layer_size: int | None
    layer_facts: str | None
    shown_digest: str | None
    manifest_digest: str | None
    updated_at: int


class Node(NamedTuple):
    """What collection needs of an image."""

    image_id: str
    parent: str | None
    manifest: str | None
    """The digest of the manifest that was made of it, where the repository holds that."""
    updated_at: int


class Holder(NamedTuple):
    """An image that has a blob for its layer, or shows it over v2."""

    repository_id: int
    repository: str
    image_id: str
    state: str


class Listed(NamedTuple):
    image_id: str
    checksum: str | None


_COLUMNS = [v1_images.c[name] for name in Image._fields]


def _begin(insert: Insert) -> Any:
    statement = insert(v1_images).values(parameters(v1_images))
    columns = ("parent", "document", "attempt", "checksums", "announced", "updated_at")
    nothing = ("layer_digest", "layer_size", "layer_facts", "shown_digest", "manifest_digest")
    return statement.on_conflict_do_update(
        index_elements=["repository_id", "image_id"],
        set_={name: statement.excluded[name] for name in columns} | dict.fromkeys(nothing),
        where=v1_images.c.state == "in_progress",
    )


def _list(insert: Insert) -> Any:
    statement = insert(v1_listed).values(parameters(v1_listed))
    return statement.on_conflict_do_update(
        index_elements=["repository_id", "image_id"],
        set_={"checksum": statement.excluded.checksum, "listed_at": statement.excluded.listed_at},
        where=statement.excluded.checksum.is_not(None),  # an entry that has a checksum wins
    )


_BEGIN = Statement(_begin)
_RESTORE = Statement(lambda insert: insert(v1_images).values(parameters(v1_images)))
_LIST = Statement(_list)
_FIND = Statement(
    lambda _: select(*_COLUMNS).where(
        v1_images.c.repository_id == bindparam("repository_id"), v1_images.c.image_id == bindparam("image_id")
    )
)
_FIND_NAMED = Statement(
    lambda _: (
        select(*_COLUMNS)
        .select_from(v1_images.join(repositories, repositories.c.id == v1_images.c.repository_id))
        .where(repositories.c.name == bindparam("name"), v1_images.c.image_id == bindparam("image_id"))
    )
)
_HOLDER = Statement(
    lambda _: (
        select(repositories.c.name)
        .select_from(v1_images.join(repositories, repositories.c.id == v1_images.c.repository_id))
        .where(v1_images.c.image_id == bindparam("image_id"), pages.among(repositories.c.name))
        .order_by(v1_images.c.state, repositories.c.name)
        .limit(1)
    )
)
_SET_LAYER = Statement(
    lambda _: (
        update(v1_images)
        .where(
            v1_images.c.repository_id == bindparam("repository"),
            v1_images.c.image_id == bindparam("image"),
            v1_images.c.attempt == bindparam("of"),
            v1_images.c.state == "in_progress",
        )
        .values(
            layer_digest=bindparam("digest"),
            layer_size=bindparam("size"),
            layer_facts=bindparam("facts"),
            shown_digest=bindparam("shown"),
            updated_at=bindparam("now"),
        )
    )
)
_ANNOUNCE_SUMS = Statement(
    lambda _: (
        update(v1_images)
        .where(
            v1_images.c.repository_id == bindparam("repository"),
            v1_images.c.image_id == bindparam("image"),
            v1_images.c.attempt == bindparam("of"),
            v1_images.c.layer_digest.is_(None),
        )
        .values(announced=bindparam("sums"), updated_at=bindparam("now"))
    )
)
_COMPLETE = Statement(
    lambda _: (
        update(v1_images)
        .where(
            v1_images.c.repository_id == bindparam("repository"),
            v1_images.c.image_id == bindparam("image"),
            v1_images.c.attempt == bindparam("of"),
            v1_images.c.layer_digest == bindparam("digest"),
            v1_images.c.state == "in_progress",
        )
        .values(state="complete", checksums=bindparam("sums"), updated_at=bindparam("now"))
    )
)
_SET_MANIFEST = Statement(
    lambda _: (
        update(v1_images)
        .where(v1_images.c.repository_id == bindparam("repository"), v1_images.c.image_id == bindparam("image"))
        .values(manifest_digest=bindparam("digest"), updated_at=bindparam("now"))
    )
)
_TOUCH = Statement(
    lambda _: (
        update(v1_images)
        .where(v1_images.c.repository_id == bindparam("repository"), v1_images.c.image_id == bindparam("image"))
        .values(updated_at=bindparam("now"))
    )
)
_BY_MANIFEST = Statement(
    lambda _: (
        select(v1_images.c.image_id)
        .where(
            v1_images.c.repository_id == bindparam("repository_id"), v1_images.c.manifest_digest == bindparam("digest")
        )
        .order_by(v1_images.c.updated_at.desc())
        .limit(1)
    )
)
_HOLDING = Statement(
    lambda _: (
        select(v1_images.c.image_id)
        .where(
            v1_images.c.repository_id == bindparam("repository_id"),
            (v1_images.c.layer_digest == bindparam("digest")) | (v1_images.c.shown_digest == bindparam("digest")),
        )
        .limit(1)
    )
)
_LISTED = Statement(
    lambda _: (
        select(v1_listed.c.image_id, v1_listed.c.checksum)
        .where(v1_listed.c.repository_id == bindparam("repository_id"))
        .order_by(v1_listed.c.image_id)
    )
)
_LISTED_IN = Statement(
    lambda _: (
        select(v1_listed.c.image_id)
        .select_from(v1_listed.join(repositories, repositories.c.id == v1_listed.c.repository_id))
        .where(repositories.c.name == bindparam("name"))
        .order_by(v1_listed.c.image_id)
    )
)
_IS_LISTED = Statement(
    lambda _: select(v1_listed.c.image_id).where(
        v1_listed.c.repository_id == bindparam("repository_id"), v1_listed.c.image_id == bindparam("image_id")
    )
)
_UNLIST = Statement(
    lambda _: delete(v1_listed).where(
        v1_listed.c.repository_id == bindparam("repository_id"), v1_listed.c.image_id == bindparam("image_id")
    )
)


def _never_came() -> Any:
    return (
        (v1_listed.c.repository_id == bindparam("repository_id"))
        & (v1_listed.c.listed_at < bindparam("before"))
        & ~exists().where(
            v1_images.c.repository_id == v1_listed.c.repository_id, v1_images.c.image_id == v1_listed.c.image_id
        )
    )


_HAS_ANNOUNCED = Statement(lambda _: select(v1_listed.c.image_id).where(_never_came()).limit(1))
_UNLIST_OLD = Statement(lambda _: delete(v1_listed).where(_never_came()))
_IDS = Statement(
    lambda _: (
        select(v1_images.c.image_id)
        .where(v1_images.c.repository_id == bindparam("repository_id"))
        .order_by(v1_images.c.image_id)
    )
)
_PAGE = Statement(
    lambda _: (
        select(*_COLUMNS)
        .where(v1_images.c.repository_id == bindparam("repository_id"), v1_images.c.image_id > bindparam("after"))
        .order_by(v1_images.c.image_id)
        .limit(bindparam("count"))
    )
)
_NODES = Statement(
    lambda _: (
        select(v1_images.c.image_id, v1_images.c.parent, manifests.c.digest, v1_images.c.updated_at)
        .select_from(
            v1_images.outerjoin(
                manifests,
                (manifests.c.repository_id == v1_images.c.repository_id)
                & (manifests.c.digest == v1_images.c.manifest_digest),
            )
        )
        .where(v1_images.c.repository_id == bindparam("repository_id"))
        .order_by(v1_images.c.image_id)
    )
)


def _holders(column: Any) -> Any:
    return (
        select(v1_images.c.repository_id, repositories.c.name, v1_images.c.image_id, v1_images.c.state)
        .select_from(v1_images.join(repositories, repositories.c.id == v1_images.c.repository_id))
        .where(column == bindparam("digest"))
        .limit(bindparam("count"))
    )


_HOLDERS = {
    "layer": Statement(lambda _: _holders(v1_images.c.layer_digest)),
    "shown": Statement(lambda _: _holders(v1_images.c.shown_digest)),
}
_REPOSITORIES = Statement(
    lambda _: (
        select(repositories.c.id, repositories.c.name)
        .where(
            repositories.c.name > bindparam("after"),
            exists().where(v1_listed.c.repository_id == repositories.c.id)
            | exists().where(v1_images.c.repository_id == repositories.c.id),
        )
        .order_by(repositories.c.name)
        .limit(bindparam("count"))
    )
)
_REMOVE = Statement(
    lambda _: delete(v1_images).where(
        v1_images.c.repository_id == bindparam("repository_id"),
        v1_images.c.image_id == bindparam("image_id"),
    )
)


def begin(
    connection: Connection,
    repository_id: int,
    image_id: str,
    *,
    parent: str | None,
    document: str,
    attempt: str,
    announced: str,
) -> bool:
    """Records the JSON of an image that is being pushed, for the first time or again. False: it is complete."""
    empty = dict.fromkeys(("layer_digest", "layer_size", "layer_facts", "shown_digest", "manifest_digest"))
    return (
        connection.run(
            _BEGIN,
            repository_id=repository_id,
            image_id=image_id,
            parent=parent,
            document=document,
            state="in_progress",
            attempt=attempt,
            checksums="[]",
            announced=announced,
            updated_at=connection.now(),
            **empty,
        )
        > 0
    )


def restore(connection: Connection, image: Image) -> None:
    """Records an image that has no row."""
    connection.run(_RESTORE, **image._asdict())


def find(connection: Connection, repository_id: int, image_id: str) -> Image | None:
    row = connection.one(_FIND, repository_id=repository_id, image_id=image_id)
    return Image(*row) if row else None


def find_in(connection: Connection, name: str, image_id: str) -> Image | None:
    """The image in the repository of that name."""
    row = connection.one(_FIND_NAMED, name=name, image_id=image_id)
    return Image(*row) if row else None


def holder(connection: Connection, image_id: str, readable: str) -> str | None:
    """A repository, among those that may be read, which has the image; one in which it is complete comes first."""
    row = connection.one(_HOLDER, image_id=image_id, readable=readable)
    return row[0] if row else None


def set_layer(connection: Connection, image: Image, digest: str, size: int, facts: str, shown: str | None) -> bool:
    """Records the layer of the push that `image` shows; False: another has begun meanwhile."""
    return (
        connection.run(
            _SET_LAYER,
            repository=image.repository_id,
            image=image.image_id,
            of=image.attempt,
            digest=digest,
            size=size,
            facts=facts,
            shown=shown,
            now=connection.now(),
        )
        > 0
    )


def announce_checksums(connection: Connection, image: Image, announced: str) -> bool:
    """Records checksums that came before their layer; False: that has come meanwhile."""
    return (
        connection.run(
            _ANNOUNCE_SUMS,
            repository=image.repository_id,
            image=image.image_id,
            of=image.attempt,
            sums=announced,
            now=connection.now(),
        )
        > 0
    )


def complete(connection: Connection, image: Image, checksums: str) -> bool:
    """Ends the push that `image` shows; False: another has begun meanwhile, or has ended it."""
    return (
        connection.run(
            _COMPLETE,
            repository=image.repository_id,
            image=image.image_id,
            of=image.attempt,
            digest=image.layer_digest,
            sums=checksums,
            now=connection.now(),
        )
        > 0
    )


def set_manifest(connection: Connection, repository_id: int, image_id: str, digest: str) -> bool:
    """Records which manifest was made of the image and its parents; False: there is no such image."""
    parameters = {"repository": repository_id, "image": image_id, "digest": digest}
    return connection.run(_SET_MANIFEST, **parameters, now=connection.now()) > 0


def touch(connection: Connection, repository_id: int, image_id: str) -> bool:
    """Takes the image for one that was just pushed: somebody counts on it. False: there is no such image."""
    return connection.run(_TOUCH, repository=repository_id, image=image_id, now=connection.now()) > 0


def by_manifest(connection: Connection, repository_id: int, digest: str) -> str | None:
    """The id of the image that the manifest was made of; None: it was pushed as it is."""
    row = connection.one(_BY_MANIFEST, repository_id=repository_id, digest=digest)
    return row[0] if row else None


def holding(connection: Connection, repository_id: int, digest: str) -> str | None:
    """The id of an image of the repository whose layer this blob is."""
    row = connection.one(_HOLDING, repository_id=repository_id, digest=digest)
    return row[0] if row else None


def ids(connection: Connection, repository_id: int) -> list[str]:
    return [row[0] for row in connection.all(_IDS, repository_id=repository_id)]


def page(connection: Connection, repository_id: int, after: str, count: int) -> list[Image]:
    """Up to `count` images of the repository with ids after that one."""
    return [Image(*row) for row in connection.all(_PAGE, repository_id=repository_id, after=after, count=count)]


def announce(connection: Connection, repository_id: int, image_id: str, checksum: str | None) -> None:
    """Puts an image on the repository's list."""
    connection.run(_LIST, repository_id=repository_id, image_id=image_id, checksum=checksum, listed_at=connection.now())


def listed(connection: Connection, repository_id: int) -> list[Listed]:
    return [Listed(*row) for row in connection.all(_LISTED, repository_id=repository_id)]


def list_text(connection: Connection, name: str) -> str | None:
    """What `_images_list` holds: a JSON array of the ids that are listed; None where none is."""
    found = [row[0] for row in connection.all(_LISTED_IN, name=name)]
    return msgspec.json.encode(found).decode() if found else None


def is_listed(connection: Connection, repository_id: int, image_id: str) -> bool:
    return connection.one(_IS_LISTED, repository_id=repository_id, image_id=image_id) is not None


def nodes(connection: Connection, repository_id: int) -> list[Node]:
    """Every image of the repository."""
    return [Node(*row) for row in connection.all(_NODES, repository_id=repository_id)]


def holders(connection: Connection, digest: str, count: int) -> list[Holder]:
    """Up to `count` images that keep the blob as their layer, and as many that keep it as what v2 shows of it."""
    rows = [row for statement in _HOLDERS.values() for row in connection.all(statement, digest=digest, count=count)]
    return [Holder(*row) for row in rows]


def page_of_repositories(connection: Connection, after: str, count: int) -> list[tuple[int, str]]:
    """Row ids and names of up to `count` repositories after that name which have images, or announced ones."""
    return [(row[0], row[1]) for row in connection.all(_REPOSITORIES, after=after, count=count)]


def remove(connection: Connection, repository_id: int, image_id: str) -> bool:
    """Drops an image."""
    connection.run(_UNLIST, repository_id=repository_id, image_id=image_id)
    return connection.run(_REMOVE, repository_id=repository_id, image_id=image_id) > 0


def has_announced(connection: Connection, repository_id: int, before: int) -> bool:
    """Whether there is something that was announced before that moment and never came."""
    return connection.one(_HAS_ANNOUNCED, repository_id=repository_id, before=before) is not None


def unlist_old(connection: Connection, repository_id: int, before: int) -> int:
    """Drops what was announced before that moment and never came."""
    return connection.run(_UNLIST_OLD, repository_id=repository_id, before=before)
