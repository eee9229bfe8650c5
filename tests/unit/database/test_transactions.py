"""Units that meet: each sees what holds until it commits, on a database with many writers too."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import pytest

from orlop.database import blobs, manifests, repositories, tags
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.postgresql import PostgresDatabase
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobInUse, ManifestInUse, Unavailable
from orlop.registry.blobs import Blobs
from orlop.registry.content import Content
from orlop.registry.manifests import Manifests
from orlop.registry.names import Names
from orlop.storage.memory import MemoryStorage
from tests.unit.database.content import CALLER, MINUTE, NAME, OTHER, add_blob, add_manifest, digest

PATIENCE = 30


def in_threads(*functions: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(functions)) as pool:
        return [future.result() for future in [pool.submit(function) for function in functions]]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class Meeting:
    """Runs `first` in a transaction that stays open until `second` waits for it, or has ended."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self.second_waited = False

    def run(self, first: Callable[[Connection], Any], second: Callable[[], Any]) -> tuple[Any, Future[Any]]:
        with ThreadPoolExecutor(1) as pool:
            later: Future[Any] = Future()

            def unit(connection: Connection) -> Any:
                nonlocal later
                result = first(connection)
                later = pool.submit(second)
                until(lambda: later.done() or self._somebody_waits())
                self.second_waited = not later.done()
                return result

            return self._database.write(unit), later

    def _somebody_waits(self) -> bool:
        rows = self._database.reader().driver.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall()
        return bool(rows)


@pytest.fixture
def meeting(postgresql_database: PostgresDatabase) -> Meeting:
    return Meeting(postgresql_database)


@pytest.fixture
def content(postgresql_database: PostgresDatabase) -> Content:
    return Content(MemoryStorage(), cast(Database, postgresql_database))


def push_manifest(connection: Connection, text: str, reference: Digest, kind: str = "layer") -> bool:
    """A manifest, if what it references is there; as the registry does it."""
    repository_id = repositories.ensure(connection, NAME)
    if kind == "layer":
        there = blobs.size_in(connection, repository_id, reference) is not None
    else:
        there = manifests.find(connection, repository_id, reference) is not None
    if there:
        add_manifest(connection, NAME, text, reference, kind=kind)
    return there


def test_a_blob_that_a_manifest_in_flight_counts_on_is_not_deleted(meeting: Meeting, content: Content) -> None:
    layer = content.database.write(lambda connection: add_blob(connection, NAME, "layer"))
    pushed, deleted = meeting.run(
        lambda connection: push_manifest(connection, "image", layer),
        lambda: Blobs(content, MINUTE).delete(CALLER, NAME, layer),
    )
    assert pushed
    assert isinstance(deleted.exception(), BlobInUse)
    assert blobs.held(content.database.reader(), NAME, layer) is not None


def test_a_manifest_does_not_count_on_a_blob_whose_deletion_is_in_flight(meeting: Meeting, content: Content) -> None:
    layer = content.database.write(lambda connection: add_blob(connection, NAME, "layer"))

    def delete(connection: Connection) -> None:
        repository_id = repositories.lock(connection, NAME)
        assert repository_id is not None
        blobs.unlink(connection, repository_id, layer)

    _, pushed = meeting.run(
        delete, lambda: content.database.write(lambda connection: push_manifest(connection, "image", layer))
    )
    assert pushed.result() is False


def test_a_child_that_an_index_in_flight_counts_on_is_not_deleted(meeting: Meeting, content: Content) -> None:
    content.database.write(lambda connection: add_manifest(connection, NAME, "child"))
    registry = Manifests(content, Names(content.storage, content.database), limit=1, lease=MINUTE, sparse=False)
    pushed, deleted = meeting.run(
        lambda connection: push_manifest(connection, "index", digest("child"), "manifest"),
        lambda: registry.delete(CALLER, NAME, digest("child")),
    )
    assert pushed
    assert isinstance(deleted.exception(), ManifestInUse)


@pytest.mark.parametrize(
    "counts_on_it",
    [
        lambda connection, layer: push_manifest(connection, "image", layer),
        lambda connection, layer: blobs.held(connection, NAME, layer, firmly=True),
        lambda connection, layer: blobs.held_anywhere(connection, layer),
    ],
    ids=["push", "lease", "mount"],
)
def test_a_blob_stays_live_until_who_counts_on_it_has_committed(
    meeting: Meeting, content: Content, counts_on_it: Callable[[Connection, Digest], Any]
) -> None:
    layer = content.database.write(lambda connection: add_blob(connection, NAME, "layer"))

    def condemn(connection: Connection) -> None:
        connection.driver.execute("UPDATE blobs SET state = 'condemned'")  # type: ignore[attr-defined]

    found, condemned = meeting.run(
        lambda connection: counts_on_it(connection, layer), lambda: content.database.write(condemn)
    )
    condemned.result()
    assert found
    assert meeting.second_waited


def test_the_first_pushes_to_a_repository_make_one_row(database: Database) -> None:
    together = threading.Barrier(8)

    def push() -> int:
        together.wait(PATIENCE)
        return database.write(lambda connection: repositories.ensure(connection, NAME))

    assert len(set(in_threads(*[push] * 8))) == 1


def test_the_history_of_a_tag_is_one_chain_whoever_moves_it(database: Database) -> None:
    def prepare(connection: Connection) -> dict[str, int]:
        return {digest(str(number)): add_manifest(connection, NAME, str(number)) for number in range(8)}

    ids = database.write(prepare)

    def move(to: str) -> None:
        def unit(connection: Connection) -> None:
            tags.point(connection, CALLER, repositories.ensure(connection, NAME), "latest", ids[to], to)

        for _ in range(5):
            database.write(unit)

    in_threads(*[lambda to=to: move(to) for to in ids])
    repository_id = repositories.find(database.reader(), NAME)
    assert repository_id is not None
    changes = tags.history(database.reader(), repository_id, "latest", 100)
    assert len(changes) >= 8
    assert changes[0].digest == tags.current(database.reader(), NAME, "latest")
    assert [change.previous for change in changes] == [*[change.digest for change in changes[1:]], None]


def test_one_of_two_units_that_wait_for_each_other_is_run_again(postgresql_database: PostgresDatabase) -> None:
    for name in (NAME, OTHER):
        postgresql_database.write(lambda connection, name=name: repositories.ensure(connection, name))
    both_hold_one = threading.Barrier(2)
    runs = []

    def crossing(*names: Any) -> None:
        def unit(connection: Connection) -> None:
            runs.append(names)
            repositories.lock(connection, names[0])
            if len(runs) <= 2:
                both_hold_one.wait(PATIENCE)
            repositories.lock(connection, names[1])

        postgresql_database.write(unit)

    in_threads(lambda: crossing(NAME, OTHER), lambda: crossing(OTHER, NAME))
    assert len(runs) > 2


def test_a_unit_that_fails_leaves_nothing(database: Database) -> None:
    def unit(connection: Connection) -> None:
        repositories.ensure(connection, NAME)
        raise LookupError("nothing to do with the database")

    with pytest.raises(LookupError, match="nothing to do with the database"):
        database.write(unit)
    assert repositories.find(database.reader(), NAME) is None
    assert database.write(lambda connection: repositories.ensure(connection, NAME)) > 0


def test_a_snapshot_stays_as_it_was_and_the_next_is_new(database: Database) -> None:
    with database.snapshot() as connection:
        assert repositories.find(connection, NAME) is None
        in_threads(lambda: database.write(lambda connection: repositories.ensure(connection, NAME)))
        assert repositories.find(connection, NAME) is None
    with database.snapshot() as connection:
        assert repositories.find(connection, NAME) is not None
    assert repositories.find(database.reader(), NAME) is not None


def test_a_server_that_went_away_is_said_and_found_again(postgresql_database: PostgresDatabase) -> None:
    def unit(connection: Connection) -> None:
        repositories.ensure(connection, NAME)
        connection.driver.execute("SELECT pg_terminate_backend(pg_backend_pid())")  # type: ignore[attr-defined]

    with pytest.raises(Unavailable, match="cannot be written"):
        postgresql_database.write(unit)
    assert repositories.find(postgresql_database.reader(), NAME) is None
    assert postgresql_database.write(lambda connection: repositories.ensure(connection, NAME)) > 0
