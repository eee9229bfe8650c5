"""The labels of images: those of their configs, and the annotations of their manifests."""

import sqlite3
from collections.abc import Iterable, Mapping
from itertools import islice

MOST = 1000
"""Labels of one image that can be found."""
LONGEST_KEY = 300
LONGEST_VALUE = 2000
"""Characters that are kept of each."""

_SEARCHED = "INSERT INTO label_search (rowid, label) VALUES (?, ?)"


def are_known(connection: sqlite3.Connection, manifest: str) -> bool:
    return connection.execute("SELECT 1 FROM labelled WHERE manifest = ?", (manifest,)).fetchone() is not None


def save(connection: sqlite3.Connection, manifest: str, labels: Iterable[tuple[str, str]]) -> None:
    """Notes the labels of the image with that manifest; beyond MOST, some are left out. In a transaction."""
    for key, value in islice(labels, MOST):
        label_id = _label(connection, _cut(key, LONGEST_KEY), _cut(value, LONGEST_VALUE))
        connection.execute(
            "INSERT OR IGNORE INTO labelled (label_id, manifest) VALUES (?, ?)",
            (label_id, manifest),
        )


def of(config: Mapping[str, str], annotations: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each pair once."""
    return list(dict.fromkeys([*config.items(), *annotations.items()]))


def manifests(connection: sqlite3.Connection, after: str, count: int) -> list[str]:
    """Up to `count` manifests behind `after` of which labels are noted, in order."""
    statement = "SELECT DISTINCT manifest FROM labelled WHERE manifest > ? ORDER BY manifest LIMIT ?"
    return [manifest for (manifest,) in connection.execute(statement, (after, count))]


def forget(connection: sqlite3.Connection, manifest: str) -> None:
    """Takes out what is noted of a manifest that is nowhere any more. In a transaction."""
    found = connection.execute("SELECT label_id FROM labelled WHERE manifest = ?", (manifest,)).fetchall()
    connection.execute("DELETE FROM labelled WHERE manifest = ?", (manifest,))
    for label_id in found:
        unused = connection.execute(
            "SELECT id, key, value FROM labels WHERE id = ?1"
            " AND NOT EXISTS (SELECT 1 FROM labelled WHERE label_id = ?1)",
            label_id,
        ).fetchone()
        if unused:
            connection.execute(
                "INSERT INTO label_search (label_search, rowid, label) VALUES ('delete', ?, ?)",
                (unused[0], _searchable(unused[1], unused[2])),
            )
            connection.execute("DELETE FROM labels WHERE id = ?", label_id)


def _label(connection: sqlite3.Connection, key: str, value: str) -> int:
    found = connection.execute("SELECT id FROM labels WHERE key = ? AND value = ?", (key, value)).fetchone()
    if found:
        return int(found[0])
    label_id = connection.execute("INSERT INTO labels (key, value) VALUES (?, ?)", (key, value)).lastrowid
    assert label_id is not None
    connection.execute(_SEARCHED, (label_id, _searchable(key, value)))
    return label_id


def _searchable(key: str, value: str) -> str:
    return f"{key}={value}"


def _cut(text: str, most: int) -> str:
    """A lone surrogate, which JSON can hold, is no text that can be stored."""
    return text[:most].encode(errors="replace").decode()
