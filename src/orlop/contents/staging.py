"""One layer as unpacking it alone, in its order, would leave it: in tables, so that it may be of any size.

The last of two entries at one path wins. What replaces a directory takes away what the layer had below it. A symbolic
link on the way to a path is followed where this layer has brought it before. A hard link has the content that its
target had at that moment, or none where this layer has no such file: a lower one may have it then.
"""

import json
import sqlite3
from typing import Any

from orlop.contents.entry import Entry
from orlop.contents.schema import DIRECTORY, FILE, HARDLINK, KINDS, SYMLINK
from orlop.domain.errors import LayerInvalid

STAGED_COLUMNS = "kind, implicit, size, mode, uid, gid, mtime, digest, link, offset, sparse"

# A key is a path with zeros for slashes, so that all below a directory stands directly behind it: `/` is empty.
_TABLES = f"""
CREATE TABLE staged.rows (key BLOB PRIMARY KEY, {STAGED_COLUMNS}) WITHOUT ROWID;
CREATE TABLE staged.whiteouts (key BLOB, opaque, PRIMARY KEY (key, opaque)) WITHOUT ROWID;
"""
_REPLACE = f"REPLACE INTO staged.rows (key, {STAGED_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

Staged = tuple[Any, ...]
"""STAGED_COLUMNS."""
_IMPLICIT: Staged = (DIRECTORY, 1, 0, 0o755, 0, 0, 0, None, None, -1, None)
_KIND = {kind: number for number, kind in enumerate(KINDS)}
_LINKS = 40
_REMEMBERED = 4 << 20
"""Bytes of the paths of directories that are remembered to be there."""
_PENDING = 8 << 20
"""Bytes of rows that wait to be written together, with 256 for each beside its key."""
_STEPS = 5_000_000
"""Directories and links that are looked up on the way to all paths together."""
_IMPLICIT_PATHS = 256 << 20
"""Bytes of all paths of implicit directories: few entries can name very many of them."""


def key_of(path: bytes) -> bytes:
    return b"" if path == b"/" else path.replace(b"/", b"\0")


class Staging:
    """On a connection that has an empty database attached as `staged`, which is its own."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._pending: dict[bytes, Staged] = {}
        self._written = False
        self._folders: dict[bytes, bytes] = {}
        self._waiting = self._remembered = self._implicit = self._steps = 0
        connection.executescript(_TABLES)
        connection.execute("BEGIN")

    def add(self, entry: Entry) -> None:
        if entry.role == "":
            self._put(key_of(entry.raw_path), entry)
        elif entry.role in ("whiteout", "opaque"):
            self._take_away(key_of(entry.target), entry.role == "opaque")

    def finish(self) -> None:
        self._write()
        self._connection.execute("COMMIT")

    def _put(self, key: bytes, entry: Entry) -> None:
        key = self._placed(key)
        kind = _KIND[entry.type]
        size, digest, link, offset, sparse = (
            entry.size,
            _raw_digest(entry),
            entry.raw_link,
            entry.offset,
            _sparse(entry),
        )
        if kind == HARDLINK:
            target = self._placed(key_of(link), make=False)
            if target == key:
                return
            found = self._row(target)
            if found is not None and found[0] != DIRECTORY:
                size, digest, offset, sparse = found[2], found[7], found[9], found[10]
                if found[0] != FILE and digest is None:
                    kind, link = found[0], found[8]
        self._make_room(key, kind)
        self._store(
            key,
            (kind, 0, size, entry.mode, entry.uid, entry.gid, entry.mtime, digest, link or None, offset, sparse),
        )

    def _row(self, key: bytes) -> Staged | None:
        found = self._pending.get(key)
        if found is not None or not self._written:
            return found
        statement = f"SELECT {STAGED_COLUMNS} FROM staged.rows WHERE key = ?"
        row: Staged | None = self._connection.execute(statement, (key,)).fetchone()
        return row

    def _store(self, key: bytes, row: Staged) -> None:
        self._pending[key] = row
        self._waiting += len(key) + 256
        if self._waiting > _PENDING:
            self._write()

    def _write(self) -> None:
        self._connection.executemany(_REPLACE, ((key, *row) for key, row in sorted(self._pending.items(), key=_key)))
        self._pending.clear()
        self._waiting = 0
        self._written = True

    def _take_away(self, key: bytes, opaque: bool) -> None:
        # Whoever unpacks it makes the mark's directory first.
        self._hide(self._folder(key) if opaque else self._placed(key), opaque)

    def _hide(self, key: bytes, opaque: bool) -> None:
        self._connection.execute("INSERT OR IGNORE INTO staged.whiteouts (key, opaque) VALUES (?, ?)", (key, opaque))

    def _make_room(self, key: bytes, kind: int) -> None:
        """Before something comes to `key`."""
        found = self._row(key)
        if found is None or found[0] == kind == DIRECTORY:
            return
        if found[0] in (DIRECTORY, SYMLINK):
            self._forget()
        if kind == DIRECTORY:  # what was there has hidden all that lower layers have below
            self._hide(key, False)
        if found[0] == DIRECTORY:
            self._write()
            self._connection.execute("DELETE FROM staged.rows WHERE key > ? AND key < ?", (key + b"\0", key + b"\1"))

    def _placed(self, key: bytes, *, make: bool = True) -> bytes:
        """Where something goes that is named so, its directory made if need be."""
        if not key:
            return key
        folder, _, name = key.rpartition(b"\0")
        return b"%b\0%b" % (self._folder(folder, make=make), name)

    def _folder(self, key: bytes, *, make: bool = True) -> bytes:
        """Where a directory is that is named so: links on the way are followed."""
        known, names = self._known_part(key)
        place, links = self._folders[known], 0
        while names:
            self._count_step()
            name = names.pop()
            if name in (b"", b".", b".."):
                place = place.rpartition(b"\0")[0] if name == b".." else place
                continue
            parent, place = place, b"%b\0%b" % (place, name)
            found = self._row(place)
            if found is not None and found[0] == SYMLINK and found[8] and links < _LINKS:
                links += 1
                names += found[8].split(b"/")[::-1]
                place = b"" if found[8].startswith(b"/") else parent
            elif make and (found is None or found[0] != DIRECTORY):
                self._make_implicit(place)
            if make and not links:
                self._remember(place, place)
        if make:
            self._remember(key, place)
        return place

    def _known_part(self, key: bytes) -> tuple[bytes, list[bytes]]:
        """The longest part of a path that is remembered, and the names behind it, last first."""
        if b"" not in self._folders:
            self._make_implicit(b"")
            self._remember(b"", b"")
        names = []
        while key not in self._folders:
            key, _, name = key.rpartition(b"\0")
            names.append(name)
        return key, names

    def _make_implicit(self, place: bytes) -> None:
        self._implicit += len(place)
        if self._implicit > _IMPLICIT_PATHS:
            raise LayerInvalid("the layer has too many paths through directories that it does not have")
        self._make_room(place, DIRECTORY)
        self._store(place, _IMPLICIT)

    def _count_step(self) -> None:
        self._steps += 1
        if self._steps > _STEPS:
            raise LayerInvalid("the layer has too many paths through too many directories or links")

    def _remember(self, key: bytes, place: bytes) -> None:
        self._remembered += len(key)
        if self._remembered > _REMEMBERED:
            self._forget()
        self._folders[key] = place

    def _forget(self) -> None:
        self._remembered = 0
        self._folders = {b"": b""}


def _key(item: tuple[bytes, Staged]) -> bytes:
    return item[0]


def _raw_digest(entry: Entry) -> bytes | None:
    return bytes.fromhex(entry.digest.removeprefix("sha256:")) if entry.digest else None


def _sparse(entry: Entry) -> str | None:
    return json.dumps(entry.sparse, separators=(",", ":")) if entry.sparse else None
