"""One run of collection: what it has done so far, in the form in which the database keeps it."""

import msgspec

from orlop.database import progress
from orlop.database.connection import Connection

RUNNING, LAST = "collection", "collection.last"
"""The names of the documents: of the run that goes on, or was stopped, and of the one that ended last."""


class Totals(msgspec.Struct):
    """What a run has taken away, and what waits. Sizes in bytes."""

    uploads: int = 0
    manifests: int = 0
    images: int = 0
    """Of v1, that nothing was made of, or that were never pushed to their end."""
    links: int = 0
    """Blobs that a repository did not need any more."""
    condemned: int = 0
    blobs: int = 0
    bytes: int = 0
    repositories: int = 0
    swept: int = 0
    """Objects that the database did not know, and rows that were made for them."""
    contents: int = 0
    """Tables of contents of layers, and documents of images, that are gone."""
    leased_blobs: int = 0
    """Blobs that nothing but a lease keeps: they were pushed or asked for a while ago."""
    leased_bytes: int = 0


class Run(msgspec.Struct):
    """How far a run is, or how it ended. Times in milliseconds since 1970."""

    started_at: int
    stage: str = ""
    cursor: list[str | int] = msgspec.field(default_factory=list)
    """Where the stage goes on."""
    tree: bool = False
    """Whether this run sweeps the tree."""
    totals: Totals = msgspec.field(default_factory=Totals)
    ended_at: int | None = None
    swept_at: int = 0
    """When the tree was last swept whole."""


def read(connection: Connection, name: str) -> Run | None:
    """The run that goes on, or was stopped (RUNNING), or the one that ended last (LAST)."""
    document = progress.read(connection, name)
    return msgspec.json.decode(document, type=Run) if document is not None else None


def both(first: Totals, second: Totals) -> Totals:
    """Of two runs, one after the other: what waits is what waited at the end."""
    added = {name: number + getattr(first, name) for name, number in msgspec.structs.asdict(second).items()}
    return Totals(**added | {name: getattr(second, name) for name in ("leased_blobs", "leased_bytes")})
