"""The outbox: entries in the order in which they came, with ids that never come twice."""

from orlop.database import outbox
from orlop.database.engine import Database


def add(database: Database, name: str) -> outbox.Entry:
    return database.write(lambda connection: outbox.add(connection, "tag", "team/app", name))


def test_entries_wait_in_their_order_until_they_are_done(database: Database) -> None:
    entries = [add(database, name) for name in ("c", "a", "b")]
    assert outbox.pending(database.reader(), 2) == entries[:2]
    assert outbox.size(database.reader()) == 3
    database.write(lambda connection: outbox.done(connection, entries[:2]))
    assert outbox.pending(database.reader(), 10) == entries[2:]


def test_an_id_never_comes_twice(database: Database) -> None:
    seen = set()
    for _ in range(3):
        entry = add(database, "latest")
        assert entry.id not in seen
        seen.add(entry.id)
        database.write(lambda connection, entry=entry: outbox.done(connection, [entry]))
    assert outbox.size(database.reader()) == 0
