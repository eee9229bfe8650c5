"""What stands at one path while layers are laid over one another."""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from orlop.contents.rows import Row
from orlop.contents.schema import DIRECTORY

Whiteout = tuple[bytes, int]
"""A name, and whether only what is below it goes."""


class Source(NamedTuple):
    """A layer that says something of what a directory holds."""

    layer: int
    """Its place in the chain."""
    path_id: int
    """Under which path it does so."""


class Live:
    """What is at one path; of a directory also the layers that say what is in it, lowest first."""

    __slots__ = ("layer", "path", "row", "sources")

    def __init__(self, path: bytes, layer: int, row: Row, sources: list[Source]) -> None:
        self.path = path
        self.layer = layer
        self.row = row
        self.sources = sources

    @property
    def is_directory(self) -> bool:
        return bool(self.row[1] == DIRECTORY)

    @property
    def stem(self) -> bytes:
        """Its path as the beginning of longer ones: empty for `/`, and for what holds that."""
        return b"" if self.path == b"/" else self.path


def by_name(live: Live) -> bytes:
    name: bytes = live.row[3]
    return name


def by_path(live: Live) -> bytes:
    """In this order the full paths of all but directories stand in byte order: `/a-b` before `/a/b`."""
    name: bytes = live.row[3]
    return name + b"/" if live.row[1] == DIRECTORY else name


def path_order(lives: Iterator[Live]) -> Iterator[Live]:
    """What comes in the order of `by_name`, in that of `by_path`: a directory waits for names like `a-b`."""
    waiting: list[tuple[bytes, Live]] = []
    for live in lives:
        name = by_name(live)
        while waiting and waiting[0][0] < name:
            yield heappop(waiting)[1]
        if live.is_directory:
            heappush(waiting, (by_path(live), live))
        else:
            yield live
    while waiting:
        yield heappop(waiting)[1]
