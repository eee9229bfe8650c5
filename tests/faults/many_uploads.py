"""Many large uploads at once, and what memory a server takes."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


class Memory(NamedTuple):
    """Bytes that a server had resident."""

    before: int
    peak: int
    after: int

    @property
    def added(self) -> int:
        return self.peak - self.before


def upload_at_once(server: OrlopServer, size: int, framing: str) -> Memory:
    """So many uploads of `size` MiB, their content declared by its `length` or `chunked`."""
    piece = random_bytes(MIB)
    digest = digest_of(piece * size)
    with Client(address_of(server)) as client:
        repository = Repository(client)
        repository.push_image("latest")
        repository.push_blob(random_bytes(2 * MIB))
        locations = [repository.start() for _ in range(UPLOADS)]
    statuses: list[int | None] = []

    def push(location: str) -> None:
        with Requester(server.host_port) as requester:
            headers = {} if framing == "chunked" else {"Content-Length": str(size * MIB)}
            answer = requester.ask("PUT", f"{location}?digest={digest}", pieces(piece, size), headers)
            statuses.append(answer and answer.status)

    before = resident(server, "VmRSS")
    forget_peak(server)
    threads = [threading.Thread(target=push, args=(location,)) for location in locations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * UPLOADS, statuses
    return Memory(before, resident(server, "VmHWM"), resident(server, "VmRSS"))
