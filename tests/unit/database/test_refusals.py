"""Refusals: counted in memory, written together, on both engines."""

import pytest

from orlop.auth.throttle import origin
from orlop.database import audit
from orlop.database.audit import Entry, Filter
from orlop.database.engine import Database
from orlop.database.pages import LARGEST
from orlop.domain.caller import Caller
from orlop.domain.errors import Unavailable
from orlop.registry import refusals as module
from orlop.registry.refusals import Refusals

ALICE = Caller("alice", "192.0.2.1", "r-1")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_020.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refusals(database: Database, clock: Clock) -> Refusals:
    return Refusals(database, origin, clock)


def entries(database: Database) -> list[Entry]:
    return audit.page(database.reader(), Filter(), before=LARGEST, count=1000)


def test_those_of_a_minute_are_one_entry(database: Database, refusals: Refusals, clock: Clock) -> None:
    refusals.note(ALICE, "refused.access", "a", "v1")
    refusals.note(ALICE, "refused.access", "b")
    assert refusals.flush() == 1
    refusals.note(ALICE, "refused.access", "c")
    refusals.flush()
    (entry,) = entries(database)
    assert (entry.account, entry.address, entry.request_id) == tuple(ALICE)[:3]
    assert (entry.action, entry.repository, entry.object, entry.times) == ("refused.access", "a", "v1", 3)
    clock.now += 60
    refusals.note(ALICE, "refused.access", "d")
    refusals.note(ALICE, "refused.sign-in")
    refusals.note(ALICE._replace(account="bob"), "refused.access")
    refusals.flush()
    assert [entry.times for entry in entries(database)] == [1, 1, 1, 3]
    assert refusals.flush() == 0


def test_everyone_with_ipv6_has_a_whole_network(database: Database, refusals: Refusals) -> None:
    for number in range(50):
        refusals.note(Caller("", f"2001:db8::{number:x}"), "refused.sign-in")
    refusals.flush()
    (entry,) = entries(database)
    assert (entry.address, entry.times) == ("2001:db8::0", 50)


def test_a_flood_is_bounded(database: Database, refusals: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    for number in range(100):
        refusals.note(Caller(f"user-{number}", "192.0.2.1"), "refused.sign-in")
        if number % 7 == 0:
            refusals.flush()
    refusals.flush()
    found = entries(database)
    assert len(found) <= 11
    assert sum(entry.times for entry in found) == 100
    assert "(others)" in {entry.account for entry in found}


def test_an_entry_that_was_dropped_is_made_anew(database: Database, refusals: Refusals) -> None:
    refusals.note(ALICE, "refused.access")
    refusals.flush()
    database.write(lambda connection: audit.trim(connection, 0))
    refusals.note(ALICE, "refused.access")
    refusals.flush()
    assert [entry.times for entry in entries(database)] == [1]


def test_what_cannot_be_written_is_kept(
    database: Database, refusals: Refusals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(unit: object) -> None:
        raise Unavailable

    refusals.note(ALICE, "refused.access")
    with monkeypatch.context() as patch:
        patch.setattr(database, "write", fail)
        with pytest.raises(Unavailable):
            refusals.flush()
        refusals.note(ALICE, "refused.access")
    refusals.flush()
    assert [entry.times for entry in entries(database)] == [2]
