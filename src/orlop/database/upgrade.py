"""Makes a new database, and brings an old one to this version's schema."""

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

from sqlalchemy.dialects.sqlite.pysqlite import dialect as pysqlite_dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from orlop.database.schema import REVISION, metadata
from orlop.domain.errors import StoreRefused


def prepare(path: Path) -> None:
    """The SQLite file at `path` with this version's schema: made, upgraded after a copy, or as it is.

    StoreRefused: it has a newer schema, or is no database of the registry's.
    """
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        try:
            revision = _revision(connection)
        except sqlite3.DatabaseError as error:
            raise StoreRefused(
                f"{path} cannot be read as a database ({error}): restore it, or run `orlop rebuild`"
            ) from error
        if revision is None:
            _create(connection)
            return
    if revision != REVISION:
        _upgrade(path, revision)


def _revision(connection: sqlite3.Connection) -> str | None:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" in tables:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row[0] if row else None
    return None


def _create(connection: sqlite3.Connection) -> None:
    """The whole schema in one transaction. Alembic is not needed, and would take a third of the start."""
    dialect = pysqlite_dialect()
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("BEGIN IMMEDIATE")
    for table in metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute("INSERT INTO alembic_version VALUES (?)", (REVISION,))
    connection.execute("COMMIT")


def _upgrade(path: Path, revision: str) -> None:
    from orlop.database import migrations

    if not migrations.knows(revision):
        raise StoreRefused(
            f"{path} has schema {revision}, newer than this version's {REVISION}: install the version that wrote it"
        )
    copy(path, path.with_name(f"{path.name}.before-{REVISION}-{time.strftime('%Y%m%dT%H%M%S')}"))
    migrations.upgrade(f"sqlite:///{path}")


def copy(path: Path, target: Path) -> None:
    """A consistent copy of a SQLite file that may be in use."""
    partial = target.with_name(f"{target.name}.partial")
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(partial)) as sink:
        source.backup(sink)
    shutil.move(partial, target)
