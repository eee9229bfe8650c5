"""Directories of one layer that lower layers have as symbolic links.

A layer may hold `lib/x` without an entry for `lib`, over a layer whose `lib` is a link to `usr/lib`. Whoever unpacks
the one over the other finds the link, follows it, and makes `/usr/lib/x`. A layer's rows know nothing of lower layers:
they say `/lib/x`. So each image finds out what of its layers moves, and where to.

A link below such a directory is not looked for: what is under `lib/y/`, where only `/usr/lib/y` is a link, stays there.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence

from orlop.contents.rows import NOWHERE, Row, implicit_directory

# By far the most images have none.
_CACHED = 1024

_CANDIDATES = """
SELECT c.layer_id, c.path_id, EXISTS (
    SELECT 1 FROM whiteouts w WHERE w.path_id = c.path_id AND w.layer_id = c.layer_id AND w.opaque
)
FROM json_each(?) j CROSS JOIN implicit_links c ON c.layer_id = j.value
ORDER BY j.key, c.path_id
"""

_PATH = """
WITH RECURSIVE up (id, depth) AS (
    SELECT ?, 0 UNION ALL SELECT p.parent, depth + 1 FROM up JOIN paths p ON p.id = up.id WHERE p.parent != 0
)
SELECT n.name FROM up JOIN paths p ON p.id = up.id JOIN names n ON n.id = p.name_id WHERE p.parent != 0
ORDER BY depth DESC
"""

# The layer takes the link away itself, or something on the way to it.
_HIDDEN = """
WITH RECURSIVE up (id, parent) AS (
    SELECT p.id, p.parent FROM paths p WHERE p.id = ?1
    UNION ALL SELECT p.id, p.parent FROM up JOIN paths p ON p.id = up.parent
)
SELECT 1 FROM up JOIN whiteouts w ON w.layer_id = ?2 AND w.parent_id = up.parent AND w.path_id = up.id
WHERE NOT (w.opaque AND up.id = ?1)
"""


class Grafts:
    """Of one image. Layers are named by their places in the chain."""

    def __init__(self) -> None:
        self._moved: set[tuple[int, int]] = set()
        self._rows: dict[bytes, list[tuple[int, Row]]] = {}
        self._opaque: set[tuple[bytes, bytes, int]] = set()

    def __bool__(self) -> bool:
        return bool(self._moved)

    def add(self, layer: int, path_id: int, target: bytes, *, opaque: bool) -> None:
        """What is in the directory of `path_id` in `layer` is at `target`, a path without links.

        `opaque`: the mark of that is in it, too.
        """
        self._moved.add((layer, path_id))
        names = target.split(b"/") if target != b"/" else [b""]
        for depth, name in enumerate(names, 1):
            source = path_id if depth == len(names) else NOWHERE
            parent = b"/".join(names[: depth - 1]) or b"/" * (depth > 1)
            self._rows.setdefault(parent, []).append((layer, implicit_directory(name, source)))
            if opaque and depth == len(names):
                self._opaque.add((parent, name, layer))

    def is_moved(self, layer: int, path_id: int) -> bool:
        return (layer, path_id) in self._moved

    def rows_in(self, parent: bytes, layer: int) -> list[Row]:
        """What the layer has in a directory beyond its own rows: `/` is in an empty path, with an empty name."""
        return [row for place, row in self._rows.get(parent, ()) if place == layer]

    def opaque_in(self, parent: bytes, layer: int) -> list[tuple[bytes, int]]:
        """The names of directories below which the layer takes away all."""
        return [(name, 1) for where, name, place in self._opaque if (where, place) == (parent, layer)]

    def rows_at(self, parent: bytes, name: bytes) -> list[tuple[int, Row]]:
        """The same of all layers at one path."""
        return [(layer, row) for layer, row in self._rows.get(parent, ()) if row[3] == name]


Place = Callable[[int, Grafts, bytes], bytes | None]
"""Where a link leads that is at a path in the image of the layers below one; None where it is none to a directory."""


class _Cache:
    """Layers never change, and an id names one layer of one generation for ever."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, tuple[int, ...]], Grafts] = {}
        self._guard = threading.Lock()

    def of(self, connection: sqlite3.Connection, layers: tuple[int, ...], place: Place) -> Grafts:
        (generation,) = connection.execute("SELECT generation FROM meta").fetchone()
        key = (generation, layers)
        known = self._known.get(key)
        if known is None:
            known = _found(connection, layers, place)
            with self._guard:
                while len(self._known) >= _CACHED:
                    del self._known[next(iter(self._known))]
                self._known[key] = known
        return known


grafts_of = _Cache().of
"""The grafts of an image of these layers; `place` is asked about those that may be some, from the base up."""


def _found(connection: sqlite3.Connection, layers: Sequence[int], place: Place) -> Grafts:
    grafts = Grafts()
    places = {layer: number for number, layer in enumerate(layers)}
    for layer, path_id, opaque in connection.execute(_CANDIDATES, (json.dumps(list(layers)),)).fetchall():
        if connection.execute(_HIDDEN, (path_id, layer)).fetchone():
            continue
        path = b"".join(b"/" + name for (name,) in connection.execute(_PATH, (path_id,)))
        target = place(places[layer], grafts, path)
        if target is not None:
            grafts.add(places[layer], path_id, target, opaque=bool(opaque))
    return grafts
