"""The packages of one image: what the files that tell of packages say, of those files that are there at the top."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from orlop.contents.masks import Masks
from orlop.contents.overlay import Overlay
from orlop.contents.packages.package import Package
from orlop.contents.whereabouts import is_in, is_live

COLUMNS = "ecosystem, name, version, source, source_version, architecture"

_ROWS = f"""
SELECT path_id, layer_id, {COLUMNS} FROM packages
WHERE layer_id IN (SELECT value FROM json_each(?)) ORDER BY path_id, layer_id
"""
_BATCH = 500
"""Files that are looked up together."""


def installed(view: Overlay) -> Iterator[Package]:
    """By file; a package that two files tell of comes twice."""
    return (package for package, _ in with_layers(view))


def with_layers(view: Overlay) -> Iterator[tuple[Package, int]]:
    """Each with the place in the chain of the layer that tells of it."""
    rows = view.connection.execute(_ROWS, (json.dumps(list(view.layers)),)).fetchall()
    files = ((file, list(told)) for file, told in groupby(rows, key=lambda row: (row[0], row[1])))
    while batch := list(islice(files, _BATCH)):
        masks = Masks(view.connection, {path_id for (path_id, _), _ in batch}, view.layers)
        for (path_id, layer), told in batch:
            if _is_there(view, masks, path_id, layer):
                path = masks.paths[path_id].decode(errors="replace")
                place = len(view.layers) - 1 - view.layers[::-1].index(layer)
                yield from ((package_of(row[2:], path), place) for row in told)


def package_of(columns: Sequence[str], path: str) -> Package:
    """From the COLUMNS of a row."""
    ecosystem, name, version, source, source_version, architecture = columns
    return Package(
        ecosystem=ecosystem,
        name=name,
        version=version,
        source=source,
        source_version=source_version,
        architecture=architecture,
        path=path,
    )


def _is_there(view: Overlay, masks: Masks, path_id: int, layer: int) -> bool:
    if not any(row.layer == layer for row in masks.rows[path_id]):
        return False  # the layer itself has put something else there, or nothing
    if view.grafts:
        return is_in(view, view.layers, layer, masks.paths[path_id])
    return is_live(view.layers, layer, masks.maskers(path_id, of_directory=False))
