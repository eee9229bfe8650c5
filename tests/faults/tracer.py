"""strace on the threads of a running server that change what is on the disk: counts their system calls, or fails one.

strace counts calls by thread. The event loop's own thread is left out, or its writes to sockets would come first at
every number; with `one_thread` and a client that asks one thing at a time, the numbers reach every call.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests import left_out

CHANGING = (
    "write", "writev", "pwrite64", "pwritev", "ftruncate", "fsync", "fdatasync", "syncfs", "rename", "renameat",
    "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir",
)  # fmt: skip
"""The system calls that change what is on the disk, or when it gets there."""

PATIENCE = 20.0
_WAKES = re.compile(r"\d+<anon_inode:\[?eventfd\]?>|\d+<(socket|pipe):")
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)[( ](.*?)(\(INJECTED\))?$")


class Point(NamedTuple):
    """The how-manieth call of this name in one thread."""

    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call} {self.number}"


class Trace:
    """What strace saw, once the block has ended."""

    def __init__(self) -> None:
        self.log = ""

    def points(self) -> list[Point]:
        """Every call that a fault can be put on. What wakes another thread changes nothing on the disk."""
        counts: Counter[tuple[str, str]] = Counter()
        found: set[Point] = set()
        for match in self._lines():
            counts[match[1], match[2]] += 1
            if match[2] in CHANGING and not _WAKES.match(match[3]):
                found.add(Point(match[2], counts[match[1], match[2]]))
        return sorted(found)

    def disk_hits(self) -> list[str]:
        """The arguments of the calls that were made to fail and would have changed the disk."""
        injected = [match[3] for match in self._lines() if match[4] is not None]
        return [arguments for arguments in injected if not _WAKES.match(arguments)]

    def _lines(self) -> list[re.Match[str]]:
        return [match for line in self.log.splitlines() if (match := _LINE.match(line))]


@contextmanager
def traced(pid: int, inject: str = "") -> Iterator[Trace]:
    """Traces the process's threads while the block lasts; `inject` is strace's expression for a fault."""
    if reason := left_out.missing_programs("strace"):
        left_out.leave_out("strace", reason)
    threads = sorted(int(path.name) for path in Path(f"/proc/{pid}/task").iterdir() if int(path.name) != pid)
    with tempfile.TemporaryDirectory(prefix="orlop-strace-") as folder:
        log, errors = Path(folder) / "log", Path(folder) / "errors"
        command = _strace(log, inject)
        command += [word for thread in threads for word in ("-p", str(thread))]
        with errors.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=stream)
        try:
            _wait_until_attached(process, errors, len(threads))
            trace = Trace()
            yield trace
        finally:
            process.terminate()
            process.wait(PATIENCE)
        trace.log = log.read_text()


def run_traced(words: list[str], environment: dict[str, str], inject: str = "") -> tuple[int, str, Trace]:
    """Runs a command from its beginning to its end: its status, what it wrote to standard error, what strace saw."""
    if reason := left_out.missing_programs("strace"):
        left_out.leave_out("strace", reason)
    with tempfile.TemporaryDirectory(prefix="orlop-strace-") as folder:
        log = Path(folder) / "log"
        command = [*_strace(log, inject), "-f", *words]
        # Python's own writes would come and go with its caches.
        environment = {**environment, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
        trace = Trace()
        trace.log = log.read_text()
    return done.returncode, done.stderr, trace


def _strace(log: Path, inject: str) -> list[str]:
    command = [shutil.which("strace") or "strace", "-y", "-s", "0", "-o", str(log)]
    command += ["-e", f"trace={','.join(f'?{name}' for name in CHANGING)}"]
    return command + (["-e", f"inject={inject}"] if inject else [])


def _wait_until_attached(process: "subprocess.Popen[bytes]", errors: Path, threads: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while errors.read_text().count(" attached") < threads:
        assert process.poll() is None, errors.read_text()
        assert time.monotonic() < deadline, errors.read_text()
        time.sleep(0.005)
