"""Paths that are like what is wanted, in a fixed order that goes on from any place: in whatever image they are."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from orlop.contents.schema import ROOT
from orlop.contents.wanted import Part, Wanted

TICK = 256
"""Paths that are looked at in vain until word is given that there is still nothing."""
COUNTED = 2000
"""Names up to which they are counted: the rarest is begun with."""
REMEMBERED = 50_000
"""Directories."""

ALL = 1 << 62
"""A group behind all others."""

_MATCHING = """
SELECT s.rowid, n.name FROM name_search s CROSS JOIN names n ON n.id = s.rowid
WHERE s.name_search MATCH ? AND s.rowid >= ? ORDER BY s.rowid
"""
_COUNT_NAMES = "SELECT count(*) FROM (SELECT rowid FROM name_search WHERE name_search MATCH ? LIMIT ?)"
_COUNT_PATHS = """
SELECT count(*) FROM (
    SELECT p.id FROM names n CROSS JOIN paths p ON p.name_id = n.id WHERE n.name = ? LIMIT ?
)
"""
_CHILDREN = """
SELECT p.id, p.name_id, n.name FROM paths p CROSS JOIN names n ON n.id = p.name_id
WHERE p.parent = ? AND p.name_id >= ? ORDER BY p.name_id
"""
_CHILDREN_IN = """
SELECT DISTINCT p.id, p.name_id, n.name FROM json_each(?) j
CROSS JOIN entries e ON e.layer_id = j.value AND e.parent_id = ?
CROSS JOIN paths p ON p.id = e.path_id CROSS JOIN names n ON n.id = p.name_id
WHERE p.name_id >= ? ORDER BY p.name_id
"""
_CHILD = "SELECT p.id, p.name_id FROM names n CROSS JOIN paths p ON p.parent = ? AND p.name_id = n.id WHERE n.name = ?"
_PARENT = "SELECT p.parent, n.name FROM paths p CROSS JOIN names n ON n.id = p.name_id WHERE p.id = ?"
_IN_LAYERS = """
SELECT DISTINCT p.name_id, p.id, p.parent, n.name FROM json_each(?) j CROSS JOIN entries e ON e.layer_id = j.value
CROSS JOIN paths p ON p.id = e.path_id CROSS JOIN names n ON n.id = p.name_id
WHERE CAST(n.name AS TEXT) LIKE ? ESCAPE '!'
"""


class Position(NamedTuple):
    """A place in a search: the path that is told next, or was told of in part."""

    seed: int = -1
    """Which of the parts is looked for by the index; -1: not decided yet."""
    phase: int = 0
    name: int = 0
    path: int = 0
    below: tuple[int, ...] = ()
    """From `path` down, the ids of names."""
    group: int = 0
    """Up to which of the path's groups all was told; ALL: of the whole path."""


Candidate = tuple[Position, int | None]
"""A path, and where it is; without a path only where the search is."""


def candidates(
    connection: sqlite3.Connection, wanted: Wanted, position: Position, layers: Collection[int] | None
) -> Iterator[Candidate]:
    """From the path at `position` on, with that one. `layers`: where given, nothing but these is looked at."""
    if wanted.digest is not None:
        return _with_content(connection, wanted.digest, position, layers)
    return _Search(connection, wanted, layers).run(position)


def _with_content(
    connection: sqlite3.Connection, digest: bytes, position: Position, layers: Collection[int] | None
) -> Iterator[Candidate]:
    only = "" if layers is None else "AND layer_id IN (SELECT value FROM json_each(?3))"
    found = connection.execute(
        f"SELECT DISTINCT path_id FROM entries WHERE digest = ?1 AND path_id >= ?2 {only} ORDER BY path_id",
        (digest, position.path) if layers is None else (digest, position.path, json.dumps(list(layers))),
    )
    for (path_id,) in found:
        yield Position(0, 0, 0, path_id), path_id


class _Search:
    def __init__(self, connection: sqlite3.Connection, wanted: Wanted, layers: Collection[int] | None) -> None:
        self._connection = connection
        self._layers = None if layers is None else json.dumps(sorted(layers))
        self._parts = wanted.parts
        self._anchored = wanted.anchored
        self._known: dict[int, tuple[int, bytes]] = {}

    def run(self, position: Position) -> Iterator[Candidate]:
        if self._anchored and self._parts[0].exact is not None:
            return self._down(Position(0, 0, 0, ROOT), ROOT, self._parts, position.below)
        if self._layers is not None:
            return self._from_layers(position, self._layers)
        return self._from_names(position if position.seed >= 0 else position._replace(seed=self._rarest()))

    def _from_layers(self, position: Position, layers: str) -> Iterator[Candidate]:
        """Looks at all that these layers hold. It takes the same time whatever else there is."""
        last = len(self._parts) - 1
        rows = self._connection.execute(_IN_LAYERS, (layers, _like(self._parts[last])))
        very = _very(self._parts[last])
        found = sorted(
            (int(name != very), name_id, path_id)
            for name_id, path_id, parent, name in rows
            if self._parts[last].fits(name) and self._is_below(parent, last)
        )
        for place in found:
            if place >= position[1:4]:
                yield Position(last, *place), place[2]

    def _rarest(self) -> int:
        """The part with which to begin; of equals the last, as below it there is nothing left to look for."""
        counts = []
        for number, part in enumerate(self._parts):
            if part.exact is not None:
                counts.append((self._count(_COUNT_PATHS, part.exact), -number))
            elif part.literal:
                counts.append((self._count(_COUNT_NAMES, phrase(part.literal)), -number))
        return -min(counts)[1]

    def _count(self, statement: str, wanted: bytes | str) -> int:
        return int(self._connection.execute(statement, (wanted, COUNTED)).fetchone()[0])

    def _from_names(self, position: Position) -> Iterator[Candidate]:
        seed = position.seed
        vain = 0
        for phase, name_id, fits in self._names(self._parts[seed], position):
            if not fits:
                vain += 1
                if vain % TICK == 0:
                    yield Position(seed, phase, name_id), None
                continue
            here = (phase, name_id) == (position.phase, position.name)
            paths = self._connection.execute(
                "SELECT id, parent FROM paths WHERE name_id = ? AND id >= ? ORDER BY id",
                (name_id, position.path if here else 0),
            )
            for path_id, parent in paths:
                at = Position(seed, phase, name_id, path_id)
                if self._is_below(parent, seed):
                    resumed = position.below if here and path_id == position.path else ()
                    yield from self._down(at, path_id, self._parts[seed + 1 :], resumed)
                    continue
                vain += 1
                if vain % TICK == 0:
                    yield at, None

    def _names(self, part: Part, position: Position) -> Iterator[tuple[int, int, bool]]:
        """Phases and ids, and whether they fit: first the very text, then what holds it."""
        very = _very(part)
        row = self._connection.execute("SELECT id FROM names WHERE name = ?", (very,)).fetchone()
        exact = row[0] if row else 0
        if exact and position.phase == 0 and part.fits(very):
            yield 0, exact, True
        if part.exact is not None:
            return
        least = position.name if position.phase == 1 else 0
        for name_id, name in self._connection.execute(_MATCHING, (phrase(part.literal), least)):
            yield 1, name_id, name_id != exact and part.fits(name)

    def _is_below(self, parent: int, count: int) -> bool:
        """Whether the names above are like the first `count` parts."""
        for part in reversed(self._parts[:count]):
            if parent in (0, ROOT):
                return False
            above, name = self._above(parent)
            if not part.fits(name):
                return False
            parent = above
        return parent == ROOT or not self._anchored

    def _above(self, path_id: int) -> tuple[int, bytes]:
        known = self._known.get(path_id)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[path_id] = self._connection.execute(_PARENT, (path_id,)).fetchone()
        return known

    def _down(self, at: Position, path_id: int, parts: Sequence[Part], resumed: tuple[int, ...]) -> Iterator[Candidate]:
        """What is below a path, by these names."""
        if not parts:
            yield at, path_id
            return
        vain = 0
        for child, name_id in self._children(path_id, parts[0], resumed[0] if resumed else 0):
            here = at._replace(below=(*at.below, name_id))
            if child is None:
                vain += 1
                if vain % TICK == 0:
                    yield here, None
                continue
            yield from self._down(here, child, parts[1:], resumed[1:] if resumed[:1] == (name_id,) else ())

    def _children(self, path_id: int, part: Part, least: int) -> Iterator[tuple[int | None, int]]:
        """Paths and names; without a path, one that does not fit."""
        if part.exact is not None:
            found = self._connection.execute(_CHILD, (path_id, part.exact)).fetchone()
            if found and found[1] >= least:
                yield found
            return
        if self._layers is None:
            found = self._connection.execute(_CHILDREN, (path_id, least))
        else:
            found = self._connection.execute(_CHILDREN_IN, (self._layers, path_id, least))
        for child, name_id, name in found:
            yield child if part.fits(name) else None, name_id


def _very(part: Part) -> bytes:
    """The name that is told of before others that fit."""
    return part.exact if part.exact is not None else part.literal.strip("/").encode(errors="replace")


def phrase(text: str) -> str:
    """In the terms of the search table: names that hold this text."""
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _like(part: Part) -> str:
    """For a first choice: what fits is like that."""
    text = part.literal if part.exact is None else f"/{part.exact.decode(errors='replace')}/"
    if not text.isascii():
        return "%"
    for wildcard in "!%_":
        text = text.replace(wildcard, f"!{wildcard}")
    return f"%{text}%".replace("%/", "").replace("/%", "")
