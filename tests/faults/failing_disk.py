"""A server whose disk fails or is full at one system call by which pushes, tags and deletes change it."""

import signal
from pathlib import Path

from tests.faults import one_thread
from tests.faults.history import History
from tests.faults.requests import Requester
from tests.faults.sequence import Sequence
from tests.faults.tracer import Point, traced
from tests.faults.tree import wait_until_tidy
from tests.faults.verification import Verification
from tests.servers import OrlopServer

EVERY_PAGE_TOO_MANY = 41
PATIENCE = 20.0
ERRORS = {
    "EIO": ("fsync", "fdatasync", "write", "writev", "pwrite64", "renameat", "linkat", "unlinkat", "mkdirat"),
    "ENOSPC": ("write", "writev", "pwrite64", "renameat", "linkat", "mkdirat"),
}
CODES = {500: "UNKNOWN", 503: "UNAVAILABLE", 507: "STORAGE_FULL"}


class Scene:
    """One server on one store, and all that happens to it."""

    def __init__(self, data: Path) -> None:
        self.server = OrlopServer(data, wrapper=one_thread.WRAPPER, LOG_LEVEL="warning")
        self.history = History()
        self.aborts = 0
        self._count = 0

    def points(self) -> list[Point]:
        with traced(self._pid) as trace:
            self.run()
        return trace.points()

    def fail_at(self, point: Point, error: str) -> bool:
        """Whether the sequence came to the call. Compares everything afterwards, and runs it again without fault."""
        with traced(self._pid, f"{point.call}:error={error}:when={point.number}") as trace:
            survived = self.run()
        if not survived:
            # It met a call that wakes another thread, too, as no disk does: libuv gives up then.
            assert self.server.process is not None
            assert self.server.process.wait(PATIENCE) == -signal.SIGABRT
            assert point.call == "write"
            self.server.start()
            self.aborts += 1
        self._check_surprises(error)
        self.compare()
        self.run()
        assert self.history.surprises == []
        self.compare()
        return bool(trace.disk_hits())

    def compare(self) -> None:
        with Requester(self.server.host_port) as requester:
            verification = Verification(requester, self.history)
            verification.check([key for key, register in self.history.registers.items() if not register.is_settled])
            verification.check_uploads()

    def run(self) -> bool:
        """Whether the server is alive afterwards."""
        self._count += 1
        sequence = Sequence(self.server.host_port, self.history, str(self._count))
        sequence.run()
        return sequence.alive

    def _check_surprises(self, error: str) -> None:
        """Whatever the disk does, the answer is an error as the specification has it, and a clear one if it is full."""
        for answer in self.history.surprises:
            assert any(f'"code":"{code}"' in answer for code in CODES.values()), answer
            assert error != "ENOSPC" or ": 507 " in answer, answer
        self.history.surprises.clear()

    @property
    def _pid(self) -> int:
        assert self.server.process is not None
        return self.server.process.pid

    def end(self) -> None:
        """A new start finds all that was acknowledged, and leaves nothing unfinished."""
        self.server.restart()
        wait_until_tidy(self.server.data / "store", self.history.uploads, unheard=self.aborts)
        with Requester(self.server.host_port) as requester:
            Verification(requester, self.history).check()


def fail_at_each(scene: Scene, points: list[Point], error: str) -> int:
    reached = 0
    for point in points:
        try:
            reached += scene.fail_at(point, error)
        except BaseException:
            print(f"{error} at {point}")
            raise
    return reached
