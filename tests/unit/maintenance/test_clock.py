"""A clock that somebody sets is noticed, in whatever process, and not trusted for one lease."""

import pytest

from orlop.maintenance.clock import DRIFT, Clock, ClockWasSet
from tests.unit.maintenance.upkeep import DAY, Upkeep
from tests.unit.registry.house import HOUR


def another(upkeep: Upkeep) -> Clock:
    clocks = upkeep.clocks
    return Clock(upkeep.database, HOUR, clocks.wall, clocks.since_start, clocks.boot)


@pytest.mark.parametrize("set_by", [2 * DAY, -2 * DAY, DRIFT + 1000, -DRIFT - 1000])
def test_a_clock_that_was_set_is_trusted_after_a_lease(upkeep: Upkeep, set_by: int) -> None:
    upkeep.clocks.ahead += set_by
    with pytest.raises(ClockWasSet) as pause:
        upkeep.clock.now()
    assert HOUR - 1000 < pause.value.pause <= HOUR
    upkeep.wait(HOUR // 2)
    with pytest.raises(ClockWasSet, match=r"for (1799|1800) s yet"):
        another(upkeep).now()
    upkeep.wait(HOUR // 2)
    assert another(upkeep).now() == pytest.approx(upkeep.clocks.wall(), abs=1000)


def test_small_corrections_are_nobodys_doing(upkeep: Upkeep) -> None:
    for _ in range(3):
        upkeep.clocks.ahead += DRIFT // 4
        upkeep.wait(DAY)
        upkeep.clock.now()


def test_a_clock_that_was_set_back_again_is_another_jump(upkeep: Upkeep) -> None:
    upkeep.clocks.ahead += DAY
    with pytest.raises(ClockWasSet):
        upkeep.clock.now()
    upkeep.wait(HOUR - 1000)
    upkeep.clocks.ahead -= DAY
    upkeep.wait(2000)
    with pytest.raises(ClockWasSet) as pause:
        upkeep.clock.now()
    assert pause.value.pause > HOUR - 3000


def test_the_machine_may_be_started_again(upkeep: Upkeep) -> None:
    upkeep.clocks.machine = "second"
    upkeep.clocks.ahead += DAY  # by the time since the start, which is shorter now
    upkeep.clock.now()


def test_a_pause_that_the_machines_end_cut_short_begins_anew(upkeep: Upkeep) -> None:
    upkeep.clocks.ahead += DAY
    with pytest.raises(ClockWasSet):
        upkeep.clock.now()
    upkeep.wait(HOUR - 1000)
    upkeep.clocks.machine = "second"
    with pytest.raises(ClockWasSet) as pause:
        upkeep.clock.now()
    assert pause.value.pause > HOUR - 1000
    upkeep.wait(HOUR)
    upkeep.clock.now()


def test_the_machines_own_clocks_are_asked_by_default(upkeep: Upkeep) -> None:
    upkeep.database.write(lambda connection: connection.driver.execute("DELETE FROM progress"))
    clock = Clock(upkeep.database, HOUR)
    assert clock.now() <= clock.now()
