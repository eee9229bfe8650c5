"""Directories of an image from the top down, from any place on: for lists that come page by page."""

from collections.abc import Iterator

from orlop.contents.live import by_name
from orlop.contents.node import node_of
from orlop.contents.overlay import DEEPEST, Node, Overlay

__all__ = ["DEEPEST", "below"]


def below(view: Overlay, top: bytes, after: bytes = b"", depth: int = DEEPEST) -> Iterator[Node]:
    """All below a directory in the order of `Overlay.walk`, from what comes behind the path `after` on.

    What was seen before is not looked at again. `after` need not be there any more. `depth`: how many levels.
    FileUnknown: it is no directory.
    """
    names = after.removeprefix(top).strip(b"/").split(b"/") if after else []
    found = view.descend(view.directory(top), by_name, after=names, depth=depth)
    return (node_of(live.path, live.layer, live.row) for live in found)
