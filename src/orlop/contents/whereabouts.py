"""In which images something of a layer is live, of those that the caller may read; and by which tags they are known."""

import json
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from typing import NamedTuple

from orlop.contents.images import READY
from orlop.contents.overlay import Overlay
from orlop.database import manifests, whereabouts
from orlop.database.connection import Connection
from orlop.database.whereabouts import Sighting
from orlop.domain.errors import FileUnknown

MOST_SIGHTINGS = 5000
"""Images of one layer, with their tags, that are looked at."""
ENOUGH_LAYERS = 200
"""Layers with the same file of which is looked where they are, once it was found in some image."""
NAMED = 3
"""Images that are told for one hit."""
REMEMBERED = 20_000
"""Images whose layers are remembered."""

_NUMBERS = re.compile(r"([0-9]{1,18})")

_MAY_MOVE = "SELECT 1 FROM implicit_links WHERE layer_id = ? LIMIT 1"


class Build(NamedTuple):
    """What an image is made of; it never changes."""

    config: str
    """Its digest."""
    layers: tuple[str, ...]
    """The base first."""


class Builds:
    """Of images, by the digests of their manifests. Safe to use from any thread."""

    def __init__(self) -> None:
        self._known: dict[str, Build] = {}
        self._guard = threading.Lock()

    def of(self, connection: Connection, manifest_id: int, digest: str) -> Build:
        known = self._known.get(digest)
        if known is None:
            references = manifests.references(connection, manifest_id)
            config = next((reference.digest for reference in references if reference.kind == "config"), "")
            known = Build(config, tuple(reference.digest for reference in references if reference.kind == "layer"))
            with self._guard:
                while len(self._known) >= REMEMBERED:
                    del self._known[next(iter(self._known))]
                self._known[digest] = known
        return known


class Holder(NamedTuple):
    """An image that can be looked into."""

    manifest_id: int
    repository: str
    digest: str
    platform: str
    build: Build
    layers: tuple[int, ...]
    """In the index, the base first."""
    moves: bool
    """Something of it may be elsewhere than its layer says: see `grafts.py`."""
    tags: tuple[tuple[str, bool], ...]
    """Each with whether it names an index."""


class Named(NamedTuple):
    """An image as a person names it."""

    repository: str
    reference: str
    """A tag; the digest where the image has none."""
    digest: str
    """Of the image's own manifest."""
    platform: str
    """Where the tag names an index; else empty."""

    @property
    def name(self) -> str:
        return f"{self.repository}{'@' if ':' in self.reference else ':'}{self.reference}"


class Known(NamedTuple):
    """A layer that can be looked into."""

    id: int
    """In the index."""
    entries: int


class Shown(NamedTuple):
    """Where something is."""

    images: tuple[Named, ...]
    """A few of them, in order."""
    number: int
    """Of tags; where there are none, of images."""
    more: bool
    """There may be more than were counted."""
    holder: Holder
    """The image that is named first."""
    layer: int
    """From which layer it has it."""
    layers: int
    """How many of the layers that were asked for are among those that images have it from."""


class Whereabouts:
    """For one request, in one snapshot of each database."""

    def __init__(self, main: Connection, contents: sqlite3.Connection, readable: str, builds: Builds) -> None:
        """`readable`: see `Authority.readable`."""
        self.main = main
        self.contents = contents
        self.readable = readable
        self._builds = builds
        self._digests: dict[int, str] = {}
        self._known: dict[str, Known | None] = {}
        self._may_move: dict[int, bool] = {}
        self._of_layer: dict[int, tuple[list[Holder], bool]] = {}
        self._of_manifest: dict[str, tuple[list[Holder], bool]] = {}
        self._decided: dict[tuple[tuple[int, ...], frozenset[int]], _Found] = {}

    def layer(self, digest: str) -> Known | None:
        """None: it is not known, or cannot be looked into."""
        if digest not in self._known:
            row = self.contents.execute("SELECT id, state, entries FROM layers WHERE digest = ?", (digest,)).fetchone()
            self._known[digest] = Known(row[0], row[2]) if row and row[1] == READY else None
        return self._known[digest]

    def digest_of(self, layer: int) -> str:
        known = self._digests.get(layer)
        if known is None:
            (known,) = self.contents.execute("SELECT digest FROM layers WHERE id = ?", (layer,)).fetchone()
            self._digests[layer] = known
        return known

    def of_path(self, path: bytes, layers: Iterable[int], maskers: frozenset[int]) -> Shown | None:
        """The images in which what one of these layers has at a path is live; None where the caller knows of none.

        `maskers`: see `masks.py`.
        """
        return self._live(path, layers, maskers).shown()

    def of_paths(self, found: Iterable[tuple[bytes, Iterable[int], frozenset[int]]]) -> Shown | None:
        """`of_path` for what may be at any of some paths."""
        all_of_them = _Found()
        for path, layers, maskers in found:
            all_of_them.take(self._live(path, layers, maskers))
        return all_of_them.shown()

    def _live(self, path: bytes, layers: Iterable[int], maskers: frozenset[int]) -> "_Found":
        wanted = tuple(sorted(set(layers)))
        # Files of one layer often have the same maskers: none but that layer itself.
        relevant = maskers - {wanted[0]} if len(wanted) == 1 else maskers
        known = self._decided.get((wanted, relevant))
        if known is not None:
            return known
        found = _Found()
        for number, layer in enumerate(wanted):
            holders, more = self._holding(layer)
            for holder in holders:
                found.moves |= holder.moves
                if self._is_live(holder, layer, relevant, path):
                    found.add(holder, layer)
            found.more |= more
            if found.holders and number >= ENOUGH_LAYERS:
                found.more = True
                break
        if not found.moves:
            self._decided[wanted, relevant] = found
        return found

    def of_manifests(self, digests: Iterable[str]) -> Shown | None:
        """The images with these manifests; None where the caller knows of none."""
        found = _Found()
        for number, digest in enumerate(digests):
            if digest not in self._of_manifest:
                sightings = whereabouts.of_manifest(self.main, digest, self.readable, MOST_SIGHTINGS)
                self._of_manifest[digest] = self._holders(sightings, ready=False), len(sightings) == MOST_SIGHTINGS
            holders, more = self._of_manifest[digest]
            for holder in holders:
                found.add(holder, 0)
            found.more |= more
            if found.holders and number >= ENOUGH_LAYERS:
                found.more = True
                break
        return found.shown()

    def _holding(self, layer: int) -> tuple[list[Holder], bool]:
        known = self._of_layer.get(layer)
        if known is None:
            digest = self.digest_of(layer)
            sightings = whereabouts.with_layer(self.main, digest, self.readable, MOST_SIGHTINGS)
            known = self._of_layer[layer] = (
                self._holders(sightings, ready=True),
                len(sightings) == MOST_SIGHTINGS,
            )
        return known

    def _holders(self, sightings: list[Sighting], *, ready: bool) -> list[Holder]:
        """`ready`: only those that can be looked into."""
        tags: dict[int, dict[str, bool]] = {}
        for sighting in sightings:
            told = tags.setdefault(sighting.manifest_id, {})
            if sighting.tag is not None:
                told.setdefault(sighting.tag, sighting.depth > 0)
        return list(self._made({sighting.manifest_id: sighting for sighting in sightings}, tags, ready=ready))

    def _made(
        self, sightings: dict[int, Sighting], tags: dict[int, dict[str, bool]], *, ready: bool
    ) -> Iterator[Holder]:
        for manifest_id, sighting in sightings.items():
            build = self._builds.of(self.main, manifest_id, sighting.digest)
            layers = [self.layer(digest) for digest in build.layers] if ready else []
            if None in layers:
                continue
            known = tuple(layer.id for layer in layers if layer is not None)
            platforms = json.loads(sighting.platforms)
            yield Holder(
                manifest_id,
                sighting.repository,
                sighting.digest,
                platforms[0] if platforms else "",
                build,
                known,
                any(map(self._moves, known)),
                tuple(tags[manifest_id].items()),
            )

    def _moves(self, layer: int) -> bool:
        known = self._may_move.get(layer)
        if known is None:
            known = self._may_move[layer] = self.contents.execute(_MAY_MOVE, (layer,)).fetchone() is not None
        return known

    def _is_live(self, holder: Holder, layer: int, maskers: frozenset[int], path: bytes) -> bool:
        if holder.moves:
            view = Overlay(self.contents, holder.layers)
            if view.grafts:
                return is_in(view, holder.layers, layer, path)
        return is_live(holder.layers, layer, maskers)


def is_live(chain: tuple[int, ...], layer: int, maskers: frozenset[int]) -> bool:
    """Whether no layer above takes away what one has; see `masks.py`."""
    top = len(chain) - 1 - chain[::-1].index(layer)
    return maskers.isdisjoint(chain[top + 1 :])


class _Found:
    """Images, while they are being found."""

    def __init__(self) -> None:
        self.holders: dict[int, tuple[Holder, int]] = {}
        """Each with the layer from which it has what was looked for."""
        self.more = False
        self.moves = False
        self._shown: Shown | None = None

    def add(self, holder: Holder, layer: int) -> None:
        self.holders.setdefault(holder.manifest_id, (holder, layer))

    def take(self, other: "_Found") -> None:
        self.more |= other.more
        for holder, layer in other.holders.values():
            self.add(holder, layer)

    def shown(self) -> Shown | None:
        """To be called when all were found."""
        if self.holders and self._shown is None:
            names = self._tagged() or self._untagged()
            first = [names[key] for key in nsmallest(NAMED, names, key=_in_order)]
            layers = len({layer for _, layer in self.holders.values()})
            self._shown = Shown(
                tuple(named for named, _, _ in first), len(names), self.more, *first[0][1:], layers=layers
            )
        return self._shown

    def _tagged(self) -> dict[tuple[str, str], tuple[Named, Holder, int]]:
        names: dict[tuple[str, str], tuple[Named, Holder, int]] = {}
        for holder, layer in self.holders.values():
            for tag, is_index in holder.tags:
                named = Named(holder.repository, tag, holder.digest, holder.platform if is_index else "")
                known = names.get((holder.repository, tag))
                if known is None or _rank(named) < _rank(known[0]):
                    names[holder.repository, tag] = named, holder, layer
        return names

    def _untagged(self) -> dict[tuple[str, str], tuple[Named, Holder, int]]:
        return {
            (holder.repository, holder.digest): (
                Named(holder.repository, holder.digest, holder.digest, ""),
                holder,
                layer,
            )
            for holder, layer in self.holders.values()
        }


def _in_order(name: tuple[str, str]) -> tuple[str, list[tuple[int, str]]]:
    """1.4 before 1.12."""
    repository, reference = name
    parts = _NUMBERS.split(reference)
    return repository, [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _rank(named: Named) -> tuple[bool, str]:
    """What a tag of an index means first, for whoever does not say."""
    return named.platform != "linux/amd64", named.platform


def is_in(view: Overlay, chain: tuple[int, ...], layer: int, path: bytes) -> bool:
    """`is_live` where paths are not what the layers say: by looking into the image."""
    folder, _, name = path.rpartition(b"/")
    try:
        top = view.resolve(folder or b"/")
    except FileUnknown:
        return False
    node = view.lookup(b"/".join([top.path.rstrip(b"/"), name]))
    return (
        node is not None and 0 <= node.layer < len(chain) and (node.kind == "directory" or chain[node.layer] == layer)
    )
