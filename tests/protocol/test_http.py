"""Requests that are not quite HTTP: refused once, and the connection ends, so that no two readers see two requests."""

import contextlib
import time
from collections.abc import Iterator

import pytest

from tests.protocol.answer import Answer
from tests.protocol.checks import check_headers
from tests.protocol.client import Client
from tests.protocol.conftest import address_of, on_local
from tests.protocol.connection import Closed, Connection
from tests.protocol.content import KIB, MIB, digest_of, encode, random_bytes
from tests.protocol.framing import LAST_CHUNK, cut
from tests.protocol.not_quite_http import AMBIGUOUS, BAD_LINES
from tests.protocol.repository import Repository, with_query
from tests.protocol.requirements import meets
from tests.servers import OrlopServer


def answers(connection: Connection) -> list[Answer]:
    """All answers until the server closes the connection, which it must."""
    found = []
    while True:
        try:
            found.append(connection.read())
        except Closed:
            return found


def refused(client: Client, request: bytes, statuses: tuple[int, ...] = (400,)) -> Answer | None:
    """Sends what is no request: one answer, and the end of the connection; and the next client is served as ever."""
    with client.connect() as connection:
        connection.send_until_answered([request])
        found = answers(connection)
    assert len(found) <= 1, [str(answer) for answer in found]
    for answer in found:
        assert answer.status in statuses, answer
        assert answer.closes
        check_headers(answer)
    assert client.get("/v2/").status == 200
    return found[0] if found else None


EVIL = b"GET /v2/smuggled/tags/list HTTP/1.1\r\nHost: x\r\n\r\n"


@on_local
@meets("beyond-smuggling")
@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH"])
@pytest.mark.parametrize("case", AMBIGUOUS)
def test_headers_that_two_readers_read_differently_are_refused(repository: Repository, case: str, method: str) -> None:
    target = f"{repository.base}/blobs/uploads/" if method == "POST" else f"{repository.base}/manifests/v1"
    request = f"{method} {target} HTTP/1.1\r\nHost: x\r\n".encode() + AMBIGUOUS[case]
    answer = refused(repository.client, request + EVIL, (400, 405, 413, 501))
    assert answer is not None
    assert repository.get("tags/list").status == 404


@on_local
@meets("beyond-smuggling")
@pytest.mark.parametrize("case", BAD_LINES)
def test_a_request_line_that_is_none_is_refused(registry: Client, case: str) -> None:
    with registry.connect() as connection:
        connection.send_until_answered([BAD_LINES[case]])
        connection.finish_sending()
        found = answers(connection)
    assert len(found) <= 1
    assert all(answer.status in (400, 404, 505) for answer in found), found
    assert registry.get("/v2/").status == 200


BAD_CHUNKS = {
    "no number": b"x\r\n",
    "a negative number": b"-1\r\nabc\r\n",
    "a plus": b"+3\r\nabc\r\n0\r\n\r\n",
    "0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "a space before": b" 3\r\nabc\r\n0\r\n\r\n",
    "an underscore": b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "other digits": "\u0663\r\nabc\r\n0\r\n\r\n".encode(),
    "beyond all numbers": b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "beyond 64 bits": b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "nothing": b"\r\n\r\n",
    "too little announced": b"2\r\nabc\r\n0\r\n\r\n",
    "no end of a chunk": b"3\r\nabc0\r\n\r\n",
    "a wrong end of a chunk": b"3\r\nabcXX0\r\n\r\n",
    "bare line feeds": b"3\nabc\n0\n\n",
    "a bare line feed after the size": b"3\nabc\r\n0\r\n\r\n",
    "a bare line feed after the chunk": b"3\r\nabc\n0\r\n\r\n",
    "an extension without end": b"3;" + b"a" * 100_000,
    "a size without end": b"0" * 100_000,
    "trailers without end": b"3\r\nabc\r\n0\r\n" + b"X-A: b\r\n" * 100_000,
    "a trailer with a NUL": b"3\r\nabc\r\n0\r\nX-A: \x00\r\n\r\n",
    "a NUL in an extension": b"3;a=\x00\r\nabc\r\n0\r\n\r\n",
}


@on_local
@meets("beyond-smuggling")
@pytest.mark.parametrize("before", [0, 300 * KIB], ids=["at once", "after 300 KiB"])
@pytest.mark.parametrize("way", ["PATCH", "PUT", "POST", "manifest"])
def test_a_body_whose_chunks_are_none_is_refused(repository: Repository, way: str, before: int) -> None:
    """What comes with the headers, and what comes when the registry has asked for it, is read by different code.

    All cases at once: the registry keeps each connection open a while, so that the answer reaches a client that sends.
    """
    content = random_bytes(before)
    wanted = digest_of(content + b"abc")
    with contextlib.ExitStack() as stack:
        connections = {case: stack.enter_context(repository.client.connect()) for case in BAD_CHUNKS}
        for case, connection in connections.items():
            location = repository.start()
            method, target = {
                "PATCH": ("PATCH", location),
                "PUT": ("PUT", with_query(location, f"digest={wanted}")),
                "POST": ("POST", f"{repository.base}/blobs/uploads/?digest={wanted}"),
                "manifest": ("PUT", f"{repository.base}/manifests/v1"),
            }[way]
            connection.begin(method, target, None, content, underway=before > 0)
            connection.send_until_answered([BAD_CHUNKS[case] + EVIL])
            if "without end" in case:
                connection.finish_sending()
        for case, connection in connections.items():
            found = answers(connection)
            assert len(found) <= 1, (case, [str(answer) for answer in found])
            assert found or "without end" in case, f"{case}: the registry waits for more"
            assert all(400 <= answer.status < 500 and answer.closes for answer in found), (case, found)
    assert repository.get(f"blobs/{wanted}").status == 404
    assert repository.get("manifests/v1").status == 404


@meets("beyond-smuggling")
@pytest.mark.parametrize("size", [10, 70_000, 300 * KIB, 2 * MIB + 3])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("underway", [False, True])
def test_what_follows_a_body_is_never_a_part_of_it(
    repository: Repository, size: int, chunked: bool, underway: bool
) -> None:
    content = random_bytes(size)
    location = repository.start()
    with repository.client.connect() as connection:
        rest = content[1:] if not chunked else b"%x\r\n%s\r\n0\r\n\r\n" % (size - 1, content[1:])
        connection.begin("PATCH", location, None if chunked else size, content[:1], underway=underway)
        connection.send(rest + EVIL)
        first = connection.read()
        assert first.status == 202
        assert first.header("Range") == f"0-{size - 1}"
        if first.closes:
            assert connection.is_closed()
        else:
            assert connection.read().codes == ["NAME_UNKNOWN"]
    assert repository.finish(location, digest_of(content)).status == 201
    assert repository.get(f"blobs/{digest_of(content)}").body == content


@meets("beyond-smuggling")
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize(
    "target", ["/v2/", "/v2/a/tags/list", "/v2/a/manifests/v1", f"/v2/a/blobs/{digest_of(b'')}", "/"]
)
def test_a_body_where_none_belongs_is_no_request(registry: Client, method: str, target: str) -> None:
    with registry.connect() as connection:
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(EVIL)}\r\n\r\n".encode()
        connection.send(head + EVIL)
        connection.read(method)
        connection.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        rest = answers(connection)
    assert [answer.json() for answer in rest] in ([{}], [])


LARGE = {
    "a URL of 100 KiB": b"GET /v2/" + b"a" * 100 * KIB + b"/tags/list HTTP/1.1\r\nHost: x\r\n\r\n",
    "a query of 100 KiB": b"GET /v2/a/tags/list?last=" + b"a" * 100 * KIB + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header of 1 MiB": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * MIB + b"\r\n\r\n",
    "a name of 1 MiB": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"a" * MIB + b": b\r\n\r\n",
    "10,000 headers": b"GET /v2/ HTTP/1.1\r\nHost: x\r\n"
    + b"".join(b"X-%d: b\r\n" % n for n in range(10_000))
    + b"\r\n",
    "10,000 cookies": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nCookie: "
    + b"; ".join(b"a%d=b" % n for n in range(10_000))
    + b"\r\n\r\n",
    "an Accept of 1 MiB": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nAccept: " + b", ".join([b"a/b"] * 209_715) + b"\r\n\r\n",
    "a token of 1 MiB": b"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"a" * MIB + b"\r\n\r\n",
}


@on_local
@meets("beyond-large")
@pytest.mark.parametrize("case", LARGE)
def test_headers_beyond_all_measure_are_refused(registry: Client, case: str) -> None:
    refused(registry, LARGE[case], (400, 414, 431))


@on_local
@meets("beyond-large")
def test_headers_without_end_are_cut_off(registry: Client) -> None:
    """A client that goes on and on: 64 MiB must not gather in the server's memory."""
    sent = 0
    with registry.connect() as connection:
        connection.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n")
        try:
            for number in range(1000):
                connection.send(b"X-%d: %s\r\n" % (number, b"a" * 64 * KIB))
                sent += 64 * KIB
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 60 * MIB
    assert registry.get("/v2/").status == 200


@meets("beyond-large")
def test_headers_of_honest_size_are_fine(registry: Client) -> None:
    """Tokens are long, and clients list every manifest type that they know."""
    token = {"Authorization": f"Bearer {'a' * 16_000}", "Accept": ", ".join(["application/vnd.example+json"] * 100)}
    many = {f"X-{number}": "b" for number in range(100)}
    assert registry.get("/v2/", {**token, **many}).status == 200


@meets("beyond-smuggling")
@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /v2/ HTTP/1.1\r\n\r\n",
        b"GET /v2/\r\n\r\n",
        b"GET  /v2/  HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET http://example.org/v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/#fragment HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /./v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/../v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: AA\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: a\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nExpect: something\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: " + b"x" * 10_000 + b"\r\n\r\n",
    ],
    ids=lambda head: head[:40].decode("ascii").strip(),
)
def test_odd_requests_get_one_answer(registry: Client, request_head: bytes) -> None:
    with registry.connect() as connection:
        connection.send(request_head)
        answer = connection.read()
        assert answer.status < 500
        connection.finish_sending()
        assert answers(connection) == []
    assert registry.get("/v2/").status == 200


@pytest.mark.parametrize(
    "header", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-URL", "Via"]
)
def test_no_header_leads_a_client_elsewhere(repository: Repository, header: str) -> None:
    """Locations are relative: what a client says of the host is never told to it, or to a cache, again."""
    content = random_bytes(10)
    lines = [(header, "evil.example")] if header != "Host" else []
    for answer in (
        repository.request("POST", "blobs/uploads/", [*lines, ("Content-Length", "0")]),
        repository.request("POST", f"blobs/uploads/?digest={digest_of(content)}", lines, content),
    ):
        assert answer.header("Location").startswith(f"{repository.base}/blobs/")
        assert "evil" not in str(answer)


def test_a_body_that_is_compressed_is_not_unpacked(repository: Repository) -> None:
    """Content-Encoding says nothing of a blob: its digest is that of the bytes that came."""
    content = random_bytes(1000)
    location = repository.start()
    answer = repository.finish(location, digest_of(content), content, {"Content-Encoding": "gzip"})
    assert answer.status == 201
    pulled = repository.get(f"blobs/{digest_of(content)}", {"Accept-Encoding": "gzip, br, zstd"})
    assert pulled.body == content
    assert not pulled.every("Content-Encoding")


@pytest.fixture(scope="module")
def impatient() -> Iterator[OrlopServer]:
    with OrlopServer(LIMITS_HEADER_TIMEOUT="1s", LIMITS_TRANSFER_TIMEOUT="1s") as server:
        yield server


@meets("beyond-slow")
def test_headers_that_drip_are_cut_off_and_those_that_come_are_not(impatient: OrlopServer) -> None:
    address = address_of(impatient)
    with Connection(address) as slow, Connection(address) as idle:
        slow.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012
            while time.monotonic() < began + 8:
                slow.send(b"X-A: b\r\n")
                time.sleep(0.05)
        idle.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.read().status == 200, "a connection without a request may wait"


@meets("beyond-slow")
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_stands_still_is_cut_off_and_can_be_resumed(impatient: OrlopServer, framing: str) -> None:
    content = random_bytes(MIB)
    with Client(address_of(impatient)) as client:
        repository = Repository(client)
        location = repository.start()
        with client.connect() as connection:
            declared = MIB if framing == "length" else None
            connection.begin("PATCH", location, declared, content[: 600 * KIB], underway=True)
            began = time.monotonic()
            assert len(answers(connection)) <= 1
            assert 0.5 < time.monotonic() - began < 10
        last = client.get(location).header("Range").partition("-")[2]
        at = int(last) + 1 if last != "0" else 0
        answer = repository.patch(location, content[at:], {"Content-Range": f"{at}-{MIB - 1}"})
        assert answer.status == 202
        assert repository.finish(location, digest_of(content)).status == 201


@on_local
def test_a_large_manifest_in_dripping_chunks_is_read_to_its_end(repository: Repository) -> None:
    """Sizes and content come apart: whoever reads must not wait for what nobody asks the client for."""
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [],
        "annotations": {"long": "x" * (2 * MIB)},
    }
    manifest = encode(document)
    with repository.client.connect() as connection:
        target = f"{repository.base}/manifests/v1"
        connection.send(f"PUT {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for piece in cut(manifest, 40 * KIB):
            connection.send(f"{len(piece):x}\r\n".encode())
            time.sleep(0.003)
            connection.send(piece)
            time.sleep(0.003)
            connection.send(b"\r\n")
            time.sleep(0.003)
        connection.send(LAST_CHUNK)
        assert connection.read().status == 201
    assert repository.get("manifests/v1").body == manifest
