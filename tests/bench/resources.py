"""What a server's processes and the machine use, as the kernel counts it."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
QUIET_SECONDS = 0.5
QUIET_SHARE = 0.1
_RESET_PEAK = "5"  # proc(5): sets VmHWM back to the present VmRSS


def process_tree(pid: int) -> list[int]:
    """`pid` and all its living descendants."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            found.extend(int(child) for child in children.read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """CPU seconds, user and system, of the whole tree and of its children that ended (resolution 10 ms each)."""
    return sum(_cpu_ticks(each) for each in process_tree(pid)) / _TICKS


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15])  # utime, stime, cutime, cstime


def resident_bytes(pid: int) -> int:
    """Resident memory of the whole tree now."""
    return sum(_status_bytes(each, "VmRSS") for each in process_tree(pid))


def peak_bytes(pid: int) -> int:
    """Sum over the tree of each process's highest resident memory since `reset_peak` (so at most too high)."""
    return sum(_status_bytes(each, "VmHWM") for each in process_tree(pid))


def reset_peak(pid: int) -> None:
    """Make `peak_bytes` start again from what is resident now."""
    for each in process_tree(pid):
        Path(f"/proc/{each}/clear_refs").write_text(_RESET_PEAK)


def _status_bytes(pid: int, key: str) -> int:
    match = re.search(rf"^{key}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


@dataclass(frozen=True)
class MachineTime:
    """CPU seconds of all cores since boot."""

    busy: float
    total: float

    @classmethod
    def now(cls) -> "MachineTime":
        line = Path("/proc/stat").read_text().partition("\n")[0]
        user, nice, system, idle, iowait, irq, softirq, steal = (int(word) for word in line.split()[1:9])
        busy = user + nice + system + irq + softirq + steal
        return cls(busy / _TICKS, (busy + idle + iowait) / _TICKS)

    @classmethod
    def wait_until_quiet(cls, patience: float) -> None:
        """Wait until nine tenths of the machine have been idle for a moment, but at most `patience` seconds."""
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            before = cls.now()
            time.sleep(min(QUIET_SECONDS, left))
            if cls.now().share_since(before, 0.0) < QUIET_SHARE:
                return

    def share_since(self, before: "MachineTime", accounted: float) -> float:
        """Share of the machine (0 to 1) that was busy since `before` with other things than `accounted` CPU seconds."""
        total = self.total - before.total
        return max(0.0, self.busy - before.busy - accounted) / total if total else 0.0
