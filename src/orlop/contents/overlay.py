"""What one image holds: its layers over one another, found in their rows as it is asked for."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Node(NamedTuple):
    """One file, directory or the like of an image, as its layer has it."""

    path: bytes
    """Absolute."""
    kind: str
    """One of `schema.KINDS`."""
    size: int
    mode: int
    uid: int
    gid: int
    mtime: int
    digest: str | None
    """Of the content, `sha256:…`."""
    link: bytes | None
    layer: int
    """The place in the chain of the layer that brought it: 0 is the base."""
    offset: int
    """As in `Entry`."""
    sparse: tuple[tuple[int, int], ...]


class Seen(NamedTuple):
    """What one layer brings, whether or not it is still there at the top."""

    node: Node
    gone: int | None
    """The place in the chain of the layer that removed or replaced it; None where it is live."""


class Overlay:
    """Paths are absolute, in bytes, without `.`, `..` and doubled slashes where no links are followed."""

    def __init__(self, connection: sqlite3.Connection, layers: Sequence[int]) -> None:
        """`layers`: their ids in the index, base first."""
        self.connection = connection
        self.layers = list(layers)

    def lookup(self, path: bytes) -> Node | None:
        """What is at that path; no links are followed."""
        raise NotImplementedError

    def resolve(self, path: bytes) -> Node:
        """What is at that path when links are followed, as a process in the image would find it.

        `..` stops at the root. FileUnknown, LinkLoop (more than 40 links).
        """
        raise NotImplementedError

    def children(self, path: bytes, after: bytes = b"", count: int | None = None) -> list[Node]:
        """Of a directory, in byte order of names, from the first name behind `after`. FileUnknown: it is none."""
        raise NotImplementedError

    def content(self, node: Node) -> Node:
        """The node that has the bytes of `node`: of a hard link the file it is a link to. FileUnknown."""
        raise NotImplementedError

    def walk(self, path: bytes = b"/") -> Iterator[Node]:
        """All below a directory, each before what is below it, in byte order of names."""
        raise NotImplementedError

    def history(self) -> Iterator[Seen]:
        """All but directories that any layer brings."""
        raise NotImplementedError
