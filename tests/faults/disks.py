"""Small disks that tests may fill."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import left_out


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own of that size (`64m`) at the folder; gone after the block."""
    if os.geteuid() != 0:
        left_out.leave_out("small disks", "only root can mount one: run the tests as root")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "orlop-test", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        left_out.leave_out("small disks", f"tmpfs can't be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazy: whatever still has a file open there must not keep it.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Takes all of the disk's room but `leave` bytes; the file that does."""
    ballast = folder / "ballast"
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while (room := free(folder) - leave) > 0:
            try:
                os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, room)
            except OSError:
                if room <= 4096:
                    break
                os.posix_fallocate(descriptor, os.fstat(descriptor).st_size, room // 2)
    finally:
        os.close(descriptor)
    return ballast


def free(folder: Path) -> int:
    """Bytes."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
