"""Makes a new database, and brings an old one to this version's schema."""

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.dialects.sqlite.pysqlite import dialect as pysqlite_dialect
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable

from orlop.database.schema import REVISION, metadata
from orlop.domain.errors import StoreRefused

_VERSIONS = "alembic_version"


def prepare(path: Path) -> None:
    """The SQLite file at `path` with this version's schema: made, upgraded after a copy, or as it is.

    StoreRefused: it cannot be opened, has a newer schema, or is no database of the registry's. It is as it was then.
    """
    if path.exists() and not os.access(path, os.W_OK, effective_ids=True):
        # SQLite would open it all the same, leave files of its own beside it, and fail at the first write.
        raise StoreRefused(f"{path} cannot be written: give user {os.geteuid()} the right to write it and its folder")
    _make_private(path)
    try:
        revision = _found_or_made(path)
    except sqlite3.OperationalError as error:
        raise StoreRefused(
            f"{path} cannot be opened ({error}): check its folder, its owner, and the room on its disk"
        ) from error
    except sqlite3.DatabaseError as error:
        raise StoreRefused(
            f"{path} cannot be read as a database ({error}): restore it, or run `orlop rebuild`"
        ) from error
    if revision != REVISION:
        _upgrade(path, revision)


def _make_private(path: Path) -> None:
    """The file for its owner alone, or for a group that was given it: it holds password hashes and signing keys.

    SQLite gives the log beside it the same mode.
    """
    with contextlib.suppress(OSError):  # what is wrong with the folder is told by whoever opens the file
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        mode = path.stat().st_mode
        if mode & 0o007:
            path.chmod(mode & 0o770)


def definitions(dialect: Dialect) -> Iterator[str]:
    """The statements that make the schema. Alembic is not needed for it, and would take a third of the start."""
    for table in metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index).compile(dialect=dialect))
    # As Alembic makes it.
    yield (
        f"CREATE TABLE {_VERSIONS} "
        f"(version_num VARCHAR(32) NOT NULL, CONSTRAINT {_VERSIONS}_pkc PRIMARY KEY (version_num))"
    )
    yield f"INSERT INTO {_VERSIONS} VALUES ('{REVISION}')"


def copy(path: Path, target: Path) -> None:
    """A consistent, durable copy of a SQLite file that may be in use. There is all of it at `target`, or nothing."""
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(partial)) as sink:
        source.backup(sink)
    shutil.copymode(path, partial)
    os.replace(partial, target)
    _sync_folder(target.parent)


def _found_or_made(path: Path) -> str:
    """The revision of the schema in the file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        revision = _revision(connection, path)
        if revision is not None:
            return revision
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        if _revision(connection, path) is None:  # else another process was faster
            for definition in definitions(pysqlite_dialect()):
                connection.execute(definition)
        connection.execute("COMMIT")
        return REVISION


def _revision(connection: sqlite3.Connection, path: Path) -> str | None:
    """None for a database that holds nothing, as a crash while it was made leaves it."""
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if _VERSIONS in tables else None
    if found is None:
        raise StoreRefused(f"{path} is another program's database: choose another database.url")
    return str(found[0])


def _upgrade(path: Path, revision: str) -> None:
    from orlop.database import migrations

    if not migrations.knows(revision):
        raise StoreRefused(
            f"{path} has schema {revision}, newer than this version's {REVISION}: install the version that wrote it"
        )
    kept = path.with_name(f"{path.name}.before-{REVISION}-{time.strftime('%Y%m%dT%H%M%S')}")
    copy(path, kept)
    try:
        migrations.upgrade(URL.create("sqlite", database=str(path)))
    except SQLAlchemyError as error:
        raise StoreRefused(
            f"{path} could not be brought to schema {REVISION} ({error}): it is as it was, with a copy at {kept}"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
