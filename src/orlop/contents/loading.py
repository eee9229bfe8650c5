"""A layer's table of contents becomes rows of the index.

In two steps, so that others wait for the second alone: first the layer as unpacking it alone would leave it, put
together in a file of its own that has no name; then that, in order, into the index, in one transaction.
"""

import contextlib
import secrets
import sqlite3
import time
from collections.abc import Iterable
from typing import Protocol

from orlop.contents.entry import Entry
from orlop.contents.index import Index
from orlop.contents.interning import Interner, searchable
from orlop.contents.packages.package import Package
from orlop.contents.schema import ROOT
from orlop.contents.space import Space
from orlop.contents.staging import STAGED_COLUMNS, Staging, key_of
from orlop.domain.errors import StorageFull

# A package may be told of by a file that the layer does not have any more: its directories are forgotten as well.
_FORGOTTEN = f"""
WITH RECURSIVE up (id) AS (
    SELECT path_id FROM {{0}} WHERE layer_id = ? AND path_id != {ROOT}
    UNION SELECT p.parent FROM up JOIN paths p ON p.id = up.id WHERE p.parent > {ROOT}
)
INSERT OR IGNORE INTO forgotten SELECT p.id, p.name_id FROM up JOIN paths p ON p.id = up.id
"""
# What one layer has as a directory that it only implies, and any other as a symbolic link: what `grafts.py` looks at.
_IMPLICIT_LINKS = """
INSERT OR IGNORE INTO implicit_links (layer_id, path_id) SELECT e.layer_id, e.path_id FROM entries e
WHERE e.layer_id = :layer AND e.implicit AND EXISTS (SELECT 1 FROM entries s WHERE s.path_id = e.path_id AND s.kind = 2)
"""
_LINKS_TO_IMPLICIT = """
INSERT OR IGNORE INTO implicit_links (layer_id, path_id) SELECT o.layer_id, o.path_id
FROM entries e CROSS JOIN entries o INDEXED BY entries_implicit ON o.path_id = e.path_id AND o.implicit
WHERE e.layer_id = :layer AND e.kind = 2
"""
_FORGET_PATH = """
DELETE FROM paths WHERE id = ?1
AND NOT EXISTS (SELECT 1 FROM entries WHERE path_id = ?1) AND NOT EXISTS (SELECT 1 FROM whiteouts WHERE path_id = ?1)
AND NOT EXISTS (SELECT 1 FROM packages WHERE path_id = ?1) AND NOT EXISTS (SELECT 1 FROM paths WHERE parent = ?1)
"""
_UNUSED_NAMES = """
SELECT id, name FROM names
WHERE id IN (SELECT name_id FROM forgotten) AND NOT EXISTS (SELECT 1 FROM paths WHERE name_id = names.id)
"""


class Facts(Protocol):
    """What is told of a layer as a whole: the footer of its table of contents."""

    @property
    def diff_id(self) -> str: ...
    @property
    def compression(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def unpacked(self) -> int: ...
    @property
    def entries(self) -> int: ...
    @property
    def content(self) -> int: ...


def load(
    index: Index,
    digest: str,
    footer: Facts,
    entries: Iterable[Entry],
    packages: Iterable[Package],
    space: Space | None = None,
) -> None:
    """Makes the layer `ready`, all of it or nothing. One that is ready already stays as it is.

    What the iterators raise comes through. Memory is bounded, whatever the layer. StorageFull: there is not the space.
    """
    room = space or Space(index.path)
    with contextlib.closing(index.connect()) as connection, index.translating(connection):
        _attach(index, connection)
        staging = Staging(connection)
        for entry in entries:
            staging.add(entry)
        staging.finish()
        try:
            index.transact(connection, lambda writer: _take_over(writer, digest, footer, packages, room))
        except StorageFull:
            _shrink_log(connection)
            raise


def forget_layer(connection: sqlite3.Connection, digest: str) -> None:
    """Takes a layer out of the index, with the names and paths that no other has. To be called in a transaction."""
    row = connection.execute("SELECT id FROM layers WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        return
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS forgotten (id INTEGER PRIMARY KEY, name_id INTEGER)")
    connection.execute("DELETE FROM forgotten")
    for table in ("entries", "whiteouts", "packages"):
        connection.execute(_FORGOTTEN.format(table), row)
        connection.execute(f"DELETE FROM {table} WHERE layer_id = ?", row)
    connection.execute("DELETE FROM implicit_links WHERE layer_id = ?", row)
    connection.execute("DELETE FROM layers WHERE id = ?", row)
    # Directories come after what is in them: they were made before it, so their ids are lower.
    connection.executemany(_FORGET_PATH, connection.execute("SELECT id FROM forgotten ORDER BY id DESC"))
    unused = connection.execute(_UNUSED_NAMES).fetchall()
    connection.executemany(
        "INSERT INTO name_search (name_search, rowid, name) VALUES ('delete', ?, ?)",
        ((name_id, searchable(name)) for name_id, name in unused),
    )
    connection.executemany("DELETE FROM names WHERE id = ?", ((name_id,) for name_id, _ in unused))


def _shrink_log(connection: sqlite3.Connection) -> None:
    """It keeps the size of what was undone, which would count as taken for ever."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA busy_timeout=1000")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _attach(index: Index, connection: sqlite3.Connection) -> None:
    """A file that belongs to this connection alone. The system's folder for such may be in memory; this one is not."""
    path = index.path.with_name(f"{index.path.name}.{secrets.token_hex(8)}.loading")
    connection.execute("ATTACH ? AS staged", (str(path),))
    try:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-16000"):
            connection.execute(f"PRAGMA staged.{pragma}")
        connection.execute("CREATE TABLE staged.opened (x)")
    finally:
        path.unlink(missing_ok=True)


def _take_over(
    connection: sqlite3.Connection, digest: str, footer: Facts, packages: Iterable[Package], space: Space
) -> None:
    """The second step."""
    known = connection.execute("SELECT state FROM layers WHERE digest = ?", (digest,)).fetchone()
    if known == ("ready",):
        return
    connection.execute("DELETE FROM layers WHERE digest = ?", (digest,))
    facts = (footer.diff_id, footer.compression, footer.size, footer.unpacked, footer.entries, footer.content)
    layer_id = connection.execute(
        "INSERT INTO layers (digest, state, diff_id, compression, size, unpacked, entries, content, made_at)"
        " VALUES (?, 'ready', ?, ?, ?, ?, ?, ?, ?)",
        (digest, *facts, int(time.time() * 1000)),
    ).lastrowid
    assert layer_id is not None
    interner = Interner(connection)
    _entries(connection, layer_id, interner, space)
    interner.flush()
    connection.execute(_IMPLICIT_LINKS, {"layer": layer_id})
    connection.execute(_LINKS_TO_IMPLICIT, {"layer": layer_id})
    _whiteouts(connection, layer_id, interner)
    interner.flush()
    _packages(connection, layer_id, interner, packages)


def _entries(connection: sqlite3.Connection, layer_id: int, interner: Interner, space: Space) -> None:
    rows = space.heeding(connection.execute(f"SELECT key, {STAGED_COLUMNS} FROM staged.rows ORDER BY key"))
    marks = ",".join("?" * (3 + len(STAGED_COLUMNS.split(","))))
    connection.executemany(
        f"INSERT INTO entries (layer_id, parent_id, path_id, {STAGED_COLUMNS}) VALUES ({marks})",
        ((layer_id, *interner.path(key), *rest) for key, *rest in rows),
    )


def _whiteouts(connection: sqlite3.Connection, layer_id: int, interner: Interner) -> None:
    rows = connection.execute("SELECT key, opaque FROM staged.whiteouts ORDER BY key")
    connection.executemany(
        "INSERT INTO whiteouts (layer_id, parent_id, path_id, opaque) VALUES (?, ?, ?, ?)",
        ((layer_id, *interner.path(key), opaque) for key, opaque in rows),
    )


def _packages(connection: sqlite3.Connection, layer_id: int, interner: Interner, packages: Iterable[Package]) -> None:
    for package in packages:
        _, path_id = interner.path(key_of(package.path.encode(errors="replace")))
        interner.flush()
        told = (package.ecosystem, package.name, package.version, package.source, package.source_version)
        connection.execute(
            "INSERT INTO packages (layer_id, path_id, ecosystem, name, version, source, source_version, architecture)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (layer_id, path_id, *told, package.architecture),
        )
