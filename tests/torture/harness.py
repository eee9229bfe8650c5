"""What a row is, and how one is run: its seed, its folder, its time, and what is kept when it fails."""

import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.history import History, Key
from tests.faults.requests import Unexpected
from tests.faults.verification import Damaged, Wrong
from tests.servers import OrlopServer
from tests.torture.agreement import Agreement
from tests.torture.figures import Figures

LEASE = 2.0
"""Seconds for which what nothing names is kept: a thousandth of what it is by default, to meet its end often."""

MEMORY = Path("/dev/shm")
MOST_KEPT = 1 << 30
"""Bytes of a data folder that is kept with a failure."""


@dataclass(frozen=True)
class Row:
    """One kind of torture."""

    key: str
    title: str
    seconds: float
    """How long it may take by default; what it has not come to by then is left out, and its figures say so."""
    amounts: Mapping[str, int]
    """How much of each thing it does."""
    quick: Mapping[str, int]
    """The same for a look in the quick form."""
    quick_seconds: float
    work: Callable[["Run"], None]


@dataclass
class Run:
    """One row at work. What is wrong is raised as an AssertionError, or counted in the figures."""

    row: Row
    seed: str
    folder: Path
    """Where its data may lie: on a disk. Gone after it, unless it fails."""
    amounts: Mapping[str, int]
    deadline: float
    figures: Figures = field(default_factory=Figures)
    more: list[Figures] = field(default_factory=list)
    """Of what was done beside it, as on another registry."""
    histories: list[History] = field(default_factory=list)
    logs: list[Callable[[], str]] = field(default_factory=list)
    failure: str = ""
    keeps: bool = True
    """Whether a failure leaves a folder."""

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.seed}/{self.row.key}")

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline

    def memory(self) -> Path:
        """A folder in memory, for what is not about the disk."""
        if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < 4 << 30:
            return self.folder
        folder = Path(tempfile.mkdtemp(prefix=f"orlop-torture-{self.row.key}-", dir=MEMORY))
        self._elsewhere.append(folder)
        return folder

    def say(self, text: str) -> None:
        """Progress, for whoever looks on."""
        if sys.stderr.isatty():
            print(f"\r\033[K{self.row.key}: {text}", end="", file=sys.stderr, flush=True)

    @property
    def _elsewhere(self) -> list[Path]:
        found: list[Path] = self.__dict__.setdefault("_folders", [])
        return found

    def watch(self, history: History | None, server: OrlopServer) -> None:
        """What is kept of them should the row fail. Of many, the last ones."""
        if history is not None:
            self.histories = [*self.histories[-9:], history]
        self.logs = [*self.logs[-9:], lambda: server.log]

    def note(self, found: Agreement) -> None:
        """Counts what tree and database do not agree on."""
        self.figures.count(
            lost=len(found.missing), apart=len(found.names), tmp_left=len(found.unfinished),
            orphans_after_gc=len(found.orphans),
        )  # fmt: skip
        if not found:
            self.failure += "\n".join(f"{kind}: {each}" for kind, all_ in found._asdict().items() for each in all_[:20])

    def perform(self) -> Figures:
        """Does the row's work. The figures have the verdict: `held`, or what was wrong."""
        begun = time.monotonic()
        figures = self.figures
        figures.row, figures.seed = self.row.key, self.seed
        try:
            self.row.work(self)
            figures.judge()
        except (pytest.skip.Exception, pytest.fail.Exception) as gap:
            figures.verdict = f"left out: {gap}"
        except Exception as error:
            self._note(error)
            # What is no assertion is a fault of the torture's own.
            how = "broken" if isinstance(error, AssertionError) else "failed"
            figures.verdict = f"{how}: {self.failure.splitlines()[-1][:300] if self.failure else error}"
            self._keep()
        else:
            if figures.verdict != "held":
                self._keep()
        finally:
            figures.duration_s = round(time.monotonic() - begun, 1)
            for folder in (*self._elsewhere, self.folder):
                shutil.rmtree(folder, ignore_errors=True)
        return figures

    def _note(self, error: Exception) -> None:
        if isinstance(error, Wrong):
            self.figures.count(lost=int(error.lost), corrupt=int(not error.lost))
        elif isinstance(error, Unexpected):
            self.figures.count(lost=int(error.status == 404), http_5xx=int(error.status >= 500))
        elif isinstance(error, Damaged):
            self.figures.count(corrupt=1)
        last = f"{type(error).__name__}: {' '.join(str(error).split())}"
        self.failure += "".join(traceback.format_exception(error)) + "\n" + last

    def _keep(self) -> None:
        """Puts what a person needs to find the reason into a folder of its own."""
        if not self.keeps:
            return
        kept = Path(tempfile.mkdtemp(prefix=f"{self.row.key}-{self.seed}-", dir=_failures()))
        (kept / "failure.txt").write_text(f"seed {self.seed}\n\n{self.failure}\n")
        (kept / "server.log").write_text("\n".join(log() for log in self.logs))
        told = re.findall(r"sha256:[0-9a-f]{64}", self.failure)[:20]
        (kept / "history.txt").write_text("\n".join(relevant(history, told) for history in self.histories))
        for folder in (*self._elsewhere, self.folder):
            if folder.exists() and size_of(folder) < MOST_KEPT:
                shutil.copytree(folder, kept / folder.name, symlinks=True, dirs_exist_ok=True)
        self.figures.kept = str(kept)


def relevant(history: History, digests: Sequence[str]) -> str:
    """What was written to the things that the failure names, and to all that was not looked at since."""
    lines = [f"acknowledged {history.acknowledged}, unknown {history.unknown}", *history.surprises[:50]]
    for key, register in list(history.registers.items()):
        if not register.is_settled or key.name in digests:
            lines += [f"{_name(key)} {write.value or 'absent'} {write.started:.4f}…{write.ended:.4f}"
                      for write in register.writes]  # fmt: skip
    return "\n".join(lines)


def size_of(folder: Path) -> int:
    """Bytes."""
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def _name(key: Key) -> str:
    return f"{key.kind} {key.repository} {key.name}"


def _failures() -> Path:
    folder = Path(__file__).parents[2] / "build" / "torture"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
