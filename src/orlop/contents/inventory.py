"""Packages: those of one image, and those of all images by a query."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from orlop.contents.images import Image, Images
from orlop.contents.installed import COLUMNS, package_of, with_layers
from orlop.contents.masks import Masks
from orlop.contents.packages import query
from orlop.contents.packages.names import FOLDED_SQL
from orlop.contents.packages.package import Package
from orlop.contents.packages.query import Query
from orlop.contents.scope import Scope, Search, Searcher
from orlop.contents.whereabouts import Shown
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import ParameterInvalid
from orlop.domain.name import RepositoryName, Tag

_TOLD = f"SELECT {COLUMNS}, path_id, layer_id FROM packages"

BY_NAME, BY_SOURCE = 0, 1
_FOLDED = (FOLDED_SQL.format(column="name"), FOLDED_SQL.format(column="source"))


class Listed(NamedTuple):
    """A package of an image."""

    package: Package
    layer: Digest
    """From which it comes."""


class Listing(NamedTuple):
    """A page of an image's packages, in the order of their names."""

    image: Image
    items: list[Listed]
    following: int | None
    """How many packages come before the next page; None on the last one."""
    total: int


class PackageHit(NamedTuple):
    package: Package
    """Without a path: it may be told by several files."""
    shown: Shown


class PackagePage(NamedTuple):
    items: list[PackageHit]
    following: str | None
    """Where the next page begins. There may be one behind a page that is not full."""


class _Position(NamedTuple):
    """The package that was told last."""

    phase: int = BY_NAME
    name: str = ""
    """Folded."""
    package: str = ""
    """Stands for the package: names and versions may be long."""


class Inventory:
    def __init__(self, images: Images, searcher: Searcher) -> None:
        self._images = images
        self._searcher = searcher

    def of_image(
        self,
        caller: Caller,
        name: RepositoryName,
        reference: Tag | Digest,
        *,
        platform: str = "",
        ecosystem: str = "",
        after: int = 0,
        most: int = 100,
    ) -> Listing:
        """The packages of an image. `ecosystem`: only those of it; else ParameterInvalid. What `Images.find` raises."""
        wanted = known_ecosystem(ecosystem) if ecosystem else ""
        image = self._images.find(caller, name, reference, platform)
        with self._images.view(image) as (view,):
            found = sorted(
                {(package, layer) for package, layer in with_layers(view) if wanted in ("", package.ecosystem)},
                key=lambda pair: (pair[0].name.lower(), *_key(pair[0]), pair[0].path),
            )
        items = [Listed(package, image.layers[layer].digest) for package, layer in found[after : after + most]]
        return Listing(image, items, after + most if after + most < len(found) else None, len(found))

    def search(self, caller: Caller, search: Search) -> PackagePage:
        """Packages of all images, by a query; see `packages/query.py`. ParameterInvalid says how one is written."""
        wanted = query.parse(search.text)
        with self._searcher.looking("packages", caller, search) as scope:
            last = scope.position(_Position())
            items: list[PackageHit] = []
            for place, hit in _hits(scope, wanted, last):
                if hit is not None and len(items) == search.most:
                    return PackagePage(items, scope.seal(last))
                last = place
                if hit is not None:
                    items.append(hit)
                if scope.is_over():
                    return PackagePage(items, scope.seal(last))
            return PackagePage(items, None)


def known_ecosystem(word: str) -> str:
    """In its own word; ParameterInvalid."""
    known = query.ALIASES.get(word.lower(), word.lower())
    if known not in query.ECOSYSTEMS:
        raise ParameterInvalid(
            f"there is no ecosystem {word[:40]!r}; known are {', '.join(query.ECOSYSTEMS)}",
            detail={"parameter": "ecosystem", "known": list(query.ECOSYSTEMS)},
        )
    return known


def _hits(scope: Scope, wanted: Query, last: _Position) -> Iterator[tuple[_Position, PackageHit | None]]:
    layers = scope.layers()
    for phase in range(last.phase, BY_SOURCE + 1):
        begun = phase == last.phase
        for name in _names(scope.where.contents, phase, wanted, last.name if begun else "", layers):
            told = last.package if begun and name == last.name else ""
            for key, rows in _packages(scope.where.contents, phase, name, told, layers):
                place = _Position(phase, name, _sign(key))
                package = package_of(key, "")
                is_told = phase == BY_SOURCE and wanted.names.matches(package.ecosystem, package.name)
                if is_told or not wanted.matches(package):
                    yield place, None
                    continue
                shown = _shown(scope, rows)
                yield place, None if shown is None else PackageHit(package, shown)


def _names(
    connection: sqlite3.Connection, phase: int, wanted: Query, least: str, layers: frozenset[int] | None
) -> Iterator[str]:
    """Names that fit, folded, from `least` on."""
    if wanted.names.is_exact:
        if wanted.names.folded >= least:
            yield wanted.names.folded
        return
    column = _FOLDED[phase]
    least = max(least, wanted.names.folded.partition("*")[0])
    if layers is not None:
        yield from _names_in(connection, column, wanted, least, layers)
        return
    end = wanted.names.folded.partition("*")[0] + chr(0x10FFFF)
    statement = f"""
    SELECT {column} FROM packages WHERE {column} {{}} ? AND {column} < ? AND {column} GLOB ? ORDER BY {column} LIMIT 1
    """
    row = connection.execute(statement.format(">="), (least, end, wanted.names.glob)).fetchone()
    while row is not None:
        yield row[0]
        row = connection.execute(statement.format(">"), (row[0], end, wanted.names.glob)).fetchone()


def _names_in(
    connection: sqlite3.Connection, column: str, wanted: Query, least: str, layers: frozenset[int]
) -> Iterator[str]:
    """Looks at nothing but these layers."""
    found = connection.execute(
        f"SELECT DISTINCT {column} FROM packages"
        f" WHERE layer_id IN (SELECT value FROM json_each(?)) AND +{column} GLOB ? AND +{column} >= ? ORDER BY 1",
        (json.dumps(sorted(layers)), wanted.names.glob, least),
    )
    for (name,) in found.fetchall():
        yield name


def _packages(
    connection: sqlite3.Connection, phase: int, name: str, told: str, layers: frozenset[int] | None
) -> Iterator[tuple[tuple[str, ...], list[tuple[int, int]]]]:
    """Each package of that name behind `told`, with the paths and layers that tell of it."""
    found: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for row in connection.execute(f"{_TOLD} WHERE {_FOLDED[phase]} = ?", (name,)):
        if layers is None or row[7] in layers:
            found.setdefault(row[:6], []).append(row[6:8])
    keys = sorted(found)
    begin = next((number for number, key in enumerate(keys, 1) if _sign(key) == told), 0) if told else 0
    for key in keys[begin:]:
        yield key, found[key]


def _sign(key: tuple[str, ...]) -> str:
    return hashlib.blake2b("\n".join(key).encode(), digest_size=8).hexdigest()


def _shown(scope: Scope, rows: Sequence[tuple[int, int]]) -> Shown | None:
    masks = Masks(scope.where.contents, {path_id for path_id, _ in rows})
    of_path: dict[int, list[int]] = {}
    for path_id, layer in rows:
        if any(row.layer == layer for row in masks.rows[path_id]):
            of_path.setdefault(path_id, []).append(layer)
    return scope.where.of_paths(
        (masks.paths[path_id], layers, masks.maskers(path_id, of_directory=False))
        for path_id, layers in sorted(of_path.items())
    )


def _key(package: Package) -> tuple[str, ...]:
    return package.name, package.ecosystem, package.version, package.architecture
