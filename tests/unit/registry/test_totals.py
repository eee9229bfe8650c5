"""Totals: exact while counting is quick, a little old while it is not."""

from collections.abc import Callable

from orlop.registry.totals import MOST, PATIENCE, QUICK, Totals


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def counting(clock: Clock, took: float, results: list[int]) -> Callable[[], int]:
    def count() -> int:
        clock.now += took
        return results.pop(0)

    return count


def test_what_is_quick_to_count_is_counted_every_time() -> None:
    clock = Clock()
    count = counting(clock, QUICK / 2, [1, 2])
    totals = Totals(clock)
    assert [totals.of("a", count), totals.of("a", count)] == [1, 2]


def test_what_is_slow_to_count_is_remembered_for_as_long_as_it_is_worth() -> None:
    clock = Clock()
    count = counting(clock, 1.0, [1, 2])
    totals = Totals(clock)
    assert totals.of("a", count) == 1
    clock.now += PATIENCE - 1.5
    assert totals.of("a", count) == 1
    clock.now += 1
    assert totals.of("a", count) == 2


def test_each_key_has_its_own_total() -> None:
    clock = Clock()
    totals = Totals(clock)
    assert totals.of("a", counting(clock, 1.0, [1])) == 1
    assert totals.of("b", counting(clock, 1.0, [2])) == 2
    assert totals.of("a", counting(clock, 1.0, [3])) == 1


def test_the_oldest_of_many_totals_is_forgotten() -> None:
    clock = Clock()
    totals = Totals(clock)
    for number in range(MOST + 1):
        totals.of(str(number), counting(clock, 0.01, [number]))
        clock.now -= 0.01
    assert totals.of("0", counting(clock, 0.01, [-1])) == -1
    assert totals.of(str(MOST), counting(clock, 0.01, [-1])) == MOST


def test_a_count_that_fails_is_not_remembered() -> None:
    clock = Clock()
    totals = Totals(clock)

    def fail() -> int:
        clock.now += 1
        raise OSError

    for _ in range(2):
        try:
            totals.of("a", fail)
        except OSError:
            continue
    assert totals.of("a", counting(clock, 1.0, [5])) == 5
