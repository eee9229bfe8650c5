"""What stands at one path of an image."""

import json
from typing import NamedTuple

from orlop.contents.rows import Row
from orlop.contents.schema import KINDS


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


def node_of(path: bytes, layer: int, row: Row) -> Node:
    """`row`: FULL."""
    _, kind, _, _, size, mode, uid, gid, mtime, digest, link, offset, sparse = row
    stretches = tuple((start, length) for start, length in json.loads(sparse)) if sparse else ()
    content = None if digest is None else "sha256:" + digest.hex()
    # Node(…) takes twice as long, and listings make thousands.
    return Node._make((path, KINDS[kind], size, mode, uid, gid, mtime, content, link, layer, offset, stretches))
