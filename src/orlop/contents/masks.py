"""What the layers have at some paths, and which layers take away what others have there.

A layer's file is live in an image unless a layer above it, in that image, is among its maskers: such a layer has
something at the same path, or a whiteout of it; or of a directory above it a whiteout, an opaque mark, or something
else in its place.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from orlop.contents.schema import DIRECTORY

_ABOVE = """
WITH RECURSIVE up (origin, id, depth) AS (
    SELECT value, value, 0 FROM json_each(?)
    UNION ALL SELECT origin, p.parent, depth + 1 FROM up CROSS JOIN paths p ON p.id = up.id WHERE p.parent != 0
)
SELECT up.origin, up.id, n.name FROM up CROSS JOIN paths p ON p.id = up.id CROSS JOIN names n ON n.id = p.name_id
ORDER BY up.origin, up.depth
"""
_ROWS = """
SELECT e.path_id, e.layer_id, e.kind, e.implicit, e.size, e.digest, e.link
FROM json_each(?) j CROSS JOIN entries e ON e.path_id = j.value
"""
_OTHERS = """
SELECT e.path_id, e.layer_id FROM json_each(?) j
CROSS JOIN entries e ON e.path_id = j.value AND e.kind IN (0, 2, 3, 4, 5, 6)
"""
_WHITEOUTS = """
SELECT w.path_id, w.layer_id, w.opaque FROM json_each(?) j CROSS JOIN whiteouts w ON w.path_id = j.value
"""


class Row(NamedTuple):
    """What one layer has at a path."""

    path_id: int
    layer: int
    kind: int
    implicit: int
    size: int
    digest: bytes | None
    link: bytes | None


class Masks:
    """Of a few paths, by their ids."""

    def __init__(
        self, connection: sqlite3.Connection, path_ids: Iterable[int], layers: Collection[int] | None = None
    ) -> None:
        """`layers`: where given, no others count."""
        self._connection = connection
        self._layers = None if layers is None else json.dumps(list(layers))
        wanted = json.dumps(list(path_ids))
        self.rows: dict[int, list[Row]] = defaultdict(list)
        for row in self._of_layers(_ROWS, "e", wanted):
            self.rows[row[0]].append(Row(*row))
        self._ways: dict[int, list[int]] = defaultdict(list)
        names: dict[int, list[bytes]] = defaultdict(list)
        for origin, path_id, name in connection.execute(_ABOVE, (wanted,)):
            self._ways[origin].append(path_id)
            names[origin].append(name)
        self.paths = {origin: b"/".join(parts[::-1]) or b"/" for origin, parts in names.items()}
        """Absolute."""
        self._read_masks()

    def _of_layers(self, statement: str, table: str, path_ids: str) -> sqlite3.Cursor:
        if self._layers is None:
            return self._connection.execute(statement, (path_ids,))
        only = f"{statement} WHERE {table}.layer_id IN (SELECT value FROM json_each(?))"
        return self._connection.execute(only, (path_ids, self._layers))

    def _read_masks(self) -> None:
        everywhere = json.dumps(list({path_id for way in self._ways.values() for path_id in way}))
        above = json.dumps(list({path_id for way in self._ways.values() for path_id in way[1:]}))
        self._other: dict[int, set[int]] = defaultdict(set)
        self._gone: dict[int, set[int]] = defaultdict(set)
        self._opaque: dict[int, set[int]] = defaultdict(set)
        for path_id, layer in self._of_layers(_OTHERS, "e", above):
            self._other[path_id].add(layer)
        for path_id, layer, opaque in self._of_layers(_WHITEOUTS, "w", everywhere):
            (self._opaque if opaque else self._gone)[path_id].add(layer)

    def maskers(self, path_id: int, *, of_directory: bool) -> frozenset[int]:
        """The layers over which nothing is left of what lower ones have at the path."""
        found = set(self._gone[path_id])
        for above in self._ways[path_id][1:]:
            found |= self._other[above] | self._gone[above] | self._opaque[above]
        # A directory over a directory adds to it.
        found.update(row.layer for row in self.rows[path_id] if not (of_directory and row.kind == DIRECTORY))
        return frozenset(found)
