"""The writer: what waits is committed together, fails alone, and is durable when it is answered."""

import itertools
import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orlop.database import outbox, stores, upgrade, writer
from orlop.database.connection import Connection, SqliteConnection
from orlop.database.engine import Database
from orlop.domain.errors import StorageFull, Unavailable

PATIENCE = 30
KILLS = 20


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def add(name: str) -> Callable[[Connection], str]:
    return lambda connection: outbox.add(connection, "tag", "team/app", name).name


def names(database: Database) -> list[str]:
    return [entry.name for entry in outbox.pending(database.reader(), 100_000)]


def mark(database: Database) -> int:
    found = stores.read(database.reader())
    assert found is not None
    return found.mark


class Held:
    """Keeps the writer busy with one unit while others are queued behind it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.pool = ThreadPoolExecutor(32)
        self._go = threading.Event()
        begun = threading.Event()
        self.first = self.pool.submit(database.write, lambda _: (begun.set(), self._go.wait(PATIENCE))[1])
        assert begun.wait(PATIENCE)

    def queue(self, *units: Callable[[Any], Any]) -> list[Future[Any]]:
        futures = []
        for unit in units:
            waiting = self.database._writer.waiting()
            futures.append(self.pool.submit(self.database.write, unit))
            until(lambda waiting=waiting: self.database._writer.waiting() > waiting)  # type: ignore[misc]
        return futures

    def release(self) -> None:
        self._go.set()
        assert self.first.result(PATIENCE) is True


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    sqlite_database.write(lambda connection: stores.create(connection, "id", 0))
    return sqlite_database


@pytest.fixture
def held(database: Database) -> Iterator[Held]:
    held = Held(database)
    yield held
    held.pool.shutdown()


def test_units_that_wait_share_one_commit_and_each_gets_its_own_result(database: Database, held: Held) -> None:
    before = mark(database)
    futures = held.queue(*[add(str(number)) for number in range(10)])
    held.release()
    assert [future.result(PATIENCE) for future in futures] == [str(number) for number in range(10)]
    assert mark(database) == before + 2  # the unit that kept the writer busy, and the ten


def test_a_unit_that_fails_leaves_its_neighbours_alone(database: Database, held: Held) -> None:
    def fail(connection: Connection) -> None:
        add("of the failed unit")(connection)
        raise LookupError("mine alone")

    before, failed, after = held.queue(add("before"), fail, add("after"))
    held.release()
    assert (before.result(PATIENCE), after.result(PATIENCE)) == ("before", "after")
    with pytest.raises(LookupError, match="mine alone"):
        failed.result(PATIENCE)
    assert names(database) == ["before", "after"]


def test_a_commit_of_nothing_but_failures_changes_nothing(database: Database) -> None:
    def fail(connection: Connection) -> None:
        add("of the failed unit")(connection)
        raise LookupError

    before = mark(database)
    with pytest.raises(LookupError):
        database.write(fail)
    assert names(database) == []
    assert mark(database) == before


def test_every_thread_gets_the_result_of_its_own_unit(database: Database) -> None:
    def work(thread: int) -> None:
        for number in range(40):
            assert database.write(add(f"{thread}/{number}")) == f"{thread}/{number}"

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert sorted(names(database)) == sorted(f"{thread}/{number}" for thread in range(16) for number in range(40))


@contextmanager
def files_that_cannot_grow(size: int) -> Iterator[None]:
    """No file of this process gets longer than `size` bytes in the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_commit_that_fails_fails_all_its_units_and_nothing_of_it_holds(database: Database, held: Held) -> None:
    before = mark(database)
    futures = held.queue(*[add(str(number)) for number in range(5)])
    with files_that_cannot_grow(database.path.with_name("orlop.db-wal").stat().st_size + 100):
        held._go.set()
        for future in [held.first, *futures]:
            with pytest.raises(Unavailable, match="cannot be written"):
                future.result(PATIENCE)
    assert names(database) == []
    assert mark(database) == before
    assert database.write(add("later")) == "later"
    assert names(database) == ["later"]


def test_a_full_disk_is_told_as_such_and_writing_goes_on_when_there_is_room(database: Database) -> None:
    def limit(connection: SqliteConnection, pages: int) -> None:
        connection.driver.execute(f"PRAGMA max_page_count={pages}")

    def large(connection: Connection) -> None:
        for number in range(100):
            add(f"{number}" * 1000)(connection)

    database.write(lambda connection: limit(connection, 1))  # SQLite takes the number of pages that there are
    with pytest.raises(StorageFull):
        database.write(large)
    assert names(database) == []
    database.write(lambda connection: limit(connection, 1 << 30))
    database.write(large)
    assert len(names(database)) == 100


def test_closing_commits_what_waits_and_refuses_what_comes_later(database: Database, held: Held) -> None:
    futures = held.queue(*[add(str(number)) for number in range(5)])
    closing = threading.Thread(target=database.close)
    closing.start()
    until(lambda: database._writer._closed)
    with pytest.raises(Unavailable, match="stopping"):
        database.write(add("late"))
    held.release()
    closing.join(PATIENCE)
    assert [future.result(PATIENCE) for future in futures] == ["0", "1", "2", "3", "4"]
    assert not database.path.with_name("orlop.db-wal").exists()
    again = Database(database.path)
    assert names(again) == ["0", "1", "2", "3", "4"]
    again.close()


def write_many(path: Path, who: str, count: int) -> None:
    database = Database(path)
    for number in range(count):
        database.write(add(f"{who}/{number}"))
    database.close()


def test_two_processes_write_at_once_and_none_fails(database: Database) -> None:
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=write_many, args=(database.path, who, 150)) for who in ("one", "two")]
    for process in others:
        process.start()
    for number in itertools.count():
        if not any(process.is_alive() for process in others):
            break
        database.write(add(f"own/{number}"))
    assert [process.exitcode for process in others] == [0, 0]
    found = names(database)
    assert sorted(name for name in found if not name.startswith("own")) == sorted(
        f"{who}/{number}" for who in ("one", "two") for number in range(150)
    )
    assert sum(name.startswith("own") for name in found) == number


@pytest.fixture
def readers_at_all_times(database: Database) -> Iterator[None]:
    """Snapshots of a few milliseconds, each begun before the last has ended."""
    stop = threading.Event()

    def read() -> None:
        connections = itertools.cycle([sqlite3.connect(database.path, isolation_level=None) for _ in range(2)])
        open_one = next(connections)
        open_one.execute("BEGIN").execute("SELECT count(*) FROM outbox").fetchall()
        while not stop.wait(0.003):
            following = next(connections)
            following.execute("BEGIN").execute("SELECT count(*) FROM outbox").fetchall()
            open_one.execute("COMMIT")
            open_one = following
        open_one.execute("COMMIT")
        next(connections).close()
        next(connections).close()

    thread = threading.Thread(target=read)
    thread.start()
    yield
    stop.set()
    thread.join(PATIENCE)


@pytest.mark.usefixtures("readers_at_all_times")
def test_the_log_does_not_grow_without_end_under_readers(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CHECKPOINT_GROUPS", 8)
    monkeypatch.setattr(database._writer, "_patience", 100)
    monkeypatch.setattr(writer, "LARGEST_LOG", 100)
    log = database.path.with_name("orlop.db-wal")
    text = "x" * 50_000
    for _ in range(400):
        entry = database.write(lambda connection: outbox.add(connection, "tag", "team/app", text))
        database.write(lambda connection, entry=entry: outbox.done(connection, [entry]))
    assert log.stat().st_size < 400 * len(text) / 4


def test_a_killed_process_loses_nothing_that_it_has_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    upgrade.prepare(path)
    acknowledged: set[str] = set()
    for life in range(KILLS):
        command = [sys.executable, "-c", f"from {__name__} import acknowledge; acknowledge({str(path)!r}, {life})"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(20 + 7 * life)]
            process.kill()
            lines += process.stdout.readlines()
        acknowledged |= {line.decode().strip() for line in lines if line.endswith(b"\n")}
    database = Database(path)
    assert len(acknowledged) > 20 * KILLS
    assert acknowledged <= set(names(database))
    assert database.reader().driver.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def acknowledge(path: str, life: int) -> None:
    """Writes from many threads without end, and prints what was answered."""
    database = Database(Path(path))

    def work(thread: int) -> None:
        for number in itertools.count():
            name = database.write(add(f"{life}/{thread}/{number}"))
            os.write(1, f"{name}\n".encode())

    for thread in range(8):
        threading.Thread(target=work, args=(thread,)).start()
