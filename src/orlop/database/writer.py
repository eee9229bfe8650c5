"""SQLite's one writer. Units that wait share a transaction and its sync (group commit).

A unit that is refused does not undo the others: the group is then tried again, each unit in a savepoint of its own.

There is no thread for it: whoever finds nobody writing writes for all that wait (see `combining`).
"""

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from orlop.combining import Combiner
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


_STOPPING = "the registry is stopping"


def _END(connection: SqliteConnection) -> None:  # noqa: N802
    """The unit that closes the writer: it stands in the queue like any other, so that nothing is left behind it."""


class Writer:
    """Owns a connection, and commits on it for every thread."""

    def __init__(self, connection: SqliteConnection, path: Path) -> None:
        self._connection = connection
        self._driver = connection.driver
        # Other processes on this database (maintenance commands) take the same lock, so that no writer starves.
        self._file = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._group: Combiner[Sequence[Unit[Any]], list[Any]] = Combiner(
            self._commit, MAX_GROUP, afterwards=self._shorten_log
        )
        self._closing = threading.Lock()
        self._closed = False  # no unit is taken any more
        self._ended = False  # nor committed
        self._groups = 0
        self._patience = LARGEST_LOG
        self._driver.execute(f"PRAGMA busy_timeout={BUSY}")

    def run(self, units: Sequence[Unit[Result]]) -> list[Result | BaseException]:
        """See `Database.write_all`."""
        if self._closed:
            return [Unavailable(_STOPPING) for _ in units]
        return self._group.submit(units)

    def waiting(self) -> int:
        """How many submissions wait for their commit to begin."""
        return self._group.waiting()

    def close(self) -> None:
        """Commits what waits and folds the log into the database."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._group.submit([_END])

    def _commit(self, submitted: Sequence[Sequence[Unit[Any]]]) -> list[list[Any]]:
        answers = iter(self._answers([unit for units in submitted for unit in units]))
        return [list(islice(answers, len(units))) for units in submitted]

    def _answers(self, group: Sequence[Unit[Any]]) -> list[Any]:
        """One for each unit: its result or its error."""
        if self._ended:
            return [Unavailable(_STOPPING) for _ in group]
        before, last = _until_end(group)
        answers = self._committed(before) if before else []
        if last:
            self._ended = True
            self._checkpoint("TRUNCATE")
            os.close(self._file)
            answers.append(None)
        return answers + [Unavailable(_STOPPING) for _ in group[len(answers) :]]

    def _committed(self, group: Sequence[Unit[Any]]) -> list[Any]:
        answers: list[Any] = []
        try:
            with self._locked():
                self._transaction(group, answers)
        except BaseException as error:  # noqa: BLE001 - whoever waits must be answered
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK")
            failure = _translated(error)
            failed = [answer if isinstance(answer, BaseException) else failure for answer in answers]
            return failed + [failure] * (len(group) - len(failed))
        return answers

    def _transaction(self, group: Sequence[Unit[Any]], answers: list[Any]) -> None:
        self._driver.execute("BEGIN IMMEDIATE")
        if not self._plainly(group, answers):
            self._driver.execute("ROLLBACK")
            if len(group) == 1:
                return
            # Once more, so that those that were refused can be undone without the others.
            answers.clear()
            self._driver.execute("BEGIN IMMEDIATE")
            self._in_savepoints(group, answers)
        if all(isinstance(answer, BaseException) for answer in answers):
            self._driver.execute("ROLLBACK")
            return
        self._connection.run(stores.RAISE_MARK)
        self._driver.execute("COMMIT")

    def _plainly(self, group: Sequence[Unit[Any]], answers: list[Any]) -> bool:
        """Whether all went well. Refusals are rare, and savepoints take a third of a group's time (measured)."""
        for unit in group:
            try:
                answers.append(unit(self._connection))
            except BaseException as error:
                if not self._driver.in_transaction:
                    raise  # SQLite gave up the whole transaction (full disk, I/O error)
                answers.append(_translated(error))
                return False
        return True

    def _in_savepoints(self, group: Sequence[Unit[Any]], answers: list[Any]) -> None:
        # One by one: what was answered stays so, should SQLite give up the whole transaction in their middle.
        for unit in group:
            self._driver.execute("SAVEPOINT unit")
            try:
                answers.append(unit(self._connection))
            except BaseException as error:
                if not self._driver.in_transaction:
                    raise
                answers.append(_translated(error))
                self._driver.execute("ROLLBACK TO unit")
            self._driver.execute("RELEASE unit")

    def _shorten_log(self) -> None:
        self._groups += 1
        if self._groups % CHECKPOINT_GROUPS or self._ended:
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


def _until_end(group: Sequence[Unit[Any]]) -> tuple[Sequence[Unit[Any]], bool]:
    """The units before the closing one, and whether that is among them."""
    for number, unit in enumerate(group):
        if unit is _END:
            return group[:number], True
    return group, False


def _translated(error: BaseException) -> BaseException:
    """The same in the registry's words, where it comes from the database and not from a statement."""
    if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
        return error
    full = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL
    failure = StorageFull() if full else Unavailable(f"the database cannot be written: {error}")
    failure.__cause__ = error
    return failure
