"""Small disks that tests may fill."""

import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests import left_out

_EXT4_IOC_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSHING = 2
PATIENCE = 30.0


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own of that size (`64m`) at the folder; gone after the block."""
    if os.geteuid() != 0:
        left_out.leave_out("small disks", "only root can mount one: run the tests as root")
    if reason := left_out.missing_programs("mount", "umount"):
        left_out.leave_out("small disks", reason)
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


@contextmanager
def ext4_disk(folder: Path, size: int) -> Iterator["Ext4Disk"]:
    """An ext4 of that many bytes, in a file beside the folder; gone after the block."""
    if os.geteuid() != 0:
        left_out.leave_out("power cuts", "only root can mount a disk: run the tests as root")
    if reason := left_out.missing_programs("mount", "umount", "mkfs.ext4"):
        left_out.leave_out("power cuts", reason)
    folder.mkdir()
    disk = Ext4Disk(folder, folder.with_suffix(".img"))
    with disk.image.open("wb") as image:
        image.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(disk.image)], check=True)
    try:
        disk.mount()
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        disk.image.unlink()


class Ext4Disk(NamedTuple):
    """A file system whose power can be cut: what was not synced is lost."""

    folder: Path
    image: Path

    def mount(self) -> None:
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.folder)], check=True)

    def cut_power(self) -> None:
        """From now on nothing reaches the disk, not even its journal."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _EXT4_IOC_SHUTDOWN, struct.pack("I", _WITHOUT_FLUSHING))
        finally:
            os.close(descriptor)

    def restore_power(self) -> None:
        """Once nobody has a file open there.

        A container that was started meanwhile has the mount too, and keeps the dead file system alive until it ends.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            subprocess.run(["umount", str(self.folder)], check=True)
            self.mount()
            try:
                (self.folder / "power").touch()
                (self.folder / "power").unlink()
                return
            except OSError:
                assert time.monotonic() < deadline, "another mount namespace has the disk"
                time.sleep(0.2)


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
