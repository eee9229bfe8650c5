"""What one search may look at, for how long, and where it goes on.

A caller who may not read all is told nothing of the rest: not by hits, counts or cursors. Where what they may read is
little, nothing else is looked at, so that the time tells nothing either.
"""

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from orlop.contents import backlog
from orlop.contents.cursor import seal, unseal
from orlop.contents.images import Images
from orlop.contents.layers import layer_state
from orlop.contents.whereabouts import Builds, Whereabouts
from orlop.database import jobs, manifests, repositories, whereabouts
from orlop.database.connection import Connection
from orlop.domain.access import Pattern, any_of, both
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import ContentsUnindexable, ParameterInvalid
from orlop.domain.name import RepositoryName

SCAN = 0.25
"""Seconds after which a page ends with what was found."""
LITTLE = 200_000
"""Entries in all layers that a caller may read, up to which nothing else is looked at."""
FEW = 2000
"""And layers, and images."""
MOST_PENDING = 1000
"""Images that are counted while they wait."""

Kind = TypeVar("Kind")


class Search(NamedTuple):
    """What is asked for."""

    text: str
    within: str = ""
    """A repository, or a pattern for some; empty: all."""
    last: str = ""
    """Where the page before ended."""
    most: int = 50
    """Hits in a page."""


class Scope:
    def __init__(self, kind: str, search: Search, where: Whereabouts, generation: str) -> None:
        self.where = where
        self.most = search.most
        self._last = search.last
        self._key = generation
        self._scope = f"{kind} {search.within} {search.text}"
        self._deadline = time.monotonic() + SCAN

    def is_over(self) -> bool:
        return time.monotonic() >= self._deadline

    def position(self, start: Kind) -> Kind:
        """Where the search goes on; `start` where it begins. ParameterInvalid."""
        return unseal(self._key, self._scope, self._last, type(start)) if self._last else start

    def seal(self, position: object) -> str:
        return seal(self._key, self._scope, position)

    def layers(self) -> frozenset[int] | None:
        """All layers that the caller may read, where they may not read all and these hold little; else None."""
        if not self.where.readable:
            return None
        found: set[int] = set()
        entries = 0
        for name in self._repositories():
            for digest in whereabouts.layers_in(self.where.main, name, FEW + 1):
                layer = self.where.layer(digest)
                if layer is not None and layer.id not in found:
                    found.add(layer.id)
                    entries += layer.entries
            if len(found) > FEW or entries > LITTLE:
                return None
        return frozenset(found)

    def manifests(self) -> list[str] | None:
        """`layers` for manifests."""
        if not self.where.readable:
            return None
        found: list[str] = []
        for name in self._repositories():
            found += whereabouts.manifests_in(self.where.main, name, FEW + 1)
            if len(found) > FEW:
                return None
        return found

    def _repositories(self) -> Iterator[str]:
        last = ""
        while page := repositories.names(self.where.main, last=last, count=1000, readable=self.where.readable):
            yield from page
            last = page[-1]


def readable_of(caller: Caller, within: str) -> str:
    """The repositories that the caller may read, of those that are meant, as `Authority.readable`."""
    readable = caller.authority.readable
    if not within:
        return readable
    try:
        pattern = Pattern.parse(within)
    except ValueError as error:
        raise ParameterInvalid(
            f"{within[:80]!r} cannot be repositories: write a name, with * for any part of it and ** for several parts",
            detail={"parameter": "in"},
        ) from error
    expression = pattern.expression("")
    return both(readable, any_of([expression] if expression is not None else []))


class Searcher:
    """Opens scopes."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self._builds = Builds()

    @contextlib.contextmanager
    def looking(self, kind: str, caller: Caller, search: Search) -> Iterator[Scope]:
        """In one snapshot; used by this thread alone, in this block. ContentsUnindexable: nobody looks into images."""
        index = self.images.index
        if index is None:
            raise ContentsUnindexable("nobody looks into images here (contents.enabled)")
        readable = readable_of(caller, search.within)
        with self.images.database.snapshot() as main, index.reading() as contents:
            yield Scope(kind, search, Whereabouts(main, contents, readable, self._builds), index.generation)

    def pending(self, caller: Caller, within: str = "") -> int:
        """How many images that the caller may read are still to be looked into; MOST_PENDING: that many, or more."""
        index = self.images.index
        if index is None:
            return 0
        readable = re.compile(readable_of(caller, within))
        with self.images.database.snapshot() as main, index.reading() as contents:
            jobs_of = whereabouts.pending(main, MOST_PENDING)
            subjects = {subject for kind, subject in jobs_of if kind == "image"}
            if any(kind == "index-all" for kind, _ in jobs_of):
                subjects |= _unasked(main)
            images = [subject.rpartition(" ")[::2] for subject in subjects]
            return sum(
                not self._is_known(main, contents, name, digest) for name, digest in images if readable.search(name)
            )

    def _is_known(self, main: Connection, contents: sqlite3.Connection, name: str, digest: str) -> bool:
        """Whether all its layers were looked into: a worker may have more to do for it."""
        found = manifests.by_digest(main, RepositoryName(name), Digest(digest))
        if found is None or found.lost:
            return True  # there is nothing to look into
        layers = self._builds.of(main, found.id, digest).layers
        return all(layer_state(contents, layer) is not None for layer in layers)


def _unasked(main: Connection) -> set[str]:
    """Images for which no job was made yet, where all are being looked at anew."""
    rows = jobs.page_of_images(main, backlog.reached(main), MOST_PENDING)
    return {f"{repository} {digest}" for _, repository, digest in rows}
