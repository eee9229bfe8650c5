"""Flat combining: every item is answered once, in groups, by somebody."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from orlop.combining import Combiner


def test_one_item_is_done_by_its_own_thread() -> None:
    combiner = Combiner(lambda items: [threading.current_thread() for _ in items], 10)
    assert combiner.submit(1) is threading.current_thread()


def test_what_waits_is_done_together_and_no_group_is_too_large() -> None:
    groups: list[list[int]] = []

    def work(items: Sequence[int]) -> list[int]:
        groups.append(list(items))
        time.sleep(0.002)
        return [item * 2 for item in items]

    combiner = Combiner(work, 8)
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(combiner.submit, range(500))) == [number * 2 for number in range(500)]
    assert sorted(item for group in groups for item in group) == list(range(500))
    assert max(map(len, groups)) <= 8
    assert len(groups) < 500
    assert combiner.waiting() == 0


def test_an_error_is_its_item_s_alone() -> None:
    combiner = Combiner(lambda items: [ValueError(item) if item % 2 else item for item in items], 10)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(combiner.submit, number) for number in range(100)]
    for number, future in enumerate(futures):
        if number % 2:
            with pytest.raises(ValueError, match=str(number)):
                future.result()
        else:
            assert future.result() == number


def test_work_that_fails_fails_its_whole_group_and_the_next_goes_on() -> None:
    broken = [True]

    def work(items: Sequence[int]) -> list[int]:
        if broken[0]:
            raise OSError("no")
        return list(items)

    combiner = Combiner(work, 10)
    with pytest.raises(OSError, match="no"):
        combiner.submit(1)
    broken[0] = False
    assert combiner.submit(2) == 2
