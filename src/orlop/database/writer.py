"""SQLite's one writer. Units that wait share a transaction and its sync (group commit), each in a savepoint of its own.

There is no thread for it. Whoever finds nobody writing writes for all that wait, and hands over to the first of those
that came meanwhile: a write on an idle registry costs no change of threads, and under load each costs one.
"""

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
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
LARGEST_LOG = 16_384
"""Pages in the log (64 MiB) from which on a checkpoint waits for readers, so that the log can start anew."""
BUSY = 60_000
CHECKPOINT_BUSY = 250
"""Milliseconds that a commit waits for a foreign writer, and that a checkpoint waits for readers."""


class _Job:
    __slots__ = ("answered", "error", "result", "unit", "wake")

    def __init__(self, unit: Unit[Any]) -> None:
        self.unit = unit
        self.result: Any = None
        self.error: BaseException | None = None
        self.answered = False
        # Held until the job is answered, or is to lead. A bare lock costs a twentieth of an event.
        self.wake = threading.Lock()
        self.wake.acquire()


class Writer:
    """Owns a connection, and commits on it for every thread."""

    def __init__(self, connection: SqliteConnection, path: Path) -> None:
        self._connection = connection
        self._driver = connection.driver
        # Other processes on this database (maintenance commands) take the same lock, so that no writer starves.
        self._file = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._state = threading.Lock()  # guards _waiting and _closed
        self._turn = threading.Lock()  # held while anybody leads; passed on, not released, while jobs wait
        self._waiting: list[_Job] = []
        self._closed = False
        self._groups = 0
        self._patience = LARGEST_LOG
        self._driver.execute(f"PRAGMA busy_timeout={BUSY}")

    def run(self, unit: Unit[Result]) -> Result:
        """See `Database.write`."""
        job = _Job(unit)
        with self._state:
            if self._closed:
                raise Unavailable("the registry is stopping")
            self._waiting.append(job)
            leads = self._turn.acquire(blocking=False)
        if not leads:
            job.wake.acquire()
        if not job.answered:
            self._lead()
        error, job.error = job.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame: a cycle for each refused request
        result: Result = job.result
        return result

    def close(self) -> None:
        """Commits what waits and folds the log into the database."""
        with self._state:
            if self._closed:
                return
            self._closed = True
        with self._turn:
            self._checkpoint("TRUNCATE")
            os.close(self._file)

    def _lead(self) -> None:
        with self._state:
            group = self._waiting[:MAX_GROUP]
            del self._waiting[:MAX_GROUP]
        try:
            self._commit(group)
        except BaseException as error:  # noqa: BLE001 - whoever waits must be answered
            for job in group:
                job.error = job.error or _translated(error)
        try:
            for job in group:
                job.answered = True
                job.wake.release()
            self._shorten_log()
        finally:
            self._hand_over()

    def _hand_over(self) -> None:
        with self._state:
            if self._waiting:
                self._waiting[0].wake.release()
            else:
                self._turn.release()

    def _commit(self, group: list[_Job]) -> None:
        with self._locked():
            try:
                self._transaction(group)
            finally:
                if self._driver.in_transaction:
                    self._driver.execute("ROLLBACK")

    def _transaction(self, group: list[_Job]) -> None:
        self._driver.execute("BEGIN IMMEDIATE")
        for job in group:
            self._attempt(job, alone=len(group) == 1)
        if not all(job.error for job in group):
            self._connection.run(stores.RAISE_MARK)
            self._driver.execute("COMMIT")

    def _attempt(self, job: _Job, *, alone: bool) -> None:
        if not alone:
            self._driver.execute("SAVEPOINT unit")
        try:
            job.result = job.unit(self._connection)
        except BaseException as error:
            if not self._driver.in_transaction:
                raise  # SQLite gave up the whole transaction (full disk, I/O error)
            job.error = _translated(error)
            if not alone:
                self._driver.execute("ROLLBACK TO unit")
        if not alone:
            self._driver.execute("RELEASE unit")

    def _shorten_log(self) -> None:
        self._groups += 1
        if self._groups % CHECKPOINT_GROUPS:
            return
        # PASSIVE waits for nobody. Once all of the log is in the database, the next commit starts it anew, unless a
        # reader is still in it. With readers at all times that moment never comes, so a long log is worth a wait.
        _, length = self._checkpoint("PASSIVE")
        if length > self._patience:
            done, _ = self._checkpoint("RESTART")
            self._patience = LARGEST_LOG if done else length * 2

    def _checkpoint(self, mode: str) -> tuple[bool, int]:
        """Whether it came to its end, and how many pages the log holds. Without it the log grows; nothing is lost."""
        try:
            with self._locked():
                self._driver.execute(f"PRAGMA busy_timeout={CHECKPOINT_BUSY}")
                busy, length, _ = self._driver.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
                return not busy, length
        except sqlite3.Error:
            return False, 0
        finally:
            self._driver.execute(f"PRAGMA busy_timeout={BUSY}")

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def _translated(error: BaseException) -> BaseException:
    """The same in the registry's words, where it comes from the database and not from a statement."""
    if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
        return error
    full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
    failure = StorageFull() if full else Unavailable(f"the database cannot be written: {error}")
    failure.__cause__ = error
    return failure
