"""Runs an operation on a store under strace."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from orlop.storage.local import LocalStorage
from tests import left_out
from tests.unit.storage.operations import BEGIN, END, OPERATIONS

WRITING = ("write", "pwrite64", "writev", "copy_file_range", "ftruncate")
SYNCING = ("fsync", "fdatasync", "syncfs")
NAMING = (
    "mkdir", "mkdirat", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "rmdir",
)  # fmt: skip
CHANGING = WRITING + SYNCING + NAMING
"""The system calls that change what is on the disk, or when it gets there."""

_LINE = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+|\?)")


class Call(NamedTuple):
    """A system call that the operation made. Descriptors are shown with their paths."""

    name: str
    arguments: str

    def __str__(self) -> str:
        return f"{self.name}({self.arguments})"


class Trace(NamedTuple):
    returncode: int
    output: list[str]
    """What the operation printed: its error's number if it failed, and how many temporary files it left."""
    before: list[Call]
    calls: list[Call]


def run(root: Path, operation: str, inject: str = "") -> Trace:
    """Prepare the store at `root` and do the operation under strace, with this fault injected."""
    if reason := left_out.missing_programs("strace"):
        left_out.leave_out("strace", reason)
    with LocalStorage(root) as storage:
        OPERATIONS[operation].prepare(storage)
    log = root.with_suffix(".strace")
    names = ",".join(f"?{name}" for name in (*CHANGING, "access", "faccessat", "faccessat2"))
    command = [shutil.which("strace") or "strace", "-f", "-y", "-s", "0", "-o", str(log), "-e", f"trace={names}"]
    if inject:
        command += ["-e", f"inject={inject}"]
    command += [sys.executable, "-m", "tests.unit.storage.operations", str(root), operation]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "ptrace" not in done.stderr, done.stderr
    before, calls = _split(log.read_text())
    return Trace(done.returncode, done.stdout.split(), before, calls)


def faults(trace: Trace) -> Iterator[tuple[str, int]]:
    """Where a fault can be injected into the operation: a call's name and the how-manieth of this name it is."""
    counts = Counter(call.name for call in trace.before)
    for call in trace.calls:
        counts[call.name] += 1
        yield call.name, counts[call.name]


def _split(log: str) -> tuple[list[Call], list[Call]]:
    calls = [Call(match[1], match[2]) for match in _LINE.finditer(log)]
    begin = next(number for number, call in enumerate(calls) if BEGIN in call.arguments)
    end = next((number for number, call in enumerate(calls) if END in call.arguments), len(calls))
    return calls[:begin], calls[begin + 1 : end]
