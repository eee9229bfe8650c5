"""The row that says which store a database describes."""

from orlop.database import outbox, stores
from orlop.database.engine import Database


def test_a_database_describes_no_store_until_it_is_told(database: Database) -> None:
    assert stores.read(database.reader()) is None
    database.write(lambda connection: stores.create(connection, "id", 7))
    found = stores.read(database.reader())
    assert found is not None
    assert found.store_id == "id"


def test_every_commit_raises_the_mark(sqlite_database: Database) -> None:
    sqlite_database.write(lambda connection: stores.create(connection, "id", 7))
    before = stores.read(sqlite_database.reader())
    sqlite_database.write(lambda connection: outbox.add(connection, "tag", "team/app", "latest"))
    after = stores.read(sqlite_database.reader())
    assert before is not None
    assert after is not None
    assert after.mark == before.mark + 1
