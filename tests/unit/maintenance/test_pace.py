"""Long work goes at its rate, and ends when it is told to."""

import threading
import time

import pytest

from orlop.maintenance.pace import Pace, Stopped


def test_a_rate_holds_over_time() -> None:
    pace = Pace(1000)
    begun = time.monotonic()
    for _ in range(10):
        pace.spend(30)
    assert 0.29 <= time.monotonic() - begun < 1.0


def test_no_rate_is_no_pause() -> None:
    pace = Pace(0)
    begun = time.monotonic()
    for _ in range(1000):
        pace.spend(1_000_000)
    assert time.monotonic() - begun < 1.0


def test_what_was_not_used_does_not_add_up() -> None:
    now = 0.0
    pace = Pace(10, clock=lambda: now)
    now = 100.0
    begun = time.monotonic()
    pace.spend(2)
    assert time.monotonic() - begun > 0.15


def test_a_stop_ends_a_pause_at_once() -> None:
    pace = Pace(0.01)
    threading.Timer(0.05, pace.stop).start()
    begun = time.monotonic()
    with pytest.raises(Stopped):
        pace.spend(1)
    assert time.monotonic() - begun < 5
    with pytest.raises(Stopped):
        Pace(0, stop=_set()).spend(1)


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event
