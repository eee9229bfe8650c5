"""The documents of a chain of layers: `files.trie`, what is there at its top, and `diffs.json`, what its top layer did.

Both are made from two walks side by side, over the chain without and with its top layer, so that memory holds the
documents, and no more of the walks than the directories on the way.
"""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Self

import marisa_trie  # type: ignore[import-not-found]
import msgspec

from orlop.contents.live import Live, by_path
from orlop.contents.overlay import Overlay
from orlop.contents.rows import LEAN

_SPOOLED = 1 << 20
"""Bytes of a list from which on it is in a file."""


def documents(connection: sqlite3.Connection, layers: Sequence[int], folder: Path) -> tuple[bytes, bytes, int]:
    """`files.trie`, `diffs.json`, and how many files there are: all that is no directory.

    `layers`: their ids in the index, base first; `folder`: where there is room for files without a name. Paths are in
    byte order. The trie has them as text: what is no UTF-8 stands as U+FFFD there.
    """
    with _Diffs(folder) as diffs:
        trie = marisa_trie.Trie(_texts(connection, layers, diffs))
        packed: bytes = trie.tobytes()
        del trie
        return packed, diffs.document(), diffs.live


class _Diffs:
    """The JSON of the three lists, as it grows, in files: the trie of a million paths needs the memory meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.live = 0
        names = ("added", "changed", "removed")
        self._files = {name: SpooledTemporaryFile(_SPOOLED, dir=str(folder)) for name in names}  # noqa: SIM115

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def add(self, name: str, text: str) -> None:
        file = self._files[name]
        file.write(b"," if file.tell() else b'"%b":[' % name.encode())
        file.write(msgspec.json.encode(text))

    def document(self) -> bytes:
        document = BytesIO()
        for name, file in self._files.items():
            document.write(b"," if document.tell() else b"{")
            if not file.tell():
                document.write(b'"%b":[' % name.encode())
            file.seek(0)
            shutil.copyfileobj(file, document)
            document.write(b"]")
        document.write(b"}")
        return document.getvalue()


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
