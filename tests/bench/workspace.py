"""The temporary folder of one benchmark: always removed, and always on a disk with room for it."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bench.errors import BenchError

CHECKOUT = Path(__file__).resolve().parents[2]
LARGE = 1 << 20  # bytes of a file whose space is worth having back
NEEDED_BYTES = 13 << 30  # the most that lies there at once is about 12 GiB (32 uploads of 256 MiB beside the seeds)


class Workspace:
    """A folder below `parent` (default: `build/bench` in the checkout, which git ignores), gone when the block ends."""

    def __init__(self, parent: Path | None) -> None:
        self._parent = parent or CHECKOUT / "build" / "bench"

    def __enter__(self) -> Self:
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BenchError(f"{self._parent} cannot be made ({error.strerror}): choose --dir") from None
        free = shutil.disk_usage(self._parent).free
        if free < NEEDED_BYTES:
            raise BenchError(
                f"{self._parent} has {free >> 30} GiB free and {NEEDED_BYTES >> 30} GiB are needed: choose --dir"
            )
        self.root = Path(tempfile.mkdtemp(prefix="data-", dir=self._parent))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.root)
        with contextlib.suppress(OSError):  # another benchmark is using it, or its owner wants to keep it
            self._parent.rmdir()

    def fresh(self, name: str) -> Path:
        """An empty folder `name`; what was there before is discarded."""
        folder = self.root / name
        if folder.exists():
            self.discard(folder)
        folder.mkdir(parents=True)
        return folder

    def discard(self, folder: Path) -> None:
        """Frees a folder's space, and puts the rest of it aside until the end.

        ext4 does not use an inode again for some time after its file was removed, and looks at each such inode whenever
        a file is made near it: after a thousand removals, making a file took 700 µs instead of 20 (measured). No
        registry in use removes all that it has; a benchmark that did so between its rows would measure little else.
        """
        for file in folder.rglob("*"):
            if file.is_file() and file.stat().st_size > LARGE:
                os.truncate(file, 0)
        spent = self.root / "spent"
        spent.mkdir(exist_ok=True)
        folder.rename(tempfile.mkdtemp(dir=spent))
