"""The rows of a few layers, directory by directory, as `overlay.py` puts them together."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from orlop.contents.schema import DIRECTORY
from orlop.contents.stopping import heed

Row = tuple[Any, ...]
"""path_id, kind, implicit, name; of FULL also size, mode, uid, gid, mtime, digest, link, offset, sparse."""

LEAN = "e.path_id, e.kind, e.implicit, n.name"
FULL = f"{LEAN}, e.size, e.mode, e.uid, e.gid, e.mtime, e.digest, e.link, e.offset, e.sparse"

LARGE = 16_384
"""Rows of a directory that are held in memory; of one with more they come in order, sorted on disk if need be."""

NOWHERE = -1
"""No path has this id."""

_JOINED = "CROSS JOIN paths p ON p.id = {0}.path_id CROSS JOIN names n ON n.id = p.name_id"


_PART = 2_000

Said = tuple[Any, ...]
"""A name; the place of the source that says it; whether it is a row; the layer; then the row, or of what is no row
whether only what is below goes."""


class TooLarge(Exception):
    """A directory of which the rows do not come at once."""


class RowReader:
    """Layers are named by their places in the chain."""

    def __init__(self, connection: sqlite3.Connection, layers: Sequence[int]) -> None:
        """`layers`: their ids, base first."""
        self._connection = connection
        self._layers = layers
        # Most layers have no whiteouts, and need not be asked about each directory.
        self._with_whiteouts = {
            layer
            for (layer,) in connection.execute(
                "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM whiteouts WHERE layer_id = value)",
                (json.dumps(list(layers)),),
            )
        }

    def entries_in(self, layer: int, parent_id: int, columns: str) -> list[Row]:
        """All that the layer has in a directory. TooLarge."""
        return _few(
            self._connection.execute(
                f"SELECT {columns} FROM entries e {_JOINED.format('e')} WHERE e.layer_id = ? AND e.parent_id = ?",
                (self._layers[layer], parent_id),
            )
        )

    def full(self, layer: int, row: Row) -> Row | None:
        """The same row with all columns."""
        path_id, kind, _, name = row[:4]
        # Left to itself, SQLite goes through all of the layer.
        found: Row | None = self._connection.execute(
            f"SELECT {FULL.replace('n.name', '?')} FROM entries e INDEXED BY entries_by_path"
            " WHERE e.path_id = ? AND e.kind = ? AND e.layer_id = ?",
            (name, path_id, kind, self._layers[layer]),
        ).fetchone()
        return found

    def whiteouts_in(self, layer: int, parent_id: int) -> list[tuple[bytes, int]]:
        """All that the layer takes away in a directory: names, and whether it is only what is below. TooLarge."""
        if self._layers[layer] not in self._with_whiteouts:
            return []
        return _few(
            self._connection.execute(
                f"SELECT n.name, w.opaque FROM whiteouts w {_JOINED.format('w')}"
                " WHERE w.layer_id = ? AND w.parent_id = ?",
                (self._layers[layer], parent_id),
            )
        )

    def in_order(self, sources: Sequence[tuple[int, int]], columns: str, after: bytes) -> Iterator[list[Said]]:
        """What layers say of what is in a directory, by name, from the first name behind `after`.

        `sources`: layers, lowest first, and under which path. It comes in parts, none of which ends within a name.
        Memory is bounded, however many names there are.
        """
        known = json.dumps([(layer, self._layers[layer], path_id) for layer, path_id in sources])
        each = "FROM json_each(?1) j CROSS JOIN {0} {1} ON {1}.layer_id = j.value->>1 AND {1}.parent_id = j.value->>2"
        behind = "n.name > ?2" if after else "?2 IS ?2"  # what holds `/` has an empty name in it
        taken_away = ", ".join(["w.opaque", *["NULL"] * columns.count(",")])
        cursor = self._connection.execute(
            f"SELECT n.name, j.key, 1, j.value->>0, {columns} {each.format('entries', 'e')} {_JOINED.format('e')}"
            f" WHERE {behind} UNION ALL SELECT n.name, j.key, 0, j.value->>0, {taken_away}"
            f" {each.format('whiteouts', 'w')} {_JOINED.format('w')} WHERE {behind} ORDER BY 1, 2",
            (known, after),
        )
        part: list[Said] = []
        while some := cursor.fetchmany(_PART):
            heed()
            part += some
            last = part[-1][0]
            end = next((place for place in range(len(part), 0, -1) if part[place - 1][0] != last), 0)
            if end:
                yield part[:end]
                part = part[end:]
        if part:
            yield part

    def path_id(self, parent_id: int, name: bytes) -> int:
        """NOWHERE where no layer has it."""
        found = self._connection.execute(
            "SELECT p.id FROM names n CROSS JOIN paths p ON p.parent = ? AND p.name_id = n.id WHERE n.name = ?",
            (parent_id, name),
        ).fetchone()
        return found[0] if found else NOWHERE

    def entries_at(self, parent_id: int, path_id: int, name: bytes, layers: Sequence[int]) -> Iterator[tuple[int, Row]]:
        """What each of the layers has at one path: FULL rows."""
        columns = FULL.replace("n.name", "?")
        by_id = {self._layers[layer]: layer for layer in layers}
        for layer, *row in self._connection.execute(
            f"SELECT e.layer_id, {columns} FROM entries e"
            f" WHERE e.layer_id IN ({_marks(by_id)}) AND e.parent_id = ? AND e.path_id = ?",
            (name, *by_id, parent_id, path_id),
        ):
            yield by_id[layer], tuple(row)

    def whiteouts_at(self, parent_id: int, path_id: int, layers: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Which of the layers take away what is at one path, and whether it is only what is below."""
        by_id = {self._layers[layer]: layer for layer in layers if self._layers[layer] in self._with_whiteouts}
        if by_id:
            for layer, opaque in self._connection.execute(
                f"SELECT layer_id, opaque FROM whiteouts WHERE layer_id IN ({_marks(by_id)})"
                " AND parent_id = ? AND path_id = ?",
                (*by_id, parent_id, path_id),
            ):
                yield by_id[layer], opaque


def implicit_directory(name: bytes, path_id: int) -> Row:
    """As if a layer named it only as part of longer paths."""
    return (path_id, DIRECTORY, 1, name, 0, 0o755, 0, 0, 0, None, None, -1, None)


def _few(rows: sqlite3.Cursor) -> list[Any]:
    heed()
    found = rows.fetchmany(LARGE + 1)
    if len(found) > LARGE:
        rows.close()
        raise TooLarge
    return found


def _marks(values: dict[int, int]) -> str:
    return ",".join("?" * len(values))
