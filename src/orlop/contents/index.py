"""contents.db: what is in all layers, as one SQLite file beside the registry's database.

All in it is derived from the tables of contents in the tree. So a file that is damaged, or of another version, is
thrown away and made anew, and whoever runs Orlop may delete it at any time. Several processes have it open at once.

A file that is made anew takes the place of the old one whole: those who have that one open go on with it until they
notice, within a second. SQLite then leaves the log of the new one alone, as it sees that its own file was moved.
"""

import contextlib
import fcntl
import os
import secrets
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import structlog

from orlop.contents.resting import Traffic
from orlop.contents.schema import SCHEMA, VERSION
from orlop.domain.errors import ContentsPending, StorageFull, Unavailable

T = TypeVar("T")

BUSY = 60.0
"""Seconds that a writer waits for another: loading a large layer takes that long."""
LONG_BUSY = 600.0
"""The same of a writer whom nobody waits for."""
LOOK = 1.0
"""Seconds from one look whether the file was replaced to the next."""
READER_CACHE = 4_000
WRITER_CACHE = 32_000
"""KiB of pages that a connection keeps. The kernel keeps the rest."""
LOG = 64 << 20
"""Bytes to which the log is cut after a large load."""

DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

log = structlog.get_logger("orlop.contents")


class _Connection(sqlite3.Connection):
    generation = ""

    def __del__(self) -> None:
        """A thread that ends drops its connection."""
        with contextlib.suppress(sqlite3.ProgrammingError):  # it was never opened
            self.close()


class Index:
    """Safe to use from any thread, and beside any number of other processes."""

    generation: str
    """Random, made with the file: another one means that all layers must be loaded again."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it. Unavailable where that cannot be."""
        self.path = path
        self.traffic = Traffic(path)
        self._local = threading.local()
        self._opened: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._guard = threading.RLock()
        self._writing = threading.Lock()
        self._writer: _Connection | None = None
        self._looked = 0.0
        self._ensure()

    def reader(self) -> sqlite3.Connection:
        """This thread's connection, each statement its own snapshot. Never waits for a writer."""
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is not None and connection.in_transaction:
            return connection
        self._look()
        if connection is None or connection.generation != self.generation:
            if connection is not None:
                connection.close()
            connection = self._local.connection = self._connect(READER_CACHE)
            connection.execute("PRAGMA query_only=ON")
        return connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, with one snapshot for all that is read in the block; blocks may be nested.

        Where the file turns out to be damaged, it is made anew, and ContentsPending raised.
        """
        connection = self.reader()
        if connection.in_transaction:
            yield connection
            return
        with self.translating(connection):
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")

    def write(self, unit: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `unit` in a transaction; what it raises undoes it. Others wait meanwhile: it must be short.

        StorageFull, Unavailable: nothing of it holds. ContentsPending: the file was damaged, and was made anew.
        """
        with self._writing:
            self._look(now=True)
            if self._writer is None or self._writer.generation != self.generation:
                self._writer = self._connect(WRITER_CACHE)
            return self.transact(self._writer, unit)

    def transact(self, connection: sqlite3.Connection, unit: Callable[[sqlite3.Connection], T]) -> T:
        """`write` on a connection that `connect` gave."""
        with self.translating(connection):
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = unit(connection)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
            return result

    def connect(self) -> sqlite3.Connection:
        """A connection for one long work, to be closed by whoever asked."""
        self._look(now=True)
        connection = self._connect(WRITER_CACHE)
        connection.execute(f"PRAGMA busy_timeout={round(LONG_BUSY * 1000)}")
        return connection

    def renew(self, generation: str) -> None:
        """Throws away the file of that generation, unless somebody has done so already, and makes an empty one."""
        with self._guard, self._locked(fcntl.LOCK_EX):
            if _generation(self.path) in (generation, None):
                self._make()
            self._know()

    def size(self) -> int:
        """Bytes on disk: the file and its log."""
        files = (self.path, _beside(self.path, "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def close(self) -> None:
        with self._guard:
            for connection in list(self._opened):
                connection.close()
        self.traffic.close()

    def _ensure(self) -> None:
        with self._guard, self._locked(fcntl.LOCK_EX):
            if _generation(self.path) is None:
                self._make()
            self._know()

    def _know(self) -> None:
        self.generation = _generation(self.path) or ""
        self._file = _identity(self.path)
        self._looked = time.monotonic()

    def _look(self, *, now: bool = False) -> None:
        """Notices a file that was replaced or deleted."""
        if now or time.monotonic() - self._looked >= LOOK:
            self._looked = time.monotonic()
            if _identity(self.path) != self._file:
                self._ensure()

    def _make(self) -> None:
        """An empty file in the place of what is there. It comes by renaming: there is never half of one."""
        new = _beside(self.path, ".new")
        for left in (new, _beside(new, "-journal"), _beside(new, "-wal"), _beside(new, "-shm")):
            left.unlink(missing_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
                connection.execute("INSERT INTO meta (generation) VALUES (?)", (secrets.token_hex(16),))
            for old in ("", "-wal", "-shm"):
                _beside(self.path, old).unlink(missing_ok=True)
            new.rename(self.path)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"{self.path} cannot be made: {error}") from error

    def _connect(self, cache: int) -> _Connection:
        for _ in range(3):
            # The log is opened with the first statement: not while somebody replaces the two.
            with self._locked(fcntl.LOCK_SH):
                try:
                    connection = _open(self.path)
                    break
                except sqlite3.Error as error:
                    failure = error
            self._ensure()
        else:
            raise Unavailable(f"{self.path} cannot be opened: {failure}") from failure
        for pragma in (f"cache_size=-{cache}", "synchronous=NORMAL", f"journal_size_limit={LOG}"):
            connection.execute(f"PRAGMA {pragma}")
        with self._guard:
            self._opened.add(connection)
        if connection.generation != self.generation:
            self._ensure()
        return connection

    @contextlib.contextmanager
    def translating(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Tells of the database's failures in the registry's words, and makes a damaged file anew."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in DAMAGED:
                assert isinstance(connection, _Connection)
                log.warning("contents.db is damaged and is made anew", path=str(self.path), error=str(error))
                self.renew(connection.generation)
                raise ContentsPending from error
            if code == sqlite3.SQLITE_FULL:
                raise StorageFull from error
            if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
                raise Unavailable(f"contents.db cannot be used just now: {error}") from error
            raise

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        descriptor = os.open(_beside(self.path, ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


def _open(path: Path) -> _Connection:
    # mode=rw: what is not there is not made by opening it.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY,
        isolation_level=None,
        check_same_thread=False,
        factory=_Connection,
        cached_statements=256,
    )
    try:
        (connection.generation,) = connection.execute("SELECT generation FROM meta").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _generation(path: Path) -> str | None:
    """Of the file there, where it is one of this version, and no damage shows at once."""
    if not path.exists():
        return None
    try:
        with contextlib.closing(_open(path)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                return connection.generation
            error = f"it is of version {version}"
    except (sqlite3.DatabaseError, TypeError) as failure:
        code = getattr(failure, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code not in DAMAGED | {sqlite3.SQLITE_ERROR}:
            raise Unavailable(f"{path} cannot be opened: {failure}") from failure
        error = str(failure)
    log.warning("contents.db cannot be used and is made anew", path=str(path), error=error)
    return None


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_dev, status.st_ino


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}{suffix}")
