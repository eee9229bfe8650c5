"""Where the data of these tests lies."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ENOUGH = 2 << 30


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is room, for what is not about the disk: a process that is killed leaves the
    same files there as on a disk, and nothing waits for the disk's other users."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ENOUGH:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="orlop-test-", dir=MEMORY) as folder:
        yield Path(folder)
