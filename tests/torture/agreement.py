"""Whether tree and database say the same, read from outside, from the files of a server that stands still."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from orlop.domain.digest import Digest
from orlop.storage.layout import Layout, split_name

_NAMES = """
    SELECT 'tag', r.name, t.name, m.digest FROM tags t
      JOIN repositories r ON r.id = t.repository_id JOIN manifests m ON m.id = t.manifest_id
    UNION ALL
    SELECT 'manifest', r.name, m.digest, m.media_type FROM manifests m JOIN repositories r ON r.id = m.repository_id
"""
_KEPT = """
    SELECT digest FROM manifests UNION SELECT digest FROM manifest_references
    UNION SELECT digest FROM leases WHERE expires_at > ?
"""


class Agreement(NamedTuple):
    """Paths and names, each list empty where all is well."""

    orphans: list[str]
    """Objects that nothing keeps, or that no row knows."""
    missing: list[str]
    """Live rows whose object is not there, or is of another size."""
    names: list[str]
    """Tags and manifest entries of which tree and database say different things."""
    unfinished: list[str]
    """What lies in `uploads` without a row, and in `.tmp`."""

    def __bool__(self) -> bool:
        return not any(self)


def compare(data: Path, database: Path | None = None) -> Agreement:
    """No client may write meanwhile. Orphans and what is unfinished are told only where no server runs either."""
    store = data / "store"
    with _opened(database or data / "orlop.db") as connection:
        return Agreement(*(sorted(find(connection, store)) for find in (_orphans, _missing, _names, _unfinished)))


class _opened:  # noqa: N801  # a context manager
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def _objects(store: Path) -> Iterator[tuple[str, int, Path]]:
    """Digest, generation and file of each blob's object."""
    for path in _files(store / "blobs"):
        hex_, _, generation = path.name.partition(".")
        yield f"{path.parts[-3]}:{hex_}", int(generation or 0), path


def _orphans(connection: sqlite3.Connection, store: Path) -> Iterator[str]:
    live = dict(connection.execute("SELECT digest, generation FROM blobs WHERE state = 'live'").fetchall())
    kept = {row[0] for row in connection.execute(_KEPT, [time.time_ns() // 1_000_000])}
    for digest, generation, path in _objects(store):
        if live.get(digest) != generation or digest not in kept:
            yield f"{path.relative_to(store)} ({'live' if digest in live else 'unknown'})"


def _missing(connection: sqlite3.Connection, store: Path) -> Iterator[str]:
    query = "SELECT digest, generation, size FROM blobs WHERE state = 'live'"
    for digest, generation, size in connection.execute(query).fetchall():
        path = store / Layout().blob_path(Digest(digest), generation)
        if path.is_file() and path.stat().st_size == size:
            continue
        # Collection may have come between.
        if connection.execute(f"{query} AND digest = ? AND generation = ?", [digest, generation]).fetchone():
            yield str(path.relative_to(store))


def _names(connection: sqlite3.Connection, store: Path) -> Iterator[str]:
    expected = {_path(kind, repository, name): value for kind, repository, name, value in connection.execute(_NAMES)}
    waiting = {_path(*row) for row in connection.execute("SELECT kind, repository, name FROM outbox")}
    found = {}
    for path in _files(store / "repositories"):
        with contextlib.suppress(FileNotFoundError):  # a name that was waiting to be taken away
            found[str(path.relative_to(store))] = path.read_text()
    for name in (expected.keys() | found.keys()) - waiting:
        if expected.get(name) != found.get(name):
            yield f"{name}: {expected.get(name)} in the database, {found.get(name)} in the tree"


def _path(kind: str, repository: str, name: str) -> str:
    namespace, last = split_name(repository)
    if kind == "tag":
        return Layout().tag_path(namespace, last, name)
    return Layout().manifest_entry_path(namespace, last, Digest(name))


def _unfinished(connection: sqlite3.Connection, store: Path) -> Iterator[str]:
    known = {row[0] for row in connection.execute("SELECT id FROM uploads")}
    for path in _files(store / "uploads"):
        if path.relative_to(store).parts[1] not in known:
            yield str(path.relative_to(store))
    for path in _files(store / ".tmp"):
        yield str(path.relative_to(store))


def _files(folder: Path) -> Iterator[Path]:
    """Also where a server runs, which may be removing directories that have become empty."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
