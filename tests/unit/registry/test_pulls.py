"""Pulls are noted without a write and recorded to the hour."""

import time

from orlop.domain.name import Tag
from orlop.registry.pulls import HOUR, MOST, Pulls
from tests.unit.registry.house import CALLER, NAME, House


def recorded(house: House) -> tuple[set[int | None], dict[str, int | None]]:
    driver = house.database.reader().driver
    manifests = {row[0] for row in driver.execute("SELECT last_pulled_at FROM manifests")}
    return manifests, dict(driver.execute("SELECT name, last_pulled_at FROM tags"))


def test_pulls_are_recorded_to_the_hour(house: House) -> None:
    digest = house.push_image("a", "b")
    pulls = Pulls(house.database)
    before = time.time_ns() // 1_000_000 // HOUR * HOUR
    pulls.note(house.manifests.find(CALLER, NAME, Tag("a")), Tag("a"))
    assert recorded(house) == ({None}, {"a": None, "b": None})
    assert pulls.flush() == 1
    (at,), tags = recorded(house)
    assert at in (before, before + HOUR)
    assert tags == {"a": at, "b": None}
    pulls.note(house.manifests.find(CALLER, NAME, digest), digest)
    pulls.flush()
    assert recorded(house)[1]["b"] is None
    assert pulls.flush() == 0


def test_what_went_meanwhile_is_no_error(house: House) -> None:
    pulls = Pulls(house.database)
    gone, kept = house.push_image("a"), house.push_image("b")
    for tag in (Tag("a"), Tag("b")):
        pulls.note(house.manifests.find(CALLER, NAME, tag), tag)
    house.manifests.delete(CALLER, NAME, gone)
    house.push(house.manifests.read(house.manifests.find(CALLER, NAME, kept)), "a")
    pulls.flush()
    (at,), tags = recorded(house)
    assert at
    assert tags == {"a": None, "b": at}  # `a` names another manifest now, which nobody pulled by it


def test_noted_pulls_are_bounded(house: House) -> None:
    house.push_image("a")
    found = house.manifests.find(CALLER, NAME, Tag("a"))
    pulls = Pulls(house.database)
    for number in range(MOST + 10):
        pulls.note(found, Tag(f"t{number}"))
    assert pulls.flush() == MOST
