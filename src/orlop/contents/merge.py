"""The documents of a chain of layers: `files.trie`, what is there at its top, and `diffs.json`, what its top layer did.

Both are made from two walks side by side, over the chain without and with its top layer, so that memory holds the
documents, and no more of the walks than the directories on the way.
"""

import sqlite3
from collections.abc import Iterator, Sequence

import marisa_trie  # type: ignore[import-not-found]
import msgspec

from orlop.contents.live import Live, by_path
from orlop.contents.overlay import Overlay
from orlop.contents.rows import LEAN


def documents(connection: sqlite3.Connection, layers: Sequence[int]) -> tuple[bytes, bytes, int]:
    """`files.trie`, `diffs.json`, and how many files there are: all that is no directory.

    `layers`: their ids in the index, base first. Paths are in byte order. The trie has them as text: what is no UTF-8
    stands as U+FFFD there.
    """
    diffs = _Diffs()
    trie = marisa_trie.Trie(_texts(connection, layers, diffs))
    packed: bytes = trie.tobytes()
    del trie
    return packed, diffs.document(), diffs.live


class _Diffs:
    """The JSON of the three lists, as it grows: by far the smallest form of a million paths."""

    def __init__(self) -> None:
        self.live = 0
        self._lists = {name: bytearray() for name in ("added", "changed", "removed")}

    def add(self, name: str, text: str) -> None:
        grown = self._lists[name]
        grown += b"," if grown else b'"%b":[' % name.encode()
        grown += msgspec.json.encode(text)

    def document(self) -> bytes:
        for name, grown in self._lists.items():
            grown += b"]" if grown else b'"%b":[]' % name.encode()
        added, changed, removed = self._lists.values()
        return b"".join((b"{", added, b",", changed, b",", removed, b"}"))


def _texts(connection: sqlite3.Connection, layers: Sequence[int], diffs: _Diffs) -> Iterator[str]:
    """The live paths, while `diffs` is told of each that came, changed or went."""
    top = len(layers) - 1
    below = _files(Overlay(connection, layers[:-1]))
    old = next(below, None)
    for live in _files(Overlay(connection, layers)):
        while old is not None and old.path < live.path:
            diffs.add("removed", _text(old))
            old = next(below, None)
        text = _text(live)
        diffs.live += 1
        if old is not None and old.path == live.path:
            old = next(below, None)
            if live.layer == top:
                diffs.add("changed", text)
        else:
            diffs.add("added", text)
        yield text
    while old is not None:
        diffs.add("removed", _text(old))
        old = next(below, None)


def _files(overlay: Overlay) -> Iterator[Live]:
    """All but directories, in byte order of their paths."""
    return (live for live in overlay.descend(overlay.root(), by_path, LEAN) if not live.is_directory)


def _text(live: Live) -> str:
    return live.path.decode(errors="replace")
