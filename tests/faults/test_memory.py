"""Many large uploads at once take little memory."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.requests import Requester
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import MIB, digest_of, random_bytes
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

UPLOADS = 32
ADDED = 128 * MIB


def resident(server: OrlopServer, field: str) -> int:
    """Bytes: VmRSS is now, VmHWM the most since `forget_peak`."""
    assert server.process is not None
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(field)


def forget_peak(server: OrlopServer) -> None:
    assert server.process is not None
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def pieces(piece: bytes, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield piece


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_uploads_of_64_mib_add_little(memory: Path, framing: str, capsys: pytest.CaptureFixture[str]) -> None:
    """B34, on a disk."""
    folder = memory if shutil.disk_usage(memory).free > 2 * UPLOADS * 64 * MIB else memory.parent
    upload_at_once(folder / "data", 64, framing, capsys)


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_uploads_of_256_mib_add_little(tmp_path: Path, framing: str, capsys: pytest.CaptureFixture[str]) -> None:
    upload_at_once(tmp_path / "data", 256, framing, capsys)


def upload_at_once(data: Path, size: int, framing: str, capsys: pytest.CaptureFixture[str]) -> None:
    """So many uploads of `size` MiB."""
    piece = random_bytes(MIB)
    digest = digest_of(piece * size)
    with OrlopServer(data, LOG_LEVEL="warning") as server:
        with Client(address_of(server)) as client:
            repository = Repository(client)
            repository.push_image("latest")
            repository.push_blob(random_bytes(2 * MIB))
            locations = [repository.start() for _ in range(UPLOADS)]
        statuses: list[int] = []

        def push(location: str) -> None:
            with Requester(server.host_port) as requester:
                headers = {} if framing == "chunked" else {"Content-Length": str(size * MIB)}
                answer = requester.ask("PUT", f"{location}?digest={digest}", pieces(piece, size), headers)
                assert answer is not None
                statuses.append(answer.status)

        before = resident(server, "VmRSS")
        forget_peak(server)
        threads = [threading.Thread(target=push, args=(location,)) for location in locations]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        added = resident(server, "VmHWM") - before
        assert statuses == [201] * UPLOADS
        with capsys.disabled():
            print(
                f"\n{UPLOADS} uploads of {size} MiB at once ({framing}) add {added / MIB:.0f} MiB to {before / MIB:.0f}"
            )
        assert added < ADDED
