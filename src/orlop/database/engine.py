"""The SQLite engine: connections for readers, and the writer.

Durability: write-ahead log with `synchronous=FULL`. A power cut lost every acknowledged commit with NORMAL (measured).
"""

import contextlib
import functools
import re
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

from orlop.combining import result_of
from orlop.database.connection import SqliteConnection
from orlop.database.writer import Result, Unit, Writer

READER_BUSY = 5_000
"""Milliseconds. Readers and the writer do not wait for one another; a recovery after a crash makes readers wait."""
CACHE = 8_000
READER_CACHE = 2_000
"""KiB of pages that a connection keeps: there is a reader for each thread."""


class Database:
    """The registry's SQLite database. Safe to use from any thread."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._opened: weakref.WeakSet[SqliteConnection] = weakref.WeakSet()
        self._opening = threading.Lock()
        self._hot = self._connect(busy=0, cache=CACHE)
        self._writer = Writer(self._connect(busy=0, cache=CACHE), path)

    def hot(self) -> SqliteConnection:
        """The event loop's connection: never waits; sqlite3.OperationalError (busy) means: ask through a thread."""
        return self._hot

    def reader(self) -> SqliteConnection:
        """This thread's connection, each statement its own snapshot."""
        connection: SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect(busy=READER_BUSY, cache=READER_CACHE)
        return connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[SqliteConnection]:
        """This thread's connection, with one snapshot for all that is read in the block; blocks may be nested."""
        connection = self.reader()
        if connection.driver.in_transaction:
            yield connection
            return
        connection.driver.execute("BEGIN")
        try:
            yield connection
        finally:
            # Nothing was written. A COMMIT can fail on a bad disk, and would leave the snapshot to all who follow.
            connection.driver.execute("ROLLBACK")

    def write(self, unit: Unit[Result]) -> Result:
        """Runs `unit` in a transaction of its own and returns its result once that is durable.

        What `unit` raises undoes it alone and is raised here. StorageFull, Unavailable: the commit failed, nothing of
        it holds. Others wait while `unit` runs, maybe in another thread: it must be short and do no other I/O.
        """
        (answer,) = self._writer.run([unit])
        return result_of(answer)

    def write_all(self, units: Sequence[Unit[Result]]) -> list[Result | BaseException]:
        """`write` of several units, each for itself, in one transaction: for each its result or what it raised."""
        return self._writer.run(units) if units else []

    def size(self) -> int:
        """Bytes on disk: the database and its log."""
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        """Commits what waits, folds the log into the database, and closes every connection."""
        self._writer.close()
        with self._opening:
            for connection in self._opened:
                connection.driver.close()

    def _connect(self, *, busy: int, cache: int) -> SqliteConnection:
        driver = sqlite3.connect(
            self.path, timeout=busy / 1000, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=0"):
            driver.execute(f"PRAGMA {pragma}")
        driver.execute(f"PRAGMA cache_size=-{cache}")
        driver.create_function("regexp", 2, _regexp, deterministic=True)
        connection = SqliteConnection(driver)
        # A thread that ends drops its connection.
        weakref.finalize(connection, driver.close)
        with self._opening:
            self._opened.add(connection)
        return connection


def _regexp(expression: str, text: str) -> bool:
    """`text REGEXP expression`, which SQLite leaves to others."""
    return _compiled(expression).search(text) is not None


@functools.lru_cache(1024)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)
