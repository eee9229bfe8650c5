"""The server is killed at each system call by which pushes, tags and deletes change the disk, one after the other.

After each kill it is started again, and again from the tree alone; what was acknowledged holds both times.
"""

import random
import secrets
from pathlib import Path

import pytest

from tests.faults.crash_points import CALLS, find_points, kill_at_each
from tests.faults.tracer import Point


@pytest.fixture(scope="module")
def points() -> list[Point]:
    return find_points()


def test_nothing_is_lost_at_some_call(points: list[Point], memory: Path) -> None:
    """B01."""
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    chosen = random.Random(seed).sample(points, 3)
    assert list(kill_at_each(chosen, memory))


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_lost_at_any_call(
    points: list[Point], call: str, memory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [point for point in points if point.call == call]
    reached = list(kill_at_each(chosen, memory))
    # The last ones come and go with the turns of the housekeeping.
    assert len(reached) >= len(chosen) - max(3, len(chosen) // 5)
    with capsys.disabled():
        print(f"\nkilled at {len(reached)} of {len(chosen)} calls of {call}: 0 lost")
