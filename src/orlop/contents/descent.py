"""Directories of an image from the top down, from any place on: for lists that come page by page."""

from collections.abc import Iterator

from orlop.contents.overlay import Node, Overlay
from orlop.domain.errors import FileUnknown

DEEPEST = 1 << 20
"""More levels than any path has."""


def below(view: Overlay, top: bytes, after: bytes = b"", depth: int = DEEPEST) -> Iterator[Node]:
    """All below a directory in the order of `Overlay.walk`, from what comes behind the path `after` on.

    What was seen before is not looked at again. `after` need not be there any more. `depth`: how many levels.
    """
    levels = _levels_behind(view, top, after)[:depth] if after else [children(view, top)]
    while levels:
        node = next(levels[-1], None)
        if node is None:
            levels.pop()
            continue
        yield node
        if node.kind == "directory" and len(levels) < depth:
            levels.append(children(view, node.path))


def children(view: Overlay, path: bytes, after: bytes = b"") -> Iterator[Node]:
    """Of a directory, from the first name behind `after` on; nothing of what is none."""
    try:
        yield from view.children(path, after)
    except FileUnknown:
        return


def parts_below(top: bytes, path: bytes) -> list[bytes]:
    """The names that lead from a directory to a path in it."""
    return path.removeprefix(top).strip(b"/").split(b"/")


def _levels_behind(view: Overlay, top: bytes, after: bytes) -> list[Iterator[Node]]:
    """For each directory on the way to `after`, and for itself, what is still to come."""
    levels, path = [], top
    for name in parts_below(top, after):
        levels.append(children(view, path, name))
        path = path.rstrip(b"/") + b"/" + name
    return [*levels, children(view, path)]
