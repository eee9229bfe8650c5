"""Connections: readers see commits and wait for nobody; those of threads that ended are closed."""

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from orlop.database import repositories
from orlop.database.connection import Connection
from orlop.database.engine import Database
from tests.unit.database.content import NAME

PATIENCE = 30


def open_files(database: Database) -> int:
    """How many descriptors of this process are the database's."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{descriptor}") == str(database.path)
        except FileNotFoundError:  # the listing's own
            continue
    return count


def test_the_loops_connection_reads_what_was_committed_while_others_write(sqlite_database: Database) -> None:
    begun, go = threading.Event(), threading.Event()

    def unit(connection: Connection) -> None:
        repositories.ensure(connection, NAME)
        begun.set()
        assert go.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(sqlite_database.write, unit)
        assert begun.wait(PATIENCE)
        assert repositories.find(sqlite_database.hot(), NAME) is None
        assert not written.done()
        go.set()
        written.result(PATIENCE)
    assert repositories.find(sqlite_database.hot(), NAME) is not None


def test_each_thread_reads_on_a_connection_of_its_own(sqlite_database: Database) -> None:
    with ThreadPoolExecutor(2) as pool, sqlite_database.snapshot():
        others = [pool.submit(sqlite_database.reader).result(PATIENCE) for _ in range(2)]
        assert sqlite_database.reader() not in others
        assert not any(other.driver.in_transaction for other in others)


def test_connections_of_threads_that_ended_are_closed(sqlite_database: Database) -> None:
    sqlite_database.reader()
    before = open_files(sqlite_database)
    during = []

    def read() -> None:
        repositories.find(sqlite_database.reader(), NAME)
        during.append(open_files(sqlite_database))

    for _ in range(50):
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    gc.collect()
    assert max(during) > before
    # SQLite keeps a descriptor for later where closing it would drop a lock that another one holds.
    assert open_files(sqlite_database) < before + 5


def test_a_closed_database_holds_no_files(sqlite_database: Database) -> None:
    repositories.find(sqlite_database.reader(), NAME)
    assert open_files(sqlite_database) > 0
    sqlite_database.close()
    assert open_files(sqlite_database) == 0
