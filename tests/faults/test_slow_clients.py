"""Slow clients: others do not wait for them, they hold no thread, and what stands still is cut."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from tests.faults.latencies import Latencies
from tests.faults.requests import Requester
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.connection import Closed, Connection
from tests.protocol.content import KIB, MIB, OCI_IMAGE, digest_of, random_bytes
from tests.protocol.framing import LAST_CHUNK, chunk, cut
from tests.protocol.repository import Repository, with_query
from tests.servers import OrlopServer

READERS, BODIES, HEADERS = 200, 100, 50
THREADS = 64
"""More than all pools together may have."""
GRACE = 0.0005
"""Seconds by which a percentile may move for no reason on a machine that does something else as well."""
ATTEMPTS = 3


@pytest.fixture(scope="module")
def server() -> Iterator[OrlopServer]:
    with OrlopServer(LOG_LEVEL="warning", LIMITS_HEADER_TIMEOUT="3s") as server:
        yield server
        assert "Traceback" not in server.log


@pytest.fixture
def repository(server: OrlopServer) -> Iterator[Repository]:
    with Client(address_of(server)) as client:
        yield Repository(client)


@contextmanager
def attackers(server: OrlopServer, repository: Repository, digest: str) -> Iterator[None]:
    host, port = address_of(server)
    locations = ",".join(repository.start() for _ in range(BODIES))
    command = [
        sys.executable, "-m", "tests.faults.slow", host, str(port),
        f"{repository.base}/blobs/{digest}", locations, str(READERS), str(HEADERS),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == b"all are at it\n"
        yield
        assert process.poll() is None, "the slow clients gave up"
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def threads(server: OrlopServer) -> int:
    assert server.process is not None
    return len(os.listdir(f"/proc/{server.process.pid}/task"))


def descriptors(server: OrlopServer) -> int:
    assert server.process is not None
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def has_at_most(server: OrlopServer, count: int) -> bool:
    return descriptors(server) <= count


def wait_until(condition: Callable[[], bool], patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.timeout(240)
def test_others_hardly_notice_slow_clients(
    server: OrlopServer, repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = repository.push_blob(random_bytes(64 * MIB))
    repository.push_image("latest")
    path = f"{repository.base}/manifests/latest"
    for _ in range(ATTEMPTS):
        alone, attacked = Latencies(), Latencies()
        with Requester(server.host_port) as requester:
            Latencies().measure(requester, path, 1)
            before = descriptors(server)
            alone.measure(requester, path, 5)
            with attackers(server, repository, digest):
                attacked.measure(requester, path, 9)
                # A socket for each, a duplicate while it is waited for, and the file or upload.
                assert descriptors(server) <= before + 3 * (READERS + BODIES) + 2 * HEADERS + 50
                assert threads(server) <= THREADS
                content = random_bytes(MIB)
                assert repository.get(f"blobs/{repository.push_blob(content)}").body == content
            # The threads stay, each with its connection to the database.
            wait_until(partial(has_at_most, server, before + 2 * THREADS))
            alone.measure(requester, path, 4)
        with capsys.disabled():
            print(
                f"\n{READERS} slow readers, {BODIES} dripping bodies, {HEADERS} dripping headers: p99 of a manifest GET"
                f" {attacked.p99 * 1000:.2f} ms, alone {alone.p99 * 1000:.2f} ms"
            )
        if attacked.p99 <= 2 * alone.p99 + GRACE:
            return
    pytest.fail(f"p99 is {attacked.p99 / alone.p99:.1f} times as high in {ATTEMPTS} attempts")


# What stands still


@pytest.fixture(scope="module")
def impatient() -> Iterator[OrlopServer]:
    server = OrlopServer(
        LIMITS_TRANSFER_TIMEOUT="1s",
        LIMITS_HEADER_TIMEOUT="1s",
        LIMITS_IDLE_TIMEOUT="2s",
        LOG_LEVEL="warning",
    )
    with server:
        yield server
        assert "Traceback" not in server.log


@pytest.fixture
def cut_soon(impatient: OrlopServer) -> Iterator[Repository]:
    with Client(address_of(impatient)) as client:
        yield Repository(client)


def assert_ended(connection: Connection, least: float, most: float) -> None:
    """The server ends the connection, not too early and not too late, without an answer that says success."""
    begun = time.monotonic()
    try:
        answer = connection.read()
        assert answer.status >= 400, answer
        assert connection.is_closed()
    except Closed:
        pass
    assert least <= time.monotonic() - begun + 0.1, "too early"
    assert time.monotonic() - begun <= most, "too late"


def test_a_reader_who_stands_still_is_cut(cut_soon: Repository) -> None:
    content = random_bytes(64 * MIB)
    digest = cut_soon.push_blob(content)
    with cut_soon.client.connect() as connection:
        connection.send(f"GET {cut_soon.base}/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(4)  # nothing is read all the while, which is what this is about
        with pytest.raises((AssertionError, ConnectionResetError)):
            for _ in connection.read_streamed(len(content)):
                pass
    cut_soon.client.close()  # the kept connection was idle too long
    assert cut_soon.get(f"blobs/{digest}").body == content


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [3_000, 100_000, 3_000_000])
def test_an_upload_that_stands_still_is_cut_and_keeps_what_came(cut_soon: Repository, size: int, framing: str) -> None:
    content, location = random_bytes(size), cut_soon.start()
    sent = size // 3
    with cut_soon.client.connect() as connection:
        connection.begin("PATCH", location, size if framing == "length" else None, content[:sent])
        assert_ended(connection, 1, 8)
    cut_soon.client.close()  # the kept connection was idle too long
    held = int(cut_soon.client.get(location).header("Range").removeprefix("0-")) + 1
    assert held in (1, sent)
    first = 0 if held == 1 else held
    headers = {"Content-Range": f"{first}-{size - 1}"}
    assert cut_soon.finish(location, digest_of(content), content[first:], headers).status == 201


def test_small_bodies_that_stand_still_are_cut(cut_soon: Repository) -> None:
    digest = digest_of(b"x" * 1000)
    location = cut_soon.start()
    targets = {
        "POST": f"{cut_soon.base}/blobs/uploads/?digest={digest}",
        "PUT": with_query(location, f"digest={digest}"),
    }
    manifest = f"{cut_soon.base}/manifests/latest"
    for method, target in (*targets.items(), ("PUT", manifest)):
        with cut_soon.client.connect() as connection:
            connection.begin(method, target, 1000, b"x" * 10)
            assert_ended(connection, 1, 8)
    cut_soon.client.close()  # the kept connection was idle too long
    assert cut_soon.put_manifest("latest", b"{}", OCI_IMAGE).status == 400
    assert cut_soon.finish(location, digest, b"x" * 1000).status == 201


@pytest.mark.parametrize(("size", "framing"), [(8, "chunked"), (800_000, "length")])
def test_an_upload_that_goes_on_slowly_is_not_cut(cut_soon: Repository, size: int, framing: str) -> None:
    content, location = random_bytes(size), cut_soon.start()
    with cut_soon.client.connect() as connection:
        connection.begin("PATCH", location, size if framing == "length" else None, b"")
        for piece in cut(content, size // 4):
            connection.send(chunk(piece) if framing == "chunked" else piece)
            time.sleep(0.4)
        connection.send(LAST_CHUNK if framing == "chunked" else b"")
        assert connection.read().status == 202
    cut_soon.client.close()  # the kept connection was idle too long
    assert cut_soon.finish(location, digest_of(content)).status == 201


BEGUN = (b"GET /v2/", b"GET /v2/ HTTP/1.1\r\n", b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ")


def test_headers_that_do_not_come_to_an_end_are_cut(cut_soon: Repository) -> None:
    """Though they drip, and whether on a new connection or after a request."""

    def drip(begun: bytes, after_a_request: bool) -> float:
        with cut_soon.client.connect() as connection:
            if after_a_request:
                connection.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.read().status == 200
            connection.send(begun)
            started = time.monotonic()
            while time.monotonic() - started < 10:
                try:
                    connection.send(b"x")
                except (BrokenPipeError, ConnectionResetError):
                    break
                time.sleep(0.2)
            return time.monotonic() - started

    with ThreadPoolExecutor(6) as pool:
        seconds = list(pool.map(drip, BEGUN * 2, [False] * 3 + [True] * 3))
    assert all(0.8 <= each <= 6 for each in seconds), seconds


def test_a_connection_on_which_nothing_comes_is_closed(cut_soon: Repository) -> None:
    with cut_soon.client.connect() as new, cut_soon.client.connect() as used:
        used.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert used.read().status == 200
        started = time.monotonic()
        for connection in (new, used):
            assert connection.is_closed()
            assert 1.5 <= time.monotonic() - started <= 10


def test_a_slow_reader_gets_it_all(cut_soon: Repository) -> None:
    """B33: slower than the time-out of a stall, but never still."""
    content = random_bytes(12 * MIB)
    digest = cut_soon.push_blob(content)
    found = bytearray()
    with cut_soon.client.connect() as connection:
        connection.send(f"GET {cut_soon.base}/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for piece in connection.read_streamed(len(content)):
            found += piece
            if len(found) % (256 * KIB) < len(piece):
                time.sleep(0.1)
    assert found == content
