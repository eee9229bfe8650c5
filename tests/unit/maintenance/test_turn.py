"""Turns: one at a time, whatever happens to who has one."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from orlop.domain.errors import Busy
from orlop.maintenance.turn import COLLECTION, SCRUB, is_taken, turn

HOLD = """
import sys, time
from pathlib import Path
from orlop.maintenance.turn import COLLECTION, turn
with turn(Path(sys.argv[1]), COLLECTION):
    print("taken", flush=True)
    time.sleep(60)
"""


def test_a_turn_is_one_processs_and_of_one_kind(tmp_path: Path) -> None:
    assert not is_taken(tmp_path, COLLECTION)
    with turn(tmp_path, COLLECTION):
        assert is_taken(tmp_path, COLLECTION)
        with (
            pytest.raises(Busy, match=rf"a collection is running already \(process {os.getpid()}\)"),
            turn(tmp_path, COLLECTION),
        ):
            pass
        with turn(tmp_path, SCRUB):
            assert is_taken(tmp_path, SCRUB)
    assert not is_taken(tmp_path, COLLECTION)


def test_a_stopped_process_keeps_its_turn_and_a_killed_one_loses_it(tmp_path: Path) -> None:
    """B07: a lock that expires would let two believe that they have it."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        process.send_signal(signal.SIGSTOP)
        assert is_taken(tmp_path, COLLECTION)
        process.kill()
        process.wait()
        with turn(tmp_path, COLLECTION):
            pass


def test_who_looks_is_in_nobodys_way(tmp_path: Path) -> None:
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            is_taken(tmp_path, COLLECTION)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(200):
            with turn(tmp_path, COLLECTION):
                pass
    finally:
        ended.set()
        for thread in threads:
            thread.join()
