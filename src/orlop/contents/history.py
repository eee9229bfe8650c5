"""What the layers of an image bring, each for itself, and when it goes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from orlop.contents.live import Live, Source, Whiteout
from orlop.contents.node import Seen, node_of
from orlop.contents.rows import FULL, Row, TooLarge
from orlop.contents.schema import DIRECTORY, SYMLINK

if TYPE_CHECKING:
    from orlop.contents.overlay import Overlay


class _Past:
    """What one layer has at one path."""

    __slots__ = ("below", "gone", "layer", "row")

    def __init__(self, layer: int, row: Row, gone: int | None) -> None:
        self.layer = layer
        self.row = row
        self.gone = gone
        """The layer that took it away."""
        self.below: int | None = gone
        """The layer that took away what is in it."""

    def end(self, layer: int) -> None:
        """An earlier end stands."""
        self.gone = _earlier(self.gone, layer)
        self.below = _earlier(self.below, layer)


class _Folder(NamedTuple):
    live: Live
    """With all layers that ever said something of it."""
    gone: dict[Source, int]
    """When what they said had its end."""


def history(overlay: "Overlay", above: Live) -> Iterator[Seen]:
    """See `Overlay.history`. `above`: what holds `/`."""
    stack = [_names(overlay, _Folder(above, {}))]
    while stack:
        following = next(stack[-1], None)
        if following is None:
            stack.pop()
            continue
        path, pasts = following
        inner = []
        for past in pasts:
            if past.row[1] == DIRECTORY:
                inner.append(past)
            else:
                yield Seen(node_of(path, past.layer, past.row), past.gone)
        if inner:
            stack.append(_names(overlay, _folder(path, inner)))


def _folder(path: bytes, pasts: list[_Past]) -> _Folder:
    sources = [Source(past.layer, past.row[0]) for past in pasts]
    gone = {source: past.below for source, past in zip(sources, pasts, strict=True) if past.below is not None}
    return _Folder(Live(path, pasts[-1].layer, pasts[-1].row, sources), gone)


def _names(overlay: "Overlay", folder: _Folder) -> Iterator[tuple[bytes, list[_Past]]]:
    """For each path in it what layers had there, lowest first."""
    try:
        found = _pasts(overlay, folder, overlay.said(folder.live, FULL))
    except TooLarge:
        each: Iterator[dict[bytes, list[_Past]]] = (
            _pasts(overlay, folder, said) for said in overlay.said_in_parts(folder.live, FULL)
        )
    else:
        each = iter([found])
    for pasts in each:
        for name, known in pasts.items():
            yield b"%b/%b" % (folder.live.stem, name), known


def _pasts(
    overlay: "Overlay", folder: _Folder, said: Iterator[tuple[int, list[Row], list[Whiteout]]]
) -> dict[bytes, list[_Past]]:
    found: dict[bytes, list[_Past]] = {}
    for layer, rows, whiteouts in said:
        gone = min((end for source, end in folder.gone.items() if source.layer == layer), default=None)
        _end(found, layer, whiteouts)
        for row in rows:
            _come(found.setdefault(row[3], []), _Past(layer, row, gone), overlay)
    return found


def _end(found: dict[bytes, list[_Past]], layer: int, whiteouts: list[Whiteout]) -> None:
    for name, opaque in whiteouts:
        for past in found.get(name, ()):
            if opaque:
                past.below = _earlier(past.below, layer)
            else:
                past.end(layer)


def _come(pasts: list[_Past], new: _Past, overlay: "Overlay") -> None:
    """Something comes to a path: what was there goes, but for a directory under a directory."""
    path_id, kind, implicit, _ = new.row[:4]
    if kind == DIRECTORY and implicit and overlay.grafts.is_moved(new.layer, path_id):
        live = [past for past in pasts if past.gone is None or past.gone > new.layer]
        if live and live[-1].row[1] == SYMLINK:
            return
    for past in pasts:
        if kind != DIRECTORY or past.row[1] != DIRECTORY:
            past.end(new.layer)
    pasts.append(new)


def _earlier(first: int | None, second: int) -> int:
    return second if first is None else min(first, second)
