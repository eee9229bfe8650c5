"""SIGTERM: running transfers finish, new ones are refused, and the exit code is 0 whatever clients do."""

import signal
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.certificate import Certificate
from tests.faults.requests import Requester
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.connection import Closed, Connection
from tests.protocol.content import KIB, MIB, digest_of, encode, random_bytes
from tests.protocol.framing import LAST_CHUNK, chunk, cut
from tests.protocol.repository import Repository, with_query
from tests.servers import OrlopServer

PATIENCE = 20.0


@pytest.fixture
def client(server: OrlopServer) -> Iterator[Client]:
    with Client(address_of(server)) as client:
        yield client


@pytest.fixture
def server(memory: Path) -> Iterator[OrlopServer]:
    with OrlopServer(memory / "data", LIMITS_DRAIN_TIMEOUT="20s", LOG_LEVEL="warning") as server:
        yield server
        assert "Traceback" not in server.log


def tell_to_stop(server: OrlopServer) -> None:
    """SIGTERM; returns when the server takes no new connections."""
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            Connection(address_of(server)).close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < deadline, "the server goes on listening"
        time.sleep(0.01)


def drained(connection: Connection, size: int) -> bytes:
    """The rest of a download, read at leisure."""
    content = bytearray()
    for piece in connection.read_streamed(size):
        content += piece
    return bytes(content)


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_transfers_that_run_over_the_moment_are_whole(client: Client, server: OrlopServer, framing: str) -> None:
    """B47."""
    repository = Repository(client)
    down, up = random_bytes(16 * MIB), random_bytes(8 * MIB)
    down_digest, up_digest = repository.push_blob(down), digest_of(up)
    location = repository.start()
    with client.connect() as download, client.connect() as upload:
        download.send(f"GET {repository.base}/blobs/{down_digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        target = with_query(location, f"digest={up_digest}")
        declared = len(up) if framing == "length" else None
        upload.begin("PUT", target, declared, up[:MIB], underway=True)
        tell_to_stop(server)
        for piece in cut(up[MIB:], 512 * KIB):
            upload.send(chunk(piece) if framing == "chunked" else piece)
            time.sleep(0.02)
        if framing == "chunked":
            upload.send(LAST_CHUNK)
        answer = upload.read()
        assert answer.status == 201, answer
        assert drained(download, len(down)) == down
    assert server.process is not None
    assert server.process.wait(PATIENCE) == 0
    server.start()
    with Client(address_of(server)) as again:
        assert Repository(again, repository.name).get(f"blobs/{up_digest}").body == up


@pytest.mark.parametrize("size", [2, 40_000, 200_000])
def test_small_bodies_that_run_over_the_moment_are_whole(client: Client, server: OrlopServer, size: int) -> None:
    """They come through the HTTP parser, which is no reason to lose their ends."""
    repository, blob = Repository(client), random_bytes(size)
    document = repository.new_image(annotations={"long": "x" * 5000})
    manifest = encode(document)
    with client.connect() as pushing, client.connect() as tagging:
        target = f"{repository.base}/blobs/uploads/?digest={digest_of(blob)}"
        pushing.begin("POST", target, len(blob), blob[: size // 2], underway=True)
        tagging.begin("PUT", f"{repository.base}/manifests/latest", len(manifest), manifest[:3000], underway=True)
        tell_to_stop(server)
        pushing.send(blob[size // 2 :])
        tagging.send(manifest[3000:])
        for connection in (pushing, tagging):
            answer = connection.read()
            assert answer.status == 201, answer
            assert answer.closes
    assert server.process is not None
    assert server.process.wait(PATIENCE) == 0
    server.start()
    with Client(address_of(server)) as again:
        kept = Repository(again, repository.name)
        assert kept.get("manifests/latest").body == manifest
        assert kept.get(f"blobs/{digest_of(blob)}").body == blob


def test_bodies_over_tls_that_run_over_the_moment_are_whole(memory: Path) -> None:
    certificate = Certificate.make(memory)
    trusting = ssl.create_default_context(cafile=str(certificate.cert))
    settings = {"TLS_CERT": str(certificate.cert), "TLS_KEY": str(certificate.key), "LIMITS_DRAIN_TIMEOUT": "20s"}
    kind = "application/vnd.oci.image.index.v1+json"
    document = {"schemaVersion": 2, "mediaType": kind, "manifests": [], "annotations": {"long": "x" * 40_000}}
    blob, manifest = random_bytes(3 * MIB), encode(document)
    with OrlopServer(memory / "data", LOG_LEVEL="warning", **settings) as server:
        address = address_of(server)
        with Connection(address, trusting) as pushing, Connection(address, trusting) as tagging:
            target = f"/v2/over/tls/blobs/uploads/?digest={digest_of(blob)}"
            pushing.begin("POST", target, len(blob), blob[:MIB], underway=True)
            tagging.begin("PUT", "/v2/over/tls/manifests/v1", len(manifest), manifest[:30_000], underway=True)
            tell_to_stop(server)
            pushing.send(blob[MIB:])
            tagging.send(manifest[30_000:])
            assert pushing.read().status == 201
            assert tagging.read().status == 201
        assert server.process is not None
        assert server.process.wait(PATIENCE) == 0
        server.start()
        with Connection(address_of(server), trusting) as again:
            again.send(f"GET /v2/over/tls/blobs/{digest_of(blob)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert again.read().body == blob
            again.send(b"GET /v2/over/tls/manifests/v1 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert again.read().body == manifest
        assert "Traceback" not in server.log


def test_a_chunk_that_runs_over_the_moment_is_acknowledged_and_resumed(client: Client, server: OrlopServer) -> None:
    repository, content = Repository(client), random_bytes(4 * MIB)
    location = repository.start()
    with client.connect() as upload:
        upload.begin("PATCH", location, 2 * MIB, content[:KIB], underway=True)
        tell_to_stop(server)
        upload.send(content[KIB : 2 * MIB])
        assert upload.read().header("Range") == f"0-{2 * MIB - 1}"
    assert server.process is not None
    assert server.process.wait(PATIENCE) == 0
    server.start()
    with Client(address_of(server)) as again:
        resumed = Repository(again, repository.name)
        assert again.get(location).header("Range") == f"0-{2 * MIB - 1}"
        assert resumed.finish(location, digest_of(content), content[2 * MIB :]).status == 201
        assert resumed.get(f"blobs/{digest_of(content)}").body == content


def test_idle_connections_keep_nobody_waiting(client: Client, server: OrlopServer) -> None:
    connections = [client.connect() for _ in range(20)]
    for connection in connections[:10]:
        connection.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.read().status == 200
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 5
    for connection in connections:
        assert connection.is_closed()
        connection.close()


def test_past_the_drain_timeout_it_ends_all_the_same(memory: Path) -> None:
    server = OrlopServer(memory / "data", LIMITS_DRAIN_TIMEOUT="1s", LOG_LEVEL="warning")
    with server, Client(address_of(server)) as client:
        repository = Repository(client)
        content = random_bytes(32 * MIB)
        digest = repository.push_blob(content)
        location = repository.start()
        with client.connect() as download, client.connect() as upload, client.connect() as headers:
            download.send(f"GET {repository.base}/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            upload.begin("PATCH", location, len(content), content[:MIB], underway=True)
            headers.send(b"GET /v2/ HTTP/1.1\r\nHo")
            begun = time.monotonic()
            tell_to_stop(server)
            assert server.process is not None
            assert server.process.wait(PATIENCE) == 0
            assert 1 <= time.monotonic() - begun < 10
            # Nobody takes a part for the whole.
            with pytest.raises((AssertionError, ConnectionResetError)):
                drained(download, len(content))
            with pytest.raises(Closed):
                upload.read()
        assert "Traceback" not in server.log
        server.start()
        with Client(address_of(server)) as again:
            resumed = Repository(again, repository.name)
            held = int(again.get(location).header("Range").removeprefix("0-")) + 1
            assert held <= MIB
            rest = {"Content-Range": f"{held}-{len(content) - 1}"}
            assert resumed.finish(location, digest, content[held:], rest).status == 201


def test_a_second_signal_changes_nothing(client: Client, server: OrlopServer) -> None:
    repository, content = Repository(client), random_bytes(2 * MIB)
    location = repository.start()
    with client.connect() as upload:
        upload.begin("PATCH", location, len(content), content[:KIB], underway=True)
        tell_to_stop(server)
        assert server.process is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            server.process.send_signal(number)
        upload.send(content[KIB:])
        assert upload.read().status == 202
    assert server.process.wait(PATIENCE) == 0


def test_stopping_under_load_loses_nothing(memory: Path) -> None:
    """B47: fifty uploads at once, and each client knows afterwards where it stands."""
    server = OrlopServer(memory / "data", LIMITS_DRAIN_TIMEOUT="5s", LOG_LEVEL="warning").start()
    contents = [random_bytes(300_000) for _ in range(50)]
    finished: set[int] = set()

    def push(number: int) -> None:
        with Requester(server.host_port) as requester:
            while True:
                content = contents[number]
                path = f"/v2/load/n{number}/blobs/uploads/?digest={digest_of(content)}"
                answer = requester.ask("POST", path, content)
                if answer is None or answer.status == 503:
                    return
                assert answer.status == 201, answer
                finished.add(number)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(len(contents))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE
    while len(finished) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert server.stop() == 0
    for thread in threads:
        thread.join(PATIENCE)
    assert "Traceback" not in server.log
    with server, Requester(server.host_port) as requester:
        for number in finished:
            content = contents[number]
            answer = requester.demand("GET", f"/v2/load/n{number}/blobs/{digest_of(content)}", 200)
            assert answer.body == content
