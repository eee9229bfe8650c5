"""The SQLite engine: connections for readers, and one writer that commits for all who wait.

Durability: write-ahead log with `synchronous=FULL`. A power cut lost every acknowledged commit with NORMAL (measured).
"""

import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from orlop.database import stores
from orlop.database.connection import SqliteConnection
from orlop.domain.errors import StorageFull, Unavailable

Result = TypeVar("Result")
Unit = Callable[[SqliteConnection], Result]

# A group larger than this would make its first member wait too long for the rest.
MAX_GROUP = 256
CHECKPOINT_GROUPS = 64


class Database:
    """The registry's SQLite database. Safe to use from any thread."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._hot = SqliteConnection(self._connect(busy_timeout=0.0))
        self._writer = _Writer(self._connect(busy_timeout=60.0), path)

    def hot(self) -> SqliteConnection:
        """The event loop's connection: never waits; sqlite3.OperationalError (busy) means: ask through a thread."""
        return self._hot

    def reader(self) -> SqliteConnection:
        """This thread's connection, each statement its own snapshot."""
        connection: SqliteConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = SqliteConnection(self._connect(busy_timeout=5.0))
        return connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[SqliteConnection]:
        """This thread's connection, with one snapshot for all that is read in the block."""
        connection = self.reader()
        connection.driver.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.driver.execute("COMMIT")

    def write(self, unit: Unit[Result]) -> Result:
        """Runs `unit` in a transaction of its own and returns its result once that is durable.

        What `unit` raises undoes it alone and is raised here. StorageFull, Unavailable: the commit failed, nothing of
        it holds. `unit` runs in the writer's thread: it must be short and do no other I/O.
        """
        return self._writer.submit(unit).result()

    def close(self) -> None:
        """Commits what waits, folds the log into the database, and closes every connection."""
        self._writer.close()
        for connection in self._opened:
            connection.close()

    def _connect(self, busy_timeout: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=0"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA cache_size=-8000")
        self._opened.append(connection)
        return connection


class _Job:
    __slots__ = ("error", "future", "result", "unit")

    def __init__(self, unit: Unit[Any]) -> None:
        self.unit = unit
        self.future: Future[Any] = Future()
        self.result: Any = None
        self.error: BaseException | None = None


class _Writer:
    """Group commit: what waits shares one transaction and one fsync, each unit in a savepoint of its own."""

    def __init__(self, driver: sqlite3.Connection, path: Path) -> None:
        self._driver = driver
        self._connection = SqliteConnection(driver)
        # Other processes on this database (maintenance commands) take the same lock, so that no writer starves.
        self._lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._groups = 0
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit[Any]) -> Future[Any]:
        if self._closed:
            raise Unavailable("the registry is stopping")
        job = _Job(unit)
        self._queue.put(job)
        return job.future

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()
            self._checkpoint("TRUNCATE")
            os.close(self._lock)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            group, last = self._gather(job)
            self._commit(group)
            self._groups += 1
            if self._groups % CHECKPOINT_GROUPS == 0:
                # PASSIVE waits for nobody; once all of the log is in the database, the next commit starts it anew.
                self._checkpoint("PASSIVE")
            if last:
                return

    def _gather(self, job: _Job) -> tuple[list[_Job], bool]:
        group = [job]
        while len(group) < MAX_GROUP:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                return group, True
            group.append(following)
        return group, False

    def _commit(self, group: list[_Job]) -> None:
        try:
            with self._locked():
                self._driver.execute("BEGIN IMMEDIATE")
                for job in group:
                    self._savepoint(job)
                self._connection.run(stores.RAISE_MARK)
                self._driver.execute("COMMIT")
        except BaseException as error:
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK")
            failure = _translated(error)
            for job in group:
                job.error = job.error or failure
        for job in group:
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)

    def _savepoint(self, job: _Job) -> None:
        self._driver.execute("SAVEPOINT unit")
        try:
            job.result = job.unit(self._connection)
        except BaseException as error:
            if not self._driver.in_transaction:
                raise  # SQLite gave up the whole transaction (full disk, I/O error)
            self._driver.execute("ROLLBACK TO unit")
            job.error = _translated(error)
        self._driver.execute("RELEASE unit")

    def _checkpoint(self, mode: str) -> None:
        # On failure the log grows until a later checkpoint succeeds; nothing is lost.
        with contextlib.suppress(sqlite3.Error), self._locked():
            self._driver.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.IntegrityError | sqlite3.ProgrammingError
    ):
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            return StorageFull()
        return Unavailable(f"the database cannot be written: {error}")
    return error
