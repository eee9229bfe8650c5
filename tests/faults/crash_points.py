"""A server that is killed at one system call by which pushes, tags and deletes change the disk."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.faults import one_thread
from tests.faults.history import History
from tests.faults.rebuild import rebuild
from tests.faults.requests import Requester
from tests.faults.sequence import Sequence
from tests.faults.tracer import Point, traced
from tests.faults.tree import wait_until_tidy
from tests.faults.verification import Verification
from tests.servers import OrlopServer

CALLS = (
    "fdatasync", "fsync", "ftruncate", "linkat", "mkdirat", "pwrite64", "renameat", "unlinkat", "write", "writev",
)  # fmt: skip
"""All by which the sequence changes the disk."""

EVERY_PAGE_TOO_MANY = 17
"""Of the writes of database pages every so-manieth is taken: they come in hundreds, alike, and checksums guard them."""


def find_points() -> list[Point]:
    """Where the sequence changes the disk."""
    with OrlopServer(wrapper=one_thread.WRAPPER) as server:
        assert server.process is not None
        Sequence(server.host_port, History(), "warm").run()
        with traced(server.process.pid) as trace:
            Sequence(server.host_port, History(), "traced").run()
    found = trace.points()
    assert {point.call for point in found} == set(CALLS), found
    return [point for point in found if point.call != "pwrite64" or point.number % EVERY_PAGE_TOO_MANY == 0]


class Scene:
    """A server with content, that dies."""

    def __init__(self, data: Path) -> None:
        self.server = OrlopServer(data, wrapper=one_thread.WRAPPER, LOG_LEVEL="warning")
        self.history = History()

    def survives(self, point: Point) -> bool:
        """Whether the sequence came to the call. Compares everything after the kill."""
        try:
            reached = self._kill_at(point)
            if reached:
                self._verify()
            return reached
        except BaseException:
            print(f"killed at {point}; the server's log:\n{self.server.log}", file=sys.stderr)
            raise
        finally:
            self.server.kill()

    def _kill_at(self, point: Point) -> bool:
        self.server.start()
        assert self.server.process is not None
        Sequence(self.server.host_port, self.history, "before").run()
        with traced(self.server.process.pid, f"{point.call}:signal=SIGKILL:when={point.number}"):
            sequence = Sequence(self.server.host_port, self.history, "traced")
            sequence.run()
        self.server.kill()
        return not sequence.alive

    def _verify(self) -> None:
        """What the kill left, with its database and without it."""
        bereft = Scene(self.server.data.with_name("bereft"))
        shutil.copytree(self.server.data, bereft.server.data)
        bereft.history = self.history.copied()
        self.server.start()
        self._compare(rebuilt=False)
        # Later requests work, on what was there and on what is new.
        Sequence(self.server.host_port, self.history, "after").run()
        wait_until_tidy(self.server.data / "store", self.history.uploads, unheard=1)
        assert self.server.stop() == 0
        rebuild(bereft.server)
        with bereft.server:
            bereft._compare(rebuilt=True)
        shutil.rmtree(bereft.server.data)

    def _compare(self, *, rebuilt: bool) -> None:
        with Requester(self.server.host_port) as requester:
            verification = Verification(requester, self.history, blobs_may_be_unlinked=rebuilt)
            verification.check()
            verification.check_uploads()
        assert self.history.surprises == []


def kill_at_each(points: list[Point], folder: Path) -> Iterator[Point]:
    """Yields the points that were reached."""
    for point in points:
        scene = Scene(folder / "data")
        if scene.survives(point):
            yield point
        shutil.rmtree(folder / "data")
