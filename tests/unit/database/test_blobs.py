"""Blobs: one row for each digest, links to repositories, and the generation of the key in the tree."""

import pytest

from orlop.database import blobs, leases, repositories
from orlop.database.connection import Connection
from orlop.database.engine import Database
from tests.unit.database.content import MINUTE, NAME, OTHER, add_blob, add_manifest, digest


def set_state(database: Database, state: str) -> None:
    """What collection does."""
    database.write(lambda connection: connection.driver.execute(f"UPDATE blobs SET state = '{state}'").rowcount)


def state_of(database: Database) -> tuple[int, int, str, int]:
    """Row id, size, state and generation of the blob."""
    record = blobs.record(database.reader(), digest("layer"))
    assert record is not None
    return record[:4]


def record_live(database: Database, text: str, generation: int) -> bool:
    return database.write(lambda connection: blobs.record_live(connection, digest(text), len(text), generation))


def test_a_repository_holds_what_was_linked_and_no_other_does(database: Database) -> None:
    database.write(lambda connection: add_blob(connection, NAME, "layer"))
    database.write(lambda connection: repositories.ensure(connection, OTHER))
    held = blobs.held(database.reader(), NAME, digest("layer"))
    assert held is not None
    assert (held.size, held.generation, held.lease_expires_at) == (5, 0, 0)
    assert blobs.held(database.reader(), OTHER, digest("layer")) is None
    assert blobs.held(database.reader(), NAME, digest("another")) is None
    assert blobs.held_anywhere(database.reader(), digest("layer"))
    assert not blobs.held_anywhere(database.reader(), digest("another"))


def test_a_blob_is_told_with_its_lease(database: Database) -> None:
    def unit(connection: Connection) -> int:
        add_blob(connection, NAME, "layer")
        before = connection.now()
        leases.renew(connection, repositories.ensure(connection, NAME), digest("layer"), MINUTE)
        return before

    before = database.write(unit)
    held = blobs.held(database.reader(), NAME, digest("layer"), firmly=True)
    assert held is not None
    assert before <= held.lease_expires_at - MINUTE <= database.reader().now()


def test_a_blob_that_is_recorded_and_linked_again_stays_one(database: Database) -> None:
    database.write(lambda connection: add_blob(connection, NAME, "layer"))
    database.write(lambda connection: add_blob(connection, NAME, "layer"))
    rows = database.reader().driver.execute("SELECT count(*) FROM repository_blobs").fetchall()
    assert rows == [(1,)]


@pytest.mark.parametrize("state", ["condemned", "removing"])
def test_a_blob_that_is_on_its_way_out_is_not_there(database: Database, state: str) -> None:
    repository_id = database.write(
        lambda connection: (add_blob(connection, NAME, "layer"), repositories.ensure(connection, NAME))[1]
    )
    assert blobs.size_in(database.reader(), repository_id, digest("layer")) == 5
    set_state(database, state)
    assert blobs.held(database.reader(), NAME, digest("layer")) is None
    assert blobs.held(database.reader(), NAME, digest("layer"), firmly=True) is None
    assert blobs.size_in(database.reader(), repository_id, digest("layer")) is None
    assert not blobs.held_anywhere(database.reader(), digest("layer"))


def test_a_push_revives_a_condemned_blob(database: Database) -> None:
    record_live(database, "layer", 0)
    set_state(database, "condemned")
    assert record_live(database, "layer", 0)
    assert state_of(database) == (1, 5, "live", 0)


def test_a_key_that_was_handed_to_removal_is_never_live_again(database: Database) -> None:
    record_live(database, "layer", 0)
    set_state(database, "removing")
    assert not record_live(database, "layer", 0)
    assert state_of(database) == (1, 5, "removing", 0)
    assert record_live(database, "layer", 1)
    assert state_of(database) == (1, 5, "live", 1)


def test_a_writer_that_was_overtaken_does_not_bring_an_older_key_back(database: Database) -> None:
    record_live(database, "layer", 1)
    assert not record_live(database, "layer", 0)
    assert state_of(database) == (1, 5, "live", 1)


def test_rebuilding_records_what_is_found_whatever_was_there(database: Database) -> None:
    record_live(database, "layer", 0)
    set_state(database, "removing")
    database.write(lambda connection: blobs.rebuild(connection, digest("layer"), 5, 3))
    assert state_of(database) == (1, 5, "live", 3)


def test_unlinking_takes_a_blob_out_of_one_repository(database: Database) -> None:
    def unit(connection: Connection) -> tuple[bool, bool]:
        add_blob(connection, NAME, "layer")
        add_blob(connection, OTHER, "layer")
        repository_id = repositories.ensure(connection, NAME)
        return (
            blobs.unlink(connection, repository_id, digest("layer")),
            blobs.unlink(connection, repository_id, digest("layer")),
        )

    assert database.write(unit) == (True, False)
    assert blobs.held(database.reader(), NAME, digest("layer")) is None
    assert blobs.held(database.reader(), OTHER, digest("layer")) is not None


def test_what_a_manifest_of_the_repository_names_is_needed_by_it(database: Database) -> None:
    def unit(connection: Connection) -> tuple[int, int]:
        layer = add_blob(connection, NAME, "layer")
        add_manifest(connection, NAME, "image", layer)
        return repositories.ensure(connection, NAME), repositories.ensure(connection, OTHER)

    own, other = database.write(unit)
    assert blobs.needed_by(database.reader(), own, digest("layer")) == digest("image")
    assert blobs.needed_by(database.reader(), other, digest("layer")) is None
    assert blobs.needed_by(database.reader(), own, digest("image")) is None
