"""Where and from what the figures come."""

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.workspace import CHECKOUT


@dataclass(frozen=True)
class Machine:
    """The machine, as far as figures depend on it."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    filesystem: str
    python: str

    @classmethod
    def of(cls, folder: Path) -> "Machine":
        """This machine, with the file system of `folder`."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        return cls(
            _processor(),
            os.cpu_count() or 1,
            round(memory, 1),
            platform.release(),
            _output("findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(folder)),
            platform.python_version(),
        )

    def __str__(self) -> str:
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gib:.0f} GiB, Linux {self.kernel}, "
            f"{self.filesystem}, Python {self.python}"
        )


def commit() -> str:
    """The checkout's commit, marked if files differ from it; empty outside a repository."""
    name = _output("git", "-C", str(CHECKOUT), "rev-parse", "--short=12", "HEAD")
    changed = _output("git", "-C", str(CHECKOUT), "status", "--porcelain", "--untracked-files=no", "--", "src")
    return f"{name}-modified" if name and changed else name


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
