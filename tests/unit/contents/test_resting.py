"""Who looks into images rests while clients push and pull, the more the more of them there are, and never for good."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop.contents import resting
from orlop.contents.giving_way import RESTS
from orlop.contents.resting import LONGEST, SLICE, Resting, Traffic


class Scene:
    """A clock, and clients that come at certain times."""

    def __init__(self, *arrivals: float) -> None:
        self.now = 0.0
        self.arrivals = arrivals

    def clock(self) -> float:
        return self.now

    def stamp(self) -> bytes:
        return b"%d" % sum(time <= self.now for time in self.arrivals)

    def share(self, seconds: float) -> float:
        """How much of the time it works that looks each millisecond."""
        resting, worked = Resting(self.stamp, self.clock), 0.0
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
    always = [number / 1000 for number in range(10_000)]
    assert Scene(*always).share(10) == pytest.approx(1 / (1 + RESTS), rel=0.1)


def test_a_few_clients_slow_it_a_little() -> None:
    assert 0.7 < Scene(*range(20)).share(20) < 0.95


def test_a_rest_is_short_however_long_nobody_looked() -> None:
    scene = Scene(5)
    resting = Resting(scene.stamp, scene.clock)
    scene.now = 60
    assert resting.due() == LONGEST


def test_items_come_with_rests_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr(resting.time, "sleep", rests.append)
    stamps: Iterator[int] = iter(range(1_000_000))
    worker = Resting(lambda: b"%d" % next(stamps))

    def items() -> Iterator[int]:
        for number in range(300):
            if number == 150:
                threading.Event().wait(SLICE)
            yield number

    assert list(worker.heeding(items())) == list(range(300))
    assert len(rests) == 1


def test_other_processes_see_that_there_are_clients(tmp_path: Path) -> None:
    index = tmp_path / "contents.db"
    mine = Traffic(index)
    before = mine.stamp()
    program = (
        f"import pathlib; from orlop.contents.resting import Traffic; Traffic(pathlib.Path({str(index)!r})).note()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert mine.stamp() != before
    mine.close()


def test_a_file_that_was_deleted_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, worker = Traffic(tmp_path / "contents.db"), Traffic(tmp_path / "contents.db")
    server.note()
    assert worker.stamp()
    (file,) = tmp_path.iterdir()
    file.unlink()
    monkeypatch.setattr(resting, "_LOOK", 0.0)
    assert worker.stamp() == b""
    time.sleep(SLICE)
    server.note()
    assert worker.stamp() != b""
    assert len(os.listdir(tmp_path)) == 1
    server.close()
    worker.close()


def test_where_there_can_be_no_file_nobody_rests(tmp_path: Path) -> None:
    traffic = Traffic(tmp_path / "nowhere" / "contents.db")
    traffic.note()
    assert traffic.stamp() == b""
    traffic.close()
    assert list(tmp_path.iterdir()) == []
