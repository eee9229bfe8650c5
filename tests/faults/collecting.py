"""`orlop gc` as a process of its own, beside a server."""

import contextlib
import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import left_out
from tests.servers import command

LEASE = 2.0
"""Seconds, of the servers and of collection in these tests."""

PATIENCE = 120.0


def begin(data: Path, *arguments: str, wrapper: tuple[str, ...] = (), lease: float = LEASE) -> subprocess.Popen[bytes]:
    """A collection that runs."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORLOP_")}
    environment["ORLOP_LIMITS_LEASE"] = f"{lease}s"
    words = command("gc", "--data", str(data), *arguments, wrapper=wrapper)
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def slowly(call: str, seconds: float) -> tuple[str, ...]:
    """In front of a command: each system call of that name begins so much later. It stays its starter's own child."""
    if reason := left_out.missing_programs("strace"):
        left_out.leave_out("strace", reason)
    delay = f"inject={call}:delay_enter={round(seconds * 1_000_000)}"
    return ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", delay)


def end(process: "subprocess.Popen[bytes]", *, status: int = 0) -> str:
    """Waits for it; what it said."""
    out, errors = process.communicate(timeout=PATIENCE)
    said = (out + errors).decode()
    assert process.returncode == status, said
    assert "Traceback" not in said, said
    return said


def collect(data: Path, *arguments: str, wrapper: tuple[str, ...] = (), lease: float = LEASE) -> str:
    """A whole run; what it said."""
    return end(begin(data, *arguments, wrapper=wrapper, lease=lease))


def collect_what_is_over(data: Path, *arguments: str) -> str:
    """A run after every lease that there is now has ended."""
    time.sleep(LEASE + 0.1)
    return collect(data, *arguments)


class Rounds:
    """How often the collection beside has run."""

    def __init__(self) -> None:
        self.count = 0
        self.failure: BaseException | None = None


@contextmanager
def collecting(data: Path, wrapper: tuple[str, ...] = ()) -> Iterator[Rounds]:
    """Collects again and again while the block lasts, and once more to its end."""
    rounds, over = Rounds(), threading.Event()

    def work() -> None:
        try:
            while not over.is_set():
                collect(data, wrapper=wrapper)
                rounds.count += 1
        except BaseException as failure:
            rounds.failure = failure

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield rounds
    finally:
        over.set()
        thread.join()
    if rounds.failure is not None:
        raise rounds.failure


def states(data: Path) -> dict[str, str]:
    """The state of each blob, by digest."""
    with contextlib.closing(sqlite3.connect(f"file:{data}/orlop.db?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT digest, state FROM blobs"))


def objects(data: Path) -> set[str]:
    """The digests of which an object is in the store, under whatever key."""
    folder = data / "store" / "blobs"
    return {f"{path.parent.parent.name}:{path.name.partition('.')[0]}" for path in folder.glob("*/*/*")}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
