"""Uploads whose connection breaks: never finished short, and resumed where the registry says."""

import time

import pytest

from tests.protocol.answer import Answer
from tests.protocol.content import KIB, MIB, absent_digest, digest_of, random_bytes
from tests.protocol.repository import Repository, with_query
from tests.protocol.requirements import meets
from tests.servers import OrlopServer

PATIENCE = 20.0


def held(answer: Answer) -> int:
    """How many bytes the registry says it holds. 0-0 is what it says of none, too."""
    first, _, last = answer.header("Range").partition("-")
    assert first == "0"
    return int(last) + 1 if last != "0" else 0


def settled(repository: Repository, location: str) -> int:
    """How many bytes the upload holds once the broken request has ended."""
    deadline = time.monotonic() + PATIENCE
    while True:
        probe = repository.patch(location, b"")
        if probe.status == 202:
            return held(probe)
        assert probe.status == 409, probe
        assert time.monotonic() < deadline, "the upload stays locked"
        time.sleep(0.01)


@meets("chunk-07", "beyond-cut")
@pytest.mark.parametrize("end", ["half-close", "close", "reset"])
@pytest.mark.parametrize(
    ("size", "sent"), [(10_000, 4_000), (MIB, 700 * KIB), (3 * MIB, 100 * KIB), (5 * MIB, 4 * MIB)]
)
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_cut_patch_is_resumed_at_the_range_that_is_told(
    repository: Repository, size: int, sent: int, framing: str, end: str
) -> None:
    """B24."""
    content = random_bytes(size)
    location = repository.start()
    with repository.client.connect() as connection:
        declared = size if framing == "length" else None
        connection.begin("PATCH", location, declared, content[:sent], underway=end == "reset")
        if end == "reset":
            connection.reset()
        elif end == "half-close":
            connection.finish_sending()
            assert connection.is_closed()
    kept = settled(repository, location)
    assert kept <= sent
    answer = repository.patch(location, content[kept:], {"Content-Range": f"{kept}-{size - 1}"})
    assert answer.status == 202, answer
    assert answer.header("Range") == f"0-{size - 1}"
    assert repository.finish(location, digest_of(content)).status == 201
    assert repository.get(f"blobs/{digest_of(content)}").body == content


@meets("beyond-cut")
@pytest.mark.parametrize(("framing", "sent"), [("length", 700 * KIB), ("length", 4 * MIB), ("chunked", 4 * MIB)])
def test_what_was_told_before_the_cut_is_kept(repository: Repository, sent: int, framing: str) -> None:
    content = random_bytes(5 * MIB)
    location = repository.start()
    deadline = time.monotonic() + PATIENCE
    with repository.client.connect() as connection:
        connection.begin("PATCH", location, len(content) if framing == "length" else None, content[:sent])
        while (told := held(repository.client.get(location))) < 512 * KIB:
            assert time.monotonic() < deadline, told
    assert settled(repository, location) >= told


@meets("beyond-cut", "single-02")
@pytest.mark.parametrize(("size", "sent"), [(100, 40), (64 * KIB, 64 * KIB - 1), (MIB, 700 * KIB), (MIB, MIB - 1)])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("of", ["whole", "prefix"])
def test_a_cut_put_finishes_nothing(repository: Repository, size: int, sent: int, framing: str, of: str) -> None:
    """B26: neither under the digest of the whole nor under that of what arrived."""
    content = random_bytes(size)
    digest = digest_of(content if of == "whole" else content[:sent])
    location = repository.start()
    with repository.client.connect() as connection:
        target = with_query(location, f"digest={digest}")
        connection.begin("PUT", target, size if framing == "length" else None, content[:sent])
        connection.finish_sending()
        assert connection.is_closed()
    kept = settled(repository, location)
    assert repository.get(f"blobs/{digest}").status == 404
    answer = repository.finish(location, digest_of(content), content[kept:])
    assert answer.status == 201
    assert repository.get(f"blobs/{digest_of(content)}").body == content


@meets("beyond-cut", "single-02")
@pytest.mark.parametrize(("size", "sent"), [(100, 40), (MIB, 700 * KIB)])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_cut_post_leaves_nothing(
    repository: Repository, server: OrlopServer, size: int, sent: int, framing: str
) -> None:
    content = random_bytes(size)
    before = open_uploads(server)
    with repository.client.connect() as connection:
        target = f"{repository.base}/blobs/uploads/?digest={digest_of(content[:sent])}"
        connection.begin("POST", target, size if framing == "length" else None, content[:sent])
        connection.finish_sending()
        assert connection.is_closed()
    deadline = time.monotonic() + PATIENCE
    while open_uploads(server) - before:
        assert time.monotonic() < deadline, "the bytes of an upload that nobody can resume stay"
        time.sleep(0.01)
    assert repository.get(f"blobs/{digest_of(content[:sent])}").status == 404
    assert repository.post_blob(content).status == 201


def open_uploads(server: OrlopServer) -> set[str]:
    """Folders of uploads in the tree; none where there is no tree."""
    assert server.data is not None
    folder = server.data / "store" / "uploads"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@meets("beyond-cut")
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_cut_manifest_is_not_stored(repository: Repository, framing: str) -> None:
    pushed = repository.push_image()
    with repository.client.connect() as connection:
        declared = len(pushed.content) + 1 if framing == "length" else None
        connection.begin("PUT", f"{repository.base}/manifests/v1", declared, pushed.content)
        connection.finish_sending()
        assert connection.is_closed()
    assert repository.get("manifests/v1").status == 404
    assert repository.put_manifest("v1", pushed.content).status == 201


@meets("beyond-cut")
@pytest.mark.parametrize("size", [10_000, MIB])
def test_two_requests_cannot_write_to_one_upload_at_once(repository: Repository, size: int) -> None:
    content = random_bytes(size)
    location = repository.start()
    with repository.client.connect() as connection:
        connection.begin("PATCH", location, size, content[: size // 2], underway=True)
        refused = repository.finish(location, absent_digest(), random_bytes(100 * KIB))
        assert refused.status == 409
        assert refused.codes == ["BLOB_UPLOAD_INVALID"]
        assert repository.client.get(location).status == 204
        connection.send(content[size // 2 :])
        answer = connection.read()
    assert answer.status == 202
    assert answer.header("Range") == f"0-{size - 1}"
    assert repository.finish(location, digest_of(content)).status == 201


@meets("beyond-expect")
@pytest.mark.parametrize("size", [10, 64 * KIB + 1, MIB])
@pytest.mark.parametrize("way", ["PATCH", "PUT", "POST"])
def test_a_client_that_asks_first_is_told_to_go_on(repository: Repository, way: str, size: int) -> None:
    content = random_bytes(size)
    digest = digest_of(content)
    location = repository.start()
    target = {
        "PATCH": location,
        "PUT": with_query(location, f"digest={digest}"),
        "POST": f"{repository.base}/blobs/uploads/?digest={digest}",
    }[way]
    with repository.client.connect() as connection:
        lines = f"{way} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
        connection.send(lines.encode())
        assert connection.read_interim() == 100
        connection.send(content)
        answer = connection.read()
    assert answer.status == (202 if way == "PATCH" else 201)
    if way == "PATCH":
        assert repository.finish(location, digest).status == 201
    assert repository.get(f"blobs/{digest}").body == content


@meets("beyond-expect")
@pytest.mark.parametrize("size", [10, MIB])
def test_a_client_that_asks_first_is_refused_before_it_sends(repository: Repository, size: int) -> None:
    location = repository.start()
    for method, target, status in (
        ("PATCH", f"{repository.base}/blobs/uploads/{'a' * 40}", 404),
        ("PUT", f"{location}?digest=sha256:x", 400),
        ("PUT", f"{location}?", 400),
        ("POST", f"{repository.base}/blobs/uploads/?digest=md5:x", 400),
        ("PUT", f"{repository.base}/manifests/sha256:x", 400),
        ("PATCH", f"{repository.base}/tags/list", 405),
    ):
        with repository.client.connect() as connection:
            lines = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
            connection.send(lines.encode())
            answer = connection.read()
            assert answer.status == status
            assert answer.interim == ()


@meets("beyond-expect")
def test_a_manifest_may_be_asked_about_first_too(repository: Repository) -> None:
    pushed = repository.push_image()
    with repository.client.connect() as connection:
        lines = [
            f"PUT {repository.base}/manifests/v1 HTTP/1.1", "Host: x", f"Content-Length: {len(pushed.content)}",
            "Expect: 100-Continue", "", "",
        ]  # fmt: skip
        connection.send("\r\n".join(lines).encode())
        assert connection.read_interim() == 100
        connection.send(pushed.content)
        assert connection.read().status == 201
    assert repository.get("manifests/v1").body == pushed.content
