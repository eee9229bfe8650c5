"""Names and paths are in the index once, whatever the number of layers that have them."""

import sqlite3

from orlop.contents.schema import ROOT

_NAMES = 8 << 20
"""Bytes of the names that are remembered."""
_NEW = 1000
"""How many new ones are told to the search at a time."""


class Interner:
    """Within one transaction. Quickest where paths come in order: `staging.py` says what a key is."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._names: dict[bytes, int] = {}
        self._remembered = 0
        self._new: list[tuple[int, str]] = []
        self._way: list[tuple[bytes, int]] = [(b"", ROOT)]

    def path(self, key: bytes) -> tuple[int, int]:
        """The ids of its directory (0 for `/`) and of the path itself, which are made where they are new."""
        if not key:
            return 0, ROOT
        while not key.startswith(self._way[-1][0] + b"\0"):
            self._way.pop()
        place = self._way[-1][0]
        for name in key[len(place) + 1 :].split(b"\0"):
            place = b"%b\0%b" % (place, name)
            self._way.append((place, self._path(self._way[-1][1], self._name(name))))
        return self._way[-2][1], self._way[-1][1]

    def flush(self) -> None:
        """To be called at the end."""
        self._connection.executemany("INSERT INTO name_search (rowid, name) VALUES (?, ?)", self._new)
        self._new.clear()

    def _path(self, parent: int, name_id: int) -> int:
        found = self._connection.execute(
            "SELECT id FROM paths WHERE parent = ? AND name_id = ?", (parent, name_id)
        ).fetchone()
        if found:
            return int(found[0])
        return _made(self._connection.execute("INSERT INTO paths (parent, name_id) VALUES (?, ?)", (parent, name_id)))

    def _name(self, name: bytes) -> int:
        known = self._names.get(name)
        if known is not None:
            return known
        found = self._connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
        if found:
            name_id = int(found[0])
        else:
            name_id = _made(self._connection.execute("INSERT INTO names (name) VALUES (?)", (name,)))
            self._new.append((name_id, searchable(name)))
            if len(self._new) >= _NEW:
                self.flush()
        self._remembered += len(name)
        if self._remembered > _NAMES:
            self._remembered = 0
            self._names.clear()
        self._names[name] = name_id
        return name_id


def searchable(name: bytes) -> str:
    """The text by which a name is found."""
    return name.decode(errors="replace")


def _made(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None
    return cursor.lastrowid
