"""Turns: of each kind of maintenance, one at a time on a data folder, in whatever process.

The lock is the kernel's (flock) and has no time-out: a process that is stopped for a day holds it still, and one that
is killed lets go of it. A lock that expires would let two believe that they have it.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from orlop.domain.errors import Busy

COLLECTION = "collection"
"""Nothing is removed from the tree by whoever does not have this one."""
SCRUB = "scrub"


def is_taken(folder: Path, kind: str) -> bool:
    """Whether somebody has the turn at this moment."""
    try:
        with turn(folder, kind):
            return False
    except Busy:
        return True


@contextlib.contextmanager
def turn(folder: Path, kind: str, *, wait: bool = False) -> Iterator[None]:
    """The only one of its kind in this data folder while the block lasts. Busy: another is, unless `wait`."""
    descriptor = os.open(folder / f"{kind}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            owner = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise Busy(f"a {kind} is running already (process {owner})") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
