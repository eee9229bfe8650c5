"""Search for files across all images: by path, name, pattern, part of a name, or content."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from orlop.contents.build_steps import BuildSteps
from orlop.contents.candidates import ALL, Position, candidates
from orlop.contents.masks import Masks, Row
from orlop.contents.schema import DIRECTORY, KINDS
from orlop.contents.scope import Scope, Search, Searcher
from orlop.contents.wanted import Wanted, parse
from orlop.contents.whereabouts import Shown
from orlop.domain.caller import Caller

FIRST, BATCH = 16, 64
"""Paths that are looked up together, to begin with and then."""


class FileHit(NamedTuple):
    """A file, directory or the like, and the images in which it is live."""

    path: bytes
    kind: str
    """One of `schema.KINDS`."""
    size: int
    digest: str | None
    link: bytes | None
    layer: str
    """The digest of the layer from which the image that is named first has it."""
    layers: int
    """How many layers have the same at that path, in what the caller may read."""
    step: str | None
    """The command that made that layer; None where nothing tells."""
    shown: Shown


class Page(NamedTuple):
    items: list[FileHit]
    following: str | None
    """Where the next page begins. There may be one behind a page that is not full."""


class Find:
    def __init__(self, searcher: Searcher, steps: BuildSteps) -> None:
        self._searcher = searcher
        self._steps = steps

    def files(self, caller: Caller, search: Search) -> Page:
        """ParameterInvalid: the text is none to look for, or the cursor is another search's."""
        wanted = parse(search.text)
        with self._searcher.looking("files", caller, search) as scope:
            return _FileSearch(scope, wanted, self._steps).page()


class _FileSearch:
    def __init__(self, scope: Scope, wanted: Wanted, steps: BuildSteps) -> None:
        self._scope = scope
        self._where = scope.where
        self._wanted = wanted
        self._steps = steps
        self._layers = scope.layers()

    def page(self) -> Page:
        """Ends when it is full, when the time is over, or when there is no more."""
        position = self._scope.position(Position())
        items: list[FileHit] = []
        for place, hit in self._hits(position):
            if hit is not None and len(items) == self._scope.most:
                return Page(items, self._scope.seal(position))
            position = place
            if hit is not None:
                items.append(hit)
            if self._scope.is_over():
                return Page(items, self._scope.seal(position))
        return Page(items, None)

    def _hits(self, start: Position) -> Iterator[tuple[Position, FileHit | None]]:
        """Behind `start`; and now and then only how far it is."""
        size = FIRST
        batch: list[tuple[Position, int]] = []
        for place, path_id in candidates(self._where.contents, self._wanted, start, self._layers):
            if path_id is not None and place._replace(group=ALL) != start:  # else all was told of it
                batch.append((place, path_id))
            if len(batch) >= size or (batch and self._scope.is_over()):
                yield from self._looked_up(batch, start)
                batch, size = [], BATCH
            elif path_id is None and not batch:
                yield place, None
        yield from self._looked_up(batch, start)

    def _looked_up(
        self, batch: Sequence[tuple[Position, int]], start: Position
    ) -> Iterator[tuple[Position, FileHit | None]]:
        masks = Masks(self._where.contents, [path_id for _, path_id in batch])
        for place, path_id in batch:
            told = start.group if place == start._replace(group=0) else 0
            for group, rows in self._groups(masks.rows[path_id]):
                if group > told:
                    yield place._replace(group=group), self._hit(masks, path_id, rows)
            yield place._replace(group=ALL), None

    def _groups(self, rows: Sequence[Row]) -> list[tuple[int, list[Row]]]:
        """Rows of the same thing, under the first layer that has it."""
        found: dict[object, list[Row]] = defaultdict(list)
        for row in rows:
            if self._is_meant(row):
                same = row.kind if row.kind == DIRECTORY else (row.kind, row.size, row.digest, row.link)
                found[same].append(row)
        return sorted((same[0].layer, same) for same in found.values())

    def _is_meant(self, row: Row) -> bool:
        if self._layers is not None and row.layer not in self._layers:
            return False
        if self._wanted.digest is not None:
            return row.digest == self._wanted.digest
        return row.kind == DIRECTORY or not self._wanted.directories

    def _hit(self, masks: Masks, path_id: int, rows: Sequence[Row]) -> FileHit | None:
        first, path = rows[0], masks.paths[path_id]
        maskers = masks.maskers(path_id, of_directory=first.kind == DIRECTORY)
        shown = self._where.of_path(path, [row.layer for row in rows], maskers)
        if shown is None:
            return None
        build = shown.holder.build
        digest = self._where.digest_of(shown.layer)
        number = len(build.layers) - 1 - build.layers[::-1].index(digest)
        return FileHit(
            path=path,
            kind=KINDS[first.kind],
            size=first.size,
            digest=None if first.digest is None else f"sha256:{first.digest.hex()}",
            link=first.link,
            layer=digest,
            layers=shown.layers,
            step=self._steps.of(self._where.main, build.config, len(build.layers), number),
            shown=shown,
        )
