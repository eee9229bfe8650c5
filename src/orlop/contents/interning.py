"""Names and paths are in the index once, whatever the number of layers that have them."""

import sqlite3

from orlop.contents.schema import ROOT

_NAMES = 8 << 20
"""Bytes of the names that are remembered, with 64 for each."""
_NEW = 5000
"""How many new rows are written together, and told to the search: long names are few."""


class Interner:
    """Within one transaction, so that it gives the ids itself. `staging.py` says what a key is."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._names: dict[bytes, int] = {}
        self._remembered = 0
        self._new_names: list[tuple[int, bytes]] = []
        self._new_paths: list[tuple[int, int, int]] = []
        self._next_name: int
        self._next_path: int
        (self._next_name,) = connection.execute("SELECT max(id) + 1 FROM names").fetchone()
        (self._next_path,) = connection.execute("SELECT max(id) + 1 FROM paths").fetchone()
        self._first_path = self._next_path
        """What is below this one or a later one is new."""
        self._way: list[tuple[bytes, int]] = [(b"", ROOT)]

    def path(self, key: bytes) -> tuple[int, int]:
        """The ids of its directory (0 for `/`) and of the path itself, which are made where they are new.

        Keys come in order from one `flush` to the next.
        """
        if not key:
            return 0, ROOT
        way = self._way
        if key == way[-1][0]:
            return way[-2][1], way[-1][1]
        while not key.startswith(way[-1][0] + b"\0"):
            way.pop()
        place = way[-1][0]
        for name in key[len(place) + 1 :].split(b"\0"):
            place = b"%b\0%b" % (place, name)
            way.append((place, self._path(way[-1][1], self._name(name))))
        return way[-2][1], way[-1][1]

    def flush(self) -> None:
        """Writes what is new."""
        self._flush_paths()
        self._flush_names()
        self._first_path = self._next_path

    def _flush_paths(self) -> None:
        self._connection.executemany("INSERT INTO paths (id, parent, name_id) VALUES (?, ?, ?)", self._new_paths)
        self._new_paths.clear()

    def _flush_names(self) -> None:
        self._connection.executemany("INSERT INTO names (id, name) VALUES (?, ?)", self._new_names)
        self._connection.executemany(
            "INSERT INTO name_search (rowid, name) VALUES (?, ?)",
            ((name_id, searchable(name)) for name_id, name in self._new_names),
        )
        self._new_names.clear()

    def _path(self, parent: int, name_id: int) -> int:
        if parent < self._first_path:  # else all below it is new as well
            found = self._connection.execute(
                "SELECT id FROM paths WHERE parent = ? AND name_id = ?", (parent, name_id)
            ).fetchone()
            if found:
                return int(found[0])
        path_id = self._next_path
        self._next_path += 1
        self._new_paths.append((path_id, parent, name_id))
        if len(self._new_paths) >= _NEW:
            self._flush_paths()
            self._flush_names()
        return path_id

    def _name(self, name: bytes) -> int:
        known = self._names.get(name)
        if known is not None:
            return known
        found = self._connection.execute("SELECT id FROM names WHERE name = ?", (name,)).fetchone()
        if found:
            name_id = int(found[0])
        else:
            name_id = self._next_name
            self._next_name += 1
            self._new_names.append((name_id, name))
        self._remembered += len(name) + 64
        if self._remembered > _NAMES:
            self._remembered = 0
            self._names.clear()
            self._flush_names()
        self._names[name] = name_id
        return name_id


def searchable(name: bytes) -> str:
    """The text by which a name is found: between slashes, so that its beginning and its end can be looked for."""
    return f"/{name.decode(errors='replace')}/"
