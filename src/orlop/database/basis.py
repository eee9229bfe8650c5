"""A database that is brought to what a tree holds: what the tree told is seen, and the rest goes.

What was seen is told by columns that have no other meaning meanwhile: a blob has come into its state at some time, a
manifest has a lease.
"""

from typing import NamedTuple

from sqlalchemy import bindparam, delete, exists, select, update

from orlop.database.connection import Connection
from orlop.database.schema import (
    blobs,
    leases,
    manifests,
    outbox,
    progress,
    repository_blobs,
    uploads,
    v1_images,
    v1_listed,
)
from orlop.database.statement import Statement


class Manifest(NamedTuple):
    id: int
    repository_id: int
    digest: str


_BEGIN = {
    "uploads": Statement(lambda _: delete(uploads)),
    "outbox": Statement(lambda _: delete(outbox)),
    "progress": Statement(lambda _: delete(progress)),
    "leases": Statement(lambda _: delete(leases)),
    "links": Statement(lambda _: delete(repository_blobs)),
    "images": Statement(lambda _: delete(v1_images)),
    "listed": Statement(lambda _: delete(v1_listed)),
    "blobs": Statement(lambda _: update(blobs).values(changed_at=0)),
    "manifests": Statement(lambda _: update(manifests).where(manifests.c.lost == 1).values(lost=0)),
}
_DROP_BLOBS = Statement(lambda _: delete(blobs).where(blobs.c.changed_at == 0))
_UNSEEN = Statement(
    lambda _: (
        select(manifests.c.id, manifests.c.repository_id, manifests.c.digest)
        .where(
            manifests.c.id > bindparam("after"),
            ~exists().where(leases.c.repository_id == manifests.c.repository_id, leases.c.digest == manifests.c.digest),
        )
        .order_by(manifests.c.id)
        .limit(bindparam("count"))
    )
)


def begin(connection: Connection) -> None:
    """Nothing was seen yet. Which repository holds a blob, beyond what its manifests and images name, is forgotten."""
    for statement in _BEGIN.values():
        connection.run(statement)


def drop_unseen_blobs(connection: Connection) -> int:
    return connection.run(_DROP_BLOBS)


def unseen_manifests(connection: Connection, after: int, count: int) -> list[Manifest]:
    """Up to `count` with row ids after `after`."""
    return [Manifest(*row) for row in connection.all(_UNSEEN, after=after, count=count)]
