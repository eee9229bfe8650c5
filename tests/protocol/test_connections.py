"""Connections that are kept: many requests one after the other, sent at once or not, and after refusals."""

import pytest

from tests.protocol.answer import Answer
from tests.protocol.client import Client, request_head
from tests.protocol.connection import Connection
from tests.protocol.content import KIB, MIB, OCI_IMAGE, absent_digest, digest_of, random_bytes
from tests.protocol.repository import Repository, with_query
from tests.protocol.requirements import meets


@meets("beyond-keep-alive")
def test_one_connection_serves_a_whole_push_and_pull(repository: Repository) -> None:
    """Blobs stay below the size from which a body ends its connection."""
    contents = [random_bytes(size) for size in (0, 10, 64 * KIB, 100 * KIB, 200 * KIB)]
    with repository.client.connect() as connection:

        def ask(method: str, target: str, body: bytes = b"") -> Answer:
            head = request_head(method, target, repository.client.address, [("Content-Length", str(len(body)))])
            connection.send(head + body)
            answer = connection.read(method)
            assert not answer.closes
            return answer

        for content in contents:
            location = ask("POST", f"{repository.base}/blobs/uploads/").header("Location")
            assert ask("PUT", with_query(location, f"digest={digest_of(content)}"), content).status == 201
            location = ask("POST", f"{repository.base}/blobs/uploads/").header("Location")
            assert ask("PATCH", location, content).status == 202
            assert ask("PUT", with_query(location, f"digest={digest_of(content)}")).status == 201
        for content in contents:
            assert ask("GET", f"{repository.base}/blobs/{digest_of(content)}").body == content
            assert ask("HEAD", f"{repository.base}/blobs/{digest_of(content)}").status == 200


REFUSED: list[tuple[str, str, dict[str, str], bytes, int]] = [
    ("GET", "manifests/v9", {}, b"", 404),
    ("GET", "manifests/.v", {}, b"", 400),
    ("GET", "tags/list?n=x", {}, b"", 400),
    ("POST", "tags/list", {}, b"a body", 405),
    ("DELETE", "blobs/uploads/", {}, b"a body", 405),
    ("PUT", "manifests/v1", {"Content-Type": OCI_IMAGE}, b"{", 400),
    ("PUT", "manifests/sha256:x", {}, b"{}", 400),
    ("GET", f"blobs/{absent_digest()}", {"Range": "bytes=0-1"}, b"", 404),
    ("PATCH", f"blobs/uploads/{'a' * 40}", {}, b"", 404),
    ("POST", f"blobs/uploads/?digest={absent_digest()}", {}, b"abc", 400),
]


@meets("beyond-keep-alive")
@pytest.mark.parametrize(("method", "path", "headers", "body", "status"), REFUSED, ids=lambda value: str(value)[:20])
def test_a_connection_goes_on_after_a_refusal(
    repository: Repository, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    pushed = repository.push_image("v1")
    with repository.client.connect() as connection:
        for _ in range(3):
            lines = [*headers.items(), ("Content-Length", str(len(body)))]
            connection.send(request_head(method, f"{repository.base}/{path}", repository.client.address, lines) + body)
            assert connection.read(method).status == status
        connection.send(request_head("GET", f"{repository.base}/manifests/v1", repository.client.address))
        assert connection.read().body == pushed.content


@meets("beyond-keep-alive")
@pytest.mark.parametrize("count", [2, 10, 100])
def test_requests_that_are_sent_at_once_are_answered_in_order(repository: Repository, count: int) -> None:
    pushed = [repository.push_image(f"v{number}") for number in range(5)]
    targets = [f"{repository.base}/manifests/v{number % 6}" for number in range(count)]
    with repository.client.connect() as connection:
        connection.send(b"".join(request_head("GET", target, repository.client.address) for target in targets))
        for number in range(count):
            answer = connection.read()
            if number % 6 < 5:
                assert answer.body == pushed[number % 6].content
            else:
                assert answer.codes == ["MANIFEST_UNKNOWN"]


@meets("beyond-keep-alive")
def test_large_and_small_answers_keep_their_order(repository: Repository) -> None:
    """Some are written to the connection's buffer and some past it, straight from the file."""
    contents = [random_bytes(size) for size in (5 * MIB, 10, 64 * KIB + 1, 0, 3 * MIB, 64 * KIB)]
    digests = [repository.push_blob(content) for content in contents]
    wanted: list[tuple[str, str, bytes, int]] = []
    for content, digest in zip(contents, digests, strict=True):
        wanted.append(("GET", f"blobs/{digest}", content, 200))
        wanted.append(("HEAD", f"blobs/{digest}", b"", 200))
        wanted.append(("GET", "manifests/absent", b"", 404))
    with repository.client.connect() as connection:
        heads = [
            request_head(method, f"{repository.base}/{path}", repository.client.address)
            for method, path, _, _ in wanted
        ]
        connection.send(b"".join(heads * 2))
        for method, path, content, status in wanted * 2:
            answer = connection.read(method)
            assert answer.status == status, path
            if status == 200:
                assert answer.body == content


@meets("beyond-keep-alive")
def test_writes_that_are_sent_at_once_happen_in_order(repository: Repository) -> None:
    pushed = [repository.push_image() for _ in range(5)]
    with repository.client.connect() as connection:
        requests = []
        for each in pushed:
            lines = [("Content-Length", str(len(each.content))), ("Content-Type", OCI_IMAGE)]
            target = f"{repository.base}/manifests/v1"
            requests.append(request_head("PUT", target, repository.client.address, lines) + each.content)
            requests.append(request_head("GET", target, repository.client.address))
        connection.send(b"".join(requests))
        for each in pushed:
            assert connection.read().status == 201
            assert connection.read().body == each.content


@meets("beyond-keep-alive")
@pytest.mark.parametrize("size", [100, 100_000])
def test_a_client_that_asks_for_the_end_gets_it(repository: Repository, size: int) -> None:
    digest = repository.push_blob(random_bytes(size))
    for method in ("GET", "HEAD"):
        with repository.client.connect() as connection:
            target = f"{repository.base}/blobs/{digest}"
            connection.send(request_head(method, target, repository.client.address, [("Connection", "close")]))
            answer = connection.read(method)
            assert answer.status == 200
            assert answer.closes
            assert connection.is_closed()


def old_request(connection: Connection, target: str, *lines: str) -> Answer:
    connection.send("\r\n".join([f"GET {target} HTTP/1.0", *lines, "", ""]).encode())
    return connection.read()


@meets("beyond-keep-alive")
@pytest.mark.parametrize("size", [100, 100_000])
def test_http_1_0_ends_the_connection_unless_asked_otherwise(repository: Repository, size: int) -> None:
    content = random_bytes(size)
    target = f"{repository.base}/blobs/{repository.push_blob(content)}"
    with repository.client.connect() as connection:
        answer = old_request(connection, target)
        assert answer.body == content
        assert connection.is_closed()
    with repository.client.connect() as connection:
        for _ in range(2):
            answer = old_request(connection, target, "Connection: keep-alive")
            assert answer.body == content
            assert answer.every("Connection") == ["keep-alive"]


@meets("beyond-keep-alive")
@pytest.mark.parametrize("size", [300 * KIB, 2 * MIB])
@pytest.mark.parametrize("way", ["PATCH", "PUT", "POST"])
def test_a_connection_after_a_large_body_is_in_step_or_ends(repository: Repository, way: str, size: int) -> None:
    """The answer says which; a client that reads it is never left waiting."""
    content = random_bytes(size)
    location = repository.start()
    target = {
        "PATCH": location,
        "PUT": with_query(location, f"digest={digest_of(content)}"),
        "POST": f"{repository.base}/blobs/uploads/?digest={digest_of(content)}",
    }[way]
    with repository.client.connect() as connection:
        lines = [("Content-Length", str(size))]
        connection.send(request_head(way, target, repository.client.address, lines) + content)
        answer = connection.read()
        assert answer.status == (202 if way == "PATCH" else 201)
        if answer.closes:
            assert connection.is_closed()
        else:
            connection.send(request_head("GET", "/v2/", repository.client.address))
            assert connection.read().status == 200


@meets("beyond-keep-alive")
def test_a_connection_that_says_nothing_disturbs_nobody(registry: Client) -> None:
    silent = [registry.connect() for _ in range(50)]
    try:
        assert registry.get("/v2/").status == 200
        silent[0].send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert silent[0].read().status == 200
    finally:
        for connection in silent:
            connection.close()


@meets("beyond-keep-alive")
@pytest.mark.parametrize("size", [100 * KIB, 5 * MIB])
def test_a_client_that_leaves_in_the_middle_of_an_answer_disturbs_nobody(repository: Repository, size: int) -> None:
    digest = repository.push_blob(random_bytes(size))
    for _ in range(20):
        connection = repository.client.connect()
        connection.send(request_head("GET", f"{repository.base}/blobs/{digest}", repository.client.address) * 3)
        connection.reset()
    assert len(repository.get(f"blobs/{digest}").body) == size
