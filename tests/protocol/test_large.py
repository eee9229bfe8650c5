"""A blob of more than 4 GiB: beyond what 32 bits count, and beyond what one system call moves."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.client import Client, request_head
from tests.protocol.conftest import address_of
from tests.protocol.content import MIB
from tests.protocol.framing import LAST_CHUNK, chunk
from tests.protocol.repository import Repository, with_query
from tests.protocol.requirements import meets
from tests.servers import OrlopServer

PIECES = 4 * 1024 + 100
SIZE = PIECES * MIB + 7


def pieces() -> Iterator[bytes]:
    """Mebibytes that differ, cheaply: each begins with its number."""
    zeros = bytes(MIB - 8)
    for number in range(PIECES):
        yield number.to_bytes(8, "big") + zeros
    yield b"the end"


@pytest.fixture(scope="module")
def digest() -> str:
    hasher = hashlib.sha256()
    for piece in pieces():
        hasher.update(piece)
    return f"sha256:{hasher.hexdigest()}"


@meets("beyond-large-blobs")
@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_blob_of_more_than_four_gibibytes(data: Path, digest: str, framing: str) -> None:
    """B35."""
    with OrlopServer(data=data) as server, Client(address_of(server)) as client:
        repository = Repository(client)
        location = repository.start()
        with client.connect() as connection:
            line = ("Content-Length", str(SIZE)) if framing == "length" else ("Transfer-Encoding", "chunked")
            connection.send(request_head("PATCH", location, client.address, [line]))
            for piece in pieces():
                connection.send(piece if framing == "length" else chunk(piece))
            if framing == "chunked":
                connection.send(LAST_CHUNK)
            answer = connection.read()
        assert answer.status == 202
        assert answer.header("Range") == f"0-{SIZE - 1}"
        assert client.request("PUT", with_query(location, f"digest={digest}"), body=b"").status == 201
        path = f"blobs/{digest}"
        assert repository.head(path).header("Content-Length") == str(SIZE)
        for number in (0, 2047, 2048, 4095, 4096, PIECES - 1):
            at = number * MIB
            answer = repository.get(path, {"Range": f"bytes={at}-{at + 9}"})
            assert answer.status == 206
            assert answer.body == number.to_bytes(8, "big") + b"\x00\x00"
            assert answer.header("Content-Range") == f"bytes {at}-{at + 9}/{SIZE}"
        assert repository.get(path, {"Range": "bytes=-7"}).body == b"the end"
        with client.connect() as connection:
            connection.send(request_head("GET", f"{repository.base}/{path}", client.address))
            hasher = hashlib.sha256()
            for piece in connection.read_streamed(SIZE):
                hasher.update(piece)
        assert f"sha256:{hasher.hexdigest()}" == digest
