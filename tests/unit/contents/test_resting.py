"""Who looks into images rests while clients push and pull, the more the more of them there are, and never for good."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from orlop.contents import resting
from orlop.contents.giving_way import RESTS
from orlop.contents.resting import HOLD, LONGEST, SLICE, Resting, Traffic

PROGRAM = """
import pathlib, sys
from orlop.contents.resting import Traffic
print(Traffic(pathlib.Path(sys.argv[1])).is_there())
"""


class Scene:
    """A clock, and clients that come at certain times."""

    def __init__(self, *arrivals: float) -> None:
        self.now = 0.0
        self.arrivals = arrivals

    def clock(self) -> float:
        return self.now

    def is_busy(self) -> bool:
        return any(time <= self.now < time + HOLD for time in self.arrivals)

    def share(self, seconds: float) -> float:
        """How much of the time it works that looks each millisecond."""
        resting, worked = Resting(self.is_busy, self.clock), 0.0
        while self.now < seconds:
            self.now += 0.001
            worked += 0.001
            if pause := resting.due():
                self.now += pause
                resting.begin()
        return worked / self.now


def test_without_clients_nobody_rests() -> None:
    assert Scene().share(10) == pytest.approx(1)


def test_among_many_clients_a_fifth_of_the_time_is_left_for_work() -> None:
    always = [number / 100 for number in range(500)]
    assert Scene(*always).share(5) == pytest.approx(1 / (1 + RESTS), rel=0.1)


def test_a_few_clients_slow_it_a_little() -> None:
    assert 0.8 < Scene(*range(20)).share(20) < 0.95


def test_a_rest_is_short_however_long_nobody_looked() -> None:
    scene = Scene(60)
    resting = Resting(scene.is_busy, scene.clock)
    scene.now = 60
    assert resting.due() == LONGEST


def test_items_come_with_rests_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr(resting.time, "sleep", rests.append)

    worker = Resting(lambda: True)
    threading.Event().wait(SLICE)
    assert list(worker.heeding(iter(range(300)))) == list(range(300))
    assert len(rests) == 1


class Timer:
    """What is to be called later, by the test."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        assert 0 < seconds <= HOLD
        self.waiting.append(function)

    def pass_(self) -> None:
        waiting, self.waiting = self.waiting, []
        for function in waiting:
            function()


def test_other_processes_see_that_there_are_clients(tmp_path: Path) -> None:
    index, timer = tmp_path / "contents.db", Timer()
    server = Traffic(index)
    look = [sys.executable, "-c", PROGRAM, str(index)]
    assert subprocess.check_output(look) == b"False\n"
    server.note(timer.later)
    assert subprocess.check_output(look) == b"True\n"
    threading.Event().wait(HOLD)
    timer.pass_()
    assert subprocess.check_output(look) == b"False\n"
    server.close()


def test_they_see_it_as_long_as_clients_come(tmp_path: Path) -> None:
    server, worker, timer = Traffic(tmp_path / "contents.db"), Traffic(tmp_path / "contents.db"), Timer()
    for _ in range(3):
        server.note(timer.later)
        assert worker.is_there()
        threading.Event().wait(HOLD / 2)
        assert len(timer.waiting) == 1
        timer.pass_()
    assert worker.is_there()
    threading.Event().wait(HOLD)
    timer.pass_()
    assert not worker.is_there()
    assert not timer.waiting
    server.close()
    worker.close()


def test_a_worker_in_the_servers_own_process_sees_them_too(tmp_path: Path) -> None:
    both, other, timer = Traffic(tmp_path / "contents.db"), Traffic(tmp_path / "contents.db"), Timer()
    both.note(timer.later)
    assert both.is_there()
    assert other.is_there()  # it has taken nothing away
    threading.Event().wait(HOLD)
    timer.pass_()
    assert not both.is_there()
    both.close()
    other.close()


def test_workers_that_look_are_not_in_a_servers_way(tmp_path: Path) -> None:
    servers = [Traffic(tmp_path / "contents.db"), Traffic(tmp_path / "contents.db")]
    worker, timer = Traffic(tmp_path / "contents.db"), Timer()
    assert not worker.is_there()
    for server in servers:
        server.note(timer.later)
    servers[0].close()  # as the end of its process does
    assert worker.is_there()
    servers[1].close()
    assert not worker.is_there()
    worker.close()


def test_a_file_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    server, worker, timer = Traffic(tmp_path / "contents.db"), Traffic(tmp_path / "contents.db"), Timer()
    assert not worker.is_there()
    (file,) = tmp_path.iterdir()
    file.unlink()
    server.note(timer.later)
    assert worker.is_there()
    assert len(os.listdir(tmp_path)) == 1
    server.close()
    worker.close()


def test_where_there_can_be_no_file_nobody_rests(tmp_path: Path) -> None:
    traffic, timer = Traffic(tmp_path / "nowhere" / "contents.db"), Timer()
    traffic.note(timer.later)
    assert not traffic.is_there()
    assert not timer.waiting
    traffic.close()
    assert list(tmp_path.iterdir()) == []
