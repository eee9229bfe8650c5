"""The packages of one image: what the files that tell of packages say, of those files that are there at the top."""

import json
from collections.abc import Iterator

from orlop.contents.overlay import Overlay
from orlop.contents.packages.package import Package

_ROWS = """
SELECT path_id, ecosystem, name, version, source, source_version, architecture FROM packages
WHERE layer_id = ? ORDER BY path_id
"""
_PATH = """
WITH RECURSIVE way (id, depth) AS (
    SELECT ?, 0 UNION ALL SELECT parent, depth + 1 FROM way JOIN paths ON paths.id = way.id WHERE parent > 0
)
SELECT json_group_array(hex(name)) FROM (
    SELECT n.name FROM way JOIN paths p ON p.id = way.id JOIN names n ON n.id = p.name_id ORDER BY depth DESC
)
"""


def installed(view: Overlay) -> Iterator[Package]:
    """By layer and file; a package that two files tell of comes twice."""
    for place, layer in enumerate(view.layers):
        path_id, path, is_live = 0, "", False
        for found, ecosystem, name, version, source, source_version, architecture in view.connection.execute(
            _ROWS, (layer,)
        ).fetchall():
            if found != path_id:
                path_id, raw = found, _path(view, found)
                node, path = view.lookup(raw), raw.decode(errors="replace")
                is_live = node is not None and node.layer == place
            if is_live:
                yield Package(
                    ecosystem=ecosystem,
                    name=name,
                    version=version,
                    source=source,
                    source_version=source_version,
                    architecture=architecture,
                    path=path,
                )


def _path(view: Overlay, path_id: int) -> bytes:
    (names,) = view.connection.execute(_PATH, (path_id,)).fetchone()
    return b"/".join(bytes.fromhex(name) for name in json.loads(names)) or b"/"
