"""`orlop gc` that is killed, or whose disk fails, at each system call by which it changes the disk."""

import shutil
import signal
from typing import NamedTuple

from tests.faults.history import History
from tests.faults.requests import Requester
from tests.faults.sequence import Sequence
from tests.faults.tracer import Point, run_traced
from tests.faults.verification import Verification
from tests.servers import OrlopServer, command
from tests.torture.agreement import compare
from tests.torture.collecting import collect
from tests.torture.harness import Run

ERRORS = {"EIO": ("fsync", "fdatasync", "pwrite64", "unlinkat"), "ENOSPC": ("pwrite64",)}
AT_ONCE = "1ms"
"""A lease that is over when the collection begins. Nothing is collected before."""


class Fault(NamedTuple):
    """A point, and what happens there."""

    call: str
    number: int
    action: str


class CollectionPoints:
    """Each on a copy of one store with garbage in it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        folder = run.memory()
        self._made, self._copy = folder / "made", folder / "copy"
        self._history = History(lease=0.0)
        with OrlopServer(self._made, LOG_LEVEL="warning", LIMITS_LEASE=AT_ONCE) as server:
            for number in range(2):
                Sequence(server.host_port, self._history, str(number)).run()
        assert self._history.surprises == [], self._history.surprises[:3]
        self._history.uploads.clear()
        points = self._find()
        self.points = [Fault(point.call, point.number, "signal=SIGKILL") for point in points] + [
            Fault(point.call, point.number, f"error={error}")
            for error, calls in ERRORS.items() for point in points if point.call in calls
        ]  # fmt: skip

    def _find(self) -> list[Point]:
        status, told, trace = run_traced(self._words(), self._server().environment())
        assert status == 0, f"orlop gc: {told}"
        shutil.rmtree(self._copy)
        return trace.points()

    def survives(self, fault: Fault) -> bool:
        """The next collection finishes what was begun; all that is kept is there, and nothing else."""
        server = self._server()
        self._run.watch(self._history, server)
        inject = f"{fault.call}:{fault.action}:when={fault.number}"
        status, told, trace = run_traced(self._words(), server.environment(), inject)
        reached = bool(trace.disk_hits()) or status in (-signal.SIGKILL, 128 + signal.SIGKILL)
        assert "Traceback" not in told, f"orlop gc at {inject}: {told}"
        with server:
            history = self._history.copied()
            with Requester(server.host_port) as requester:
                Verification(requester, history).check()
        collect(server, 0.001)
        found = compare(self._copy)
        self._run.note(found)
        assert found, f"after {inject}: {str(found)[:1000]}"
        shutil.rmtree(self._copy)
        return reached

    def end(self) -> None:
        pass

    def _server(self) -> OrlopServer:
        shutil.copytree(self._made, self._copy)
        return OrlopServer(self._copy, LOG_LEVEL="warning", LIMITS_LEASE=AT_ONCE)

    def _words(self) -> list[str]:
        return command("gc", "--data", str(self._copy))
