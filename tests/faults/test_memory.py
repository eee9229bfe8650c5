"""Many large uploads at once take little memory."""

import shutil
from pathlib import Path

import pytest

from tests.faults.many_uploads import ADDED, UPLOADS, upload_at_once
from tests.protocol.content import MIB
from tests.servers import OrlopServer


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_uploads_of_64_mib_add_little(memory: Path, framing: str, capsys: pytest.CaptureFixture[str]) -> None:
    """B34, on a disk."""
    folder = memory if shutil.disk_usage(memory).free > 2 * UPLOADS * 64 * MIB else memory.parent
    measure(folder / "data", 64, framing, capsys)


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_uploads_of_256_mib_add_little(tmp_path: Path, framing: str, capsys: pytest.CaptureFixture[str]) -> None:
    measure(tmp_path / "data", 256, framing, capsys)


def measure(data: Path, size: int, framing: str, capsys: pytest.CaptureFixture[str]) -> None:
    """So many uploads of `size` MiB."""
    with OrlopServer(data, LOG_LEVEL="warning") as server:
        memory = upload_at_once(server, size, framing)
    with capsys.disabled():
        print(
            f"\n{UPLOADS} uploads of {size} MiB at once ({framing}) add {memory.added / MIB:.0f} MiB"
            f" to {memory.before / MIB:.0f}"
        )
    assert memory.added < ADDED
