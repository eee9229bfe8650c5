"""A process that is killed, a disk that fails or is full: objects are whole, and nothing is left lying about.

The fault is put on every system call, in turn, by which an operation changes the disk.
"""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from orlop.storage import kernel
from orlop.storage.local import LocalStorage
from tests.unit.storage import strace
from tests.unit.storage.operations import OPERATIONS


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening the store after a crash syncs the whole disk, which only takes time here."""
    monkeypatch.setattr(kernel, "sync_file_system", lambda _: None)


def content(root: Path) -> dict[str, bytes]:
    """What someone finds who opens the store now."""
    with LocalStorage(root) as storage:
        left = [os.path.join(folder, name) for folder, _, names in os.walk(root / ".tmp") for name in names]
        assert left == []
        assert len(os.listdir(root / ".tmp")) == 1
        return {entry.path: storage.get_content(entry.path) for entry in storage.walk()}


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], Path]:
    """Gives a new folder with each call."""
    numbers = iter(range(10_000))
    return lambda: tmp_path / str(next(numbers))


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if not name.startswith("sync")])
def test_killed(operation: str, fresh: Callable[[], Path]) -> None:
    whole = strace.run(fresh(), operation)
    assert whole.returncode == 0
    killed = 0
    for name, number in strace.faults(whole):
        root = fresh()
        trace = strace.run(root, operation, f"{name}:signal=SIGKILL:when={number}")
        assert trace.returncode == -signal.SIGKILL, (name, number)
        assert content(root) in OPERATIONS[operation].outcomes, (name, number)
        killed += 1
    assert killed == len(whole.calls) > 0


@pytest.mark.parametrize("operation", OPERATIONS)
def test_refused_by_the_disk(operation: str, fresh: Callable[[], Path]) -> None:
    whole = strace.run(fresh(), operation)
    assert whole.output == ["0"]
    outcomes = OPERATIONS[operation].outcomes
    for name, number in strace.faults(whole):
        root = fresh()
        error = "EIO" if name in strace.SYNCING else "ENOSPC"
        trace = strace.run(root, operation, f"{name}:error={error}:when={number}")
        assert trace.returncode == 0, (name, number)
        if name != "unlinkat":
            assert trace.output[-1] == "0", (name, number)  # no temporary file is left, long before the next opening
        found = content(root)
        assert found in outcomes, (name, number)
        if len(trace.output) == 1:
            assert found == outcomes[-1], (name, number)
            assert name == "unlinkat", (name, number)  # a folder that stays though it is empty: all else is told
        else:
            assert trace.output[0] == str(getattr(errno, error)), (name, number)
