"""What one image holds: its layers over one another, found in their rows as it is asked for.

Each directory is put together from the layers that say something of it, from the base up:

- A whiteout takes away what lower layers have at its path; an opaque mark all that they have below it. Neither touches
  what its own layer brings.
- A directory over a directory keeps what is below; anything else over anything hides all of it.
- A directory that a layer names only as part of longer paths (`implicit`) has no attributes to give.
- Where such a directory lies over a symbolic link, what is in it goes where the link points to (`grafts.py`).
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import itemgetter

from orlop.contents.grafts import Grafts, grafts_of
from orlop.contents.history import history
from orlop.contents.live import Live, Source, Whiteout, by_name, by_path, path_order
from orlop.contents.node import Node, Seen, node_of
from orlop.contents.rows import FULL, LARGE, LEAN, NOWHERE, Row, RowReader, Said, TooLarge, implicit_directory
from orlop.contents.schema import DIRECTORY, HARDLINK, KINDS, SYMLINK
from orlop.domain.errors import FileUnknown, LinkLoop

__all__ = ["Node", "Overlay", "Seen"]

LINKS = 40
"""As many symbolic links on one way as Linux follows."""
STEPS = 4096
"""Names on one way, with those in links: each costs a look-up."""

DEEPEST = 1 << 20
"""More levels than any path has."""

_NONE: list[Source] = []
"""The sources of what is no directory: one list for all, never changed."""


class Overlay:
    """Paths are absolute and in bytes. Who reads more than one thing wants one snapshot for all (`Index.reading`)."""

    def __init__(self, connection: sqlite3.Connection, layers: Sequence[int], grafts: Grafts | None = None) -> None:
        """`layers`: their ids in the index, base first. `grafts`: only where they are just being looked for."""
        self.connection = connection
        self.layers = tuple(layers)
        self.rows = RowReader(connection, self.layers)
        self.grafts = grafts_of(connection, self.layers, self._place) if grafts is None else grafts

    def lookup(self, path: bytes) -> Node | None:
        """What is at that path; no links are followed."""
        live = self._find(path)
        return None if live is None else node_of(live.path, live.layer, live.row)

    def resolve(self, path: bytes) -> Node:
        """What is at that path when links are followed, as a process in the image would find it.

        `..` stops at the root. FileUnknown, LinkLoop (more than 40 links).
        """
        live = self._resolve(path)
        return node_of(live.path, live.layer, live.row)

    def children(self, path: bytes, after: bytes = b"", count: int | None = None) -> list[Node]:
        """Of a directory, in byte order of names, from the first name behind `after`. FileUnknown: it is none."""
        directory = self.directory(path)
        # Most of the time goes into all columns of all rows: for a page, few are needed.
        columns = FULL if count is None else LEAN
        page = islice(self.below(directory, columns, after), count)
        return [node_of(live.path, live.layer, live.row if columns is FULL else self._full(live)) for live in page]

    def content(self, node: Node) -> Node:
        """The node that has the bytes of `node`: of a hard link the file it is a link to, else itself. FileUnknown."""
        if node.kind != KINDS[HARDLINK] or node.digest is not None:
            return node
        lower = Overlay(self.connection, self.layers[: node.layer])
        live = lower._resolve(node.link or b"", last=False)
        if live.is_directory:
            raise FileUnknown
        return lower.content(node_of(live.path, live.layer, live.row))

    def walk(self, path: bytes = b"/") -> Iterator[Node]:
        """All below a directory, each before what is below it, in byte order of names. FileUnknown: it is none."""
        top = self.directory(path)
        return (node_of(live.path, live.layer, live.row) for live in self.descend(top, by_name))

    def history(self) -> Iterator[Seen]:
        """All but directories that any layer brings, in no order."""
        return history(self, self._above())

    def root(self) -> Live:
        """`/`, also where no layer names it."""
        live = self._one(self._above(), b"")
        if live is None or not live.is_directory:
            return Live(b"/", 0, implicit_directory(b"", NOWHERE), [])
        return live

    def _above(self) -> Live:
        """What holds `/`, under an empty name."""
        return Live(b"", 0, implicit_directory(b"", 0), [Source(layer, 0) for layer in range(len(self.layers))])

    def below(self, directory: Live, columns: str = FULL, after: bytes = b"") -> Iterator[Live]:
        """What is directly in a directory, in byte order of names, from the first name behind `after`."""
        found: dict[bytes, Live] = {}
        try:
            for layer, rows, whiteouts in self.said(directory, columns):
                self._lay(found, directory.stem, layer, rows, whiteouts)
        except TooLarge:
            return self._part_by_part(directory, columns, after)
        return iter([found[name] for name in sorted(name for name in found if name > after)])

    def child(self, directory: Live, name: bytes) -> Live | None:
        """What is in a directory under that name."""
        return self._one(directory, name)

    def _part_by_part(self, directory: Live, columns: str, after: bytes) -> Iterator[Live]:
        """`below` of a directory of any size."""
        for part in self.said_in_parts(directory, columns, after):
            found: dict[bytes, Live] = {}
            for layer, rows, whiteouts in part:
                self._lay(found, directory.stem, layer, rows, whiteouts)
            yield from (found[name] for name in sorted(found))

    def said_in_parts(
        self, directory: Live, columns: str, after: bytes = b""
    ) -> Iterator[Iterator[tuple[int, list[Row], list[Whiteout]]]]:
        """`said` of a directory of any size, for some names after the others."""
        grafted = sorted(self._grafted(directory, after), key=itemgetter(0), reverse=True)
        for part in self.rows.in_order(directory.sources, columns, after):
            last = part[-1][0]
            while grafted and grafted[-1][0] <= last:
                part.append(grafted.pop())
            yield _by_layer(part)
        if grafted:
            yield _by_layer(grafted)

    def _grafted(self, directory: Live, after: bytes) -> Iterator[Said]:
        for layer in dict.fromkeys(source.layer for source in directory.sources) if self.grafts else ():
            for row in self.grafts.rows_in(directory.path, layer):
                if row[3] > after or not after:
                    yield (row[3], 0, 1, layer, *row)
            for name, opaque in self.grafts.opaque_in(directory.path, layer):
                if name > after or not after:
                    yield name, 0, 0, layer, opaque

    def said(self, directory: Live, columns: str) -> Iterator[tuple[int, list[Row], list[Whiteout]]]:
        """What each layer says of a directory, lowest first. TooLarge: it is not to be told at once."""
        count = 0
        for layer, same in groupby(directory.sources, key=itemgetter(0)):
            rows: list[Row] = []
            whiteouts: list[Whiteout] = []
            for _, path_id in same:
                rows += self.rows.entries_in(layer, path_id, columns)
                whiteouts += self.rows.whiteouts_in(layer, path_id)
            count += len(rows) + len(whiteouts)
            if count > LARGE:
                raise TooLarge
            if self.grafts:
                rows += self.grafts.rows_in(directory.path, layer)
                whiteouts += self.grafts.opaque_in(directory.path, layer)
            yield layer, rows, whiteouts

    def descend(
        self,
        top: Live,
        key: Callable[[Live], bytes],
        columns: str = FULL,
        after: Sequence[bytes] = (),
        depth: int = DEEPEST,
    ) -> Iterator[Live]:
        """All below a directory, each before what is below it; the children of each in the order of `key`, which is
        `by_name` or `by_path`.

        `after`: the names that lead to what was seen last, which need not be there any more; only in the order of
        names. `depth`: how many levels. The way to a directory is gone once, however deep it is.
        """
        stack = self._behind(top, key, columns, after)[:depth]
        while stack:
            live = next(stack[-1], None)
            if live is None:
                stack.pop()
                continue
            yield live
            if live.is_directory and len(stack) < depth:
                stack.append(self._ordered(live, key, columns))

    def _ordered(self, live: Live, key: Callable[[Live], bytes], columns: str, after: bytes = b"") -> Iterator[Live]:
        found = self.below(live, columns, after)
        return path_order(found) if key is by_path else found

    def _behind(
        self, top: Live, key: Callable[[Live], bytes], columns: str, after: Sequence[bytes]
    ) -> list[Iterator[Live]]:
        """For each directory on the way, what is still to come."""
        stack: list[Iterator[Live]] = []
        live: Live | None = top
        for name in after:
            if live is None or not live.is_directory:
                return stack
            stack.append(self._ordered(live, key, columns, name))
            live = self._one(live, name)
        if live is not None and live.is_directory:
            stack.append(self._ordered(live, key, columns))
        return stack

    def directory(self, path: bytes) -> Live:
        """The directory at that path; no links are followed. FileUnknown: it is none."""
        found = self._find(path)
        if found is None or not found.is_directory:
            raise FileUnknown("the image has no such directory")
        return found

    def _find(self, path: bytes) -> Live | None:
        live: Live | None = self.root()
        for name in path.split(b"/"):
            if name and live is not None:
                live = self._one(live, name) if live.is_directory else None
        return live

    def _resolve(self, path: bytes, *, last: bool = True, make: bool = False) -> Live:
        """`last`: a link at the very end is followed, too. `make`: what is not there is thought to be a directory."""
        way = [self.root()]
        names = path.split(b"/")[::-1]
        links = steps = 0
        while names:
            name = names.pop()
            steps += 1
            if links > LINKS or steps > STEPS:
                raise LinkLoop
            here = way[-1]
            if not here.is_directory:
                raise FileUnknown
            if name == b"..":
                del way[max(1, len(way) - 1) :]
            if name in (b"", b".", b".."):
                continue
            live = self._one(here, name)
            if live is None and make:
                live = Live(b"%b/%b" % (here.stem, name), 0, implicit_directory(name, NOWHERE), [])
            if live is None:
                raise FileUnknown
            if live.row[1] != SYMLINK or not (last or any(names)):
                way.append(live)
                continue
            links += 1
            target: bytes = live.row[10] or b""
            if not target:
                raise FileUnknown
            names += target.split(b"/")[::-1]
            if target.startswith(b"/"):
                del way[1:]
        return way[-1]

    def _full(self, live: Live) -> Row:
        """All columns of a row that was read without most."""
        return self.rows.full(live.layer, live.row) or implicit_directory(by_name(live), NOWHERE)

    def _place(self, layer: int, grafts: Grafts, path: bytes) -> bytes | None:
        """See `grafts.Place`."""
        lower = Overlay(self.connection, self.layers[:layer], grafts)
        found = lower._find(path)
        if found is None or found.row[1] != SYMLINK:
            return None
        try:
            target = lower._resolve(path, make=True)
        except FileUnknown:
            return None
        return target.path if target.is_directory else None

    def _one(self, directory: Live, name: bytes) -> Live | None:
        """`below` of one name."""
        sources = directory.sources
        rows: dict[int, list[Row]] = {}
        whiteouts: dict[int, list[Whiteout]] = {}
        for parent_id in {source.path_id for source in sources}:
            path_id = self.rows.path_id(parent_id, name)
            layers = [source.layer for source in sources if source.path_id == parent_id]
            for layer, row in self.rows.entries_at(parent_id, path_id, name, layers):
                rows.setdefault(layer, []).append(row)
            for layer, opaque in self.rows.whiteouts_at(parent_id, path_id, layers):
                whiteouts.setdefault(layer, []).append((name, opaque))
        for layer, row in self.grafts.rows_at(directory.path, name):
            if any(source.layer == layer for source in sources):
                rows.setdefault(layer, []).append(row)
                whiteouts.setdefault(layer, []).extend(self.grafts.opaque_in(directory.path, layer))
        found: dict[bytes, Live] = {}
        for layer in sorted(rows.keys() | whiteouts.keys()):
            self._lay(found, directory.stem, layer, rows.get(layer, []), whiteouts.get(layer, []))
        return found.get(name)

    def _lay(
        self, found: dict[bytes, Live], stem: bytes, layer: int, rows: list[Row], whiteouts: list[Whiteout]
    ) -> None:
        """Lays what one layer says of a directory over what the lower ones made of it."""
        for name, opaque in whiteouts:
            if not opaque:
                found.pop(name, None)
            elif name in found:
                found[name].sources = []
        prefix = stem + b"/"
        for row in rows:
            path_id, kind, implicit, name = row[:4]
            if kind != DIRECTORY:
                found[name] = Live(prefix + name, layer, row, _NONE)
                continue
            under = found.get(name)
            if under is not None and under.row[1] == DIRECTORY:
                under.sources.append(Source(layer, path_id))
                if not implicit:
                    under.layer, under.row = layer, row
            elif under is None or not implicit or not self.grafts.is_moved(layer, path_id):
                found[name] = Live(prefix + name, layer, row, [Source(layer, path_id)])


def _by_layer(part: Iterable[Said]) -> Iterator[tuple[int, list[Row], list[Whiteout]]]:
    layers: dict[int, tuple[list[Row], list[Whiteout]]] = {}
    for said in part:
        rows, whiteouts = layers.setdefault(said[3], ([], []))
        if said[2]:
            rows.append(said[4:])
        else:
            whiteouts.append((said[0], said[4]))
    return ((layer, *layers[layer]) for layer in sorted(layers))
