"""The worker beside a server: a process that is started when there are jobs, and ends by itself when there are none."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping

import msgspec
import structlog

from orlop import telemetry
from orlop.config import Settings
from orlop.config.fields import FIELDS
from orlop.database import jobs
from orlop.database.engine import Database
from orlop.domain.errors import OrlopError
from orlop.worker.outcomes import Ended, name_of

log = structlog.get_logger("orlop.worker")

IDLE = 30.0
"""Seconds without a job after which it ends."""
PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds until it is started again after it has died."""
PATIENCE = 5.0
"""Seconds that it gets to end."""

_PASSED = (
    "data", "storage.url", "storage.free_floor", "storage.allow_network_filesystem", "database.url", "v1.platform",
    "log.format", "log.level", "contents.enabled", "contents.timeout", "contents.largest",
)  # fmt: skip


class WorkerProcess:
    """Safe to use from any thread."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._environment = _environment(settings)
        self._database = database
        self._process: subprocess.Popen[bytes] | None = None
        self._again = 0.0
        self._pause = PAUSE
        self._lock = threading.Lock()
        self._stopped = False

    def look(self) -> None:
        """Starts the worker where there is something to do and none lives. To be called once a second."""
        with self._lock:
            if self._stopped or (self._process is not None and not self._has_ended(self._process)):
                return
            at = jobs.next_at(self._database.reader())
            if at is not None and at <= self._database.reader().now() and time.monotonic() >= self._again:
                self._start()

    def stop(self) -> None:
        """Ends it, for good. What it is at is given back."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._end(self._process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._close(process)

    def _start(self) -> None:
        words = [sys.executable, "-m", "orlop", "worker", "--supervised"]
        # It ends with its standard input, which the kernel closes with this process, whatever that dies of.
        self._process = subprocess.Popen(
            words, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True
        )
        threading.Thread(target=_listen, args=(self._process,), name="worker-reports", daemon=True).start()

    def _has_ended(self, process: subprocess.Popen[bytes]) -> bool:
        code = process.poll()
        if code is None:
            return False
        self._close(process)
        if code:
            self._release(process.pid)
            log.warning("the worker has died and is started again", code=code, seconds=self._pause)
            self._again = time.monotonic() + self._pause
            self._pause = min(LONGEST_PAUSE, self._pause * 2)
        else:
            self._pause = PAUSE
        return True

    def _release(self, pid: int) -> None:
        """What it was at needs no longer wait for its claim to end."""
        with contextlib.suppress(OrlopError):
            self._database.write(lambda connection: jobs.release(connection, name_of(pid)))

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()


def report(ended: Ended) -> bytes:
    """What a supervised worker says of a job, on a line of its standard output."""
    return msgspec.json.encode(ended) + b"\n"


def _listen(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError):
                note(msgspec.json.decode(line, type=Ended))


def note(ended: Ended) -> None:
    """Counts a job in the server's metrics."""
    telemetry.JOBS_ENDED.labels(ended.kind, ended.what.replace(" ", "_")).inc()
    telemetry.JOBS_SECONDS.labels(ended.kind).inc(ended.seconds)


def _environment(settings: Settings) -> Mapping[str, str]:
    """The same store for the worker, whatever the configuration has become since the server read it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORLOP_")}
    values = {FIELDS[key].variable: _text(FIELDS[key].kind.show(FIELDS[key].of(settings))) for key in _PASSED}
    return inherited | {name: value for name, value in values.items() if value} | {"ORLOP_CONFIG": os.devnull}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
