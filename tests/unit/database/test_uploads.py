"""Uploads: an id opens what its own repository and account began, until its time is over."""

from orlop.database import repositories, uploads
from orlop.database.connection import Connection
from orlop.database.engine import Database
from tests.unit.database.content import MINUTE, NAME, OTHER

ID = "5f" * 20


def start(database: Database, lifetime: int = MINUTE) -> None:
    def unit(connection: Connection) -> None:
        repository_id = repositories.ensure(connection, NAME)
        uploads.start(connection, ID, repository_id, "ann", "sha512", lifetime)

    database.write(unit)


def test_an_upload_is_found_by_its_own_repository_and_account_alone(database: Database) -> None:
    start(database)
    database.write(lambda connection: repositories.ensure(connection, OTHER))
    found = uploads.find(database.reader(), ID, NAME, "ann")
    assert found is not None
    assert (found.id, found.algorithm, found.hashed_size, found.hashed_hex) == (ID, "sha512", 0, "")
    assert uploads.find(database.reader(), ID, OTHER, "ann") is None
    assert uploads.find(database.reader(), ID, NAME, "bob") is None
    assert uploads.find(database.reader(), "00" * 20, NAME, "ann") is None


def test_an_upload_remembers_the_digest_so_far(database: Database) -> None:
    start(database)
    assert database.write(lambda connection: uploads.advance(connection, ID, 5 << 32, "abc", MINUTE))
    found = uploads.find(database.reader(), ID, NAME, "ann")
    assert found is not None
    assert (found.hashed_size, found.hashed_hex) == (5 << 32, "abc")


def test_an_upload_that_has_ended_is_gone(database: Database) -> None:
    start(database)
    assert uploads.exists(database.reader(), ID)
    assert database.write(lambda connection: uploads.end(connection, ID))
    assert not database.write(lambda connection: uploads.end(connection, ID))
    assert not database.write(lambda connection: uploads.advance(connection, ID, 1, "abc", MINUTE))
    assert not uploads.exists(database.reader(), ID)


def test_an_upload_lives_on_with_each_chunk_and_expires_without(database: Database) -> None:
    start(database)
    assert uploads.expired(database.reader()) == []
    database.write(lambda connection: uploads.advance(connection, ID, 1, "abc", -1))
    assert uploads.find(database.reader(), ID, NAME, "ann") is None
    assert uploads.expired(database.reader()) == [ID]
