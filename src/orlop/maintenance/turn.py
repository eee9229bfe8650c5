"""Turns: of each kind of maintenance, one at a time on a data folder, in whatever process.

The lock is the kernel's (flock) and has no time-out: a process that is stopped for a day holds it still, and one that
is killed lets go of it. A lock that expires would let two believe that they have it.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from orlop.domain.errors import Busy

COLLECTION = "collection"
"""Nothing is removed from the tree by whoever does not have this one."""
SCRUB = "scrub"


LOOK = 0.2
"""Seconds. Whoever looks whether a turn is taken has it for a moment: that must not end who comes to take it."""


def is_taken(folder: Path, kind: str) -> bool:
    """Whether somebody has the turn at this moment."""
    descriptor = os.open(folder / f"{kind}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _take(descriptor: int) -> bool:
    deadline = time.monotonic() + LOOK
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        else:
            return True


@contextlib.contextmanager
def turn(folder: Path, kind: str, *, wait: bool = False) -> Iterator[None]:
    """The only one of its kind in this data folder while the block lasts. Busy: another is, unless `wait`."""
    descriptor = os.open(folder / f"{kind}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        if wait:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        elif not _take(descriptor):
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise Busy(f"a {kind} is running already (process {owner})")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
