"""Blobs that are pushed whole: in a POST, in a PUT, or as one stream."""

from collections.abc import Callable

import pytest

from tests.protocol.answer import Answer
from tests.protocol.content import KIB, MIB, absent_digest, digest_of, random_bytes
from tests.protocol.framing import cut
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets

Push = Callable[[Repository, bytes, str], Answer]


def post_then_put(repository: Repository, content: bytes, digest: str) -> Answer:
    return repository.finish(repository.start(), digest, content, {"Content-Type": "application/octet-stream"})


def post_then_put_chunked(repository: Repository, content: bytes, digest: str) -> Answer:
    return repository.finish(repository.start(), digest, content, chunked=True)


def single_post(repository: Repository, content: bytes, digest: str) -> Answer:
    return repository.post_blob(content, digest)


def single_post_chunked(repository: Repository, content: bytes, digest: str) -> Answer:
    return repository.post_blob(content, digest, chunked=True)


def one_patch(repository: Repository, content: bytes, digest: str) -> Answer:
    answer = repository.patch(repository.start(), content)
    assert answer.status == 202, answer
    return repository.finish(answer.header("Location"), digest)


def one_patch_chunked(repository: Repository, content: bytes, digest: str) -> Answer:
    """As docker pushes: no Content-Range, no Content-Length."""
    answer = repository.patch(repository.start(), content, {"Content-Type": "application/octet-stream"}, chunked=True)
    assert answer.status == 202, answer
    return repository.finish(answer.header("Location"), digest)


def one_patch_with_range(repository: Repository, content: bytes, digest: str) -> Answer:
    if not content:
        return single_post(repository, content, digest)  # there is no Content-Range of no bytes
    answer = repository.patch(repository.start(), content, {"Content-Range": f"0-{len(content) - 1}"})
    assert answer.status == 202, answer
    assert answer.header("Range") == f"0-{len(content) - 1}"
    return repository.finish(answer.header("Location"), digest)


WAYS = [
    post_then_put, post_then_put_chunked, single_post, single_post_chunked, one_patch, one_patch_chunked,
    one_patch_with_range,
]  # fmt: skip

# Around each size at which the server takes another path: small bodies in memory, from 256 KiB on the socket itself,
# pieces of 1 MiB, turns of 8 MiB.
SIZES = [
    0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 256 * KIB, 256 * KIB + 1, 512 * KIB, MIB - 1, MIB, MIB + 1, 2 * MIB,
    8 * MIB, 8 * MIB + 1,
]  # fmt: skip


@meets("upload-01", "upload-03", "single-01", "chunk-04", "chunk-08", "newest-11")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("push", WAYS)
def test_a_blob_pushed_whole_is_pulled_with_the_same_bytes(repository: Repository, push: Push, size: int) -> None:
    content = random_bytes(size)
    digest = digest_of(content)
    answer = push(repository, content, digest)
    assert answer.status == 201
    assert answer.header("Docker-Content-Digest") == digest
    assert answer.body == b""
    pulled = repository.client.get(answer.header("Location"))
    assert pulled.status == 200
    assert pulled.body == content


@meets("digest-02", "newest-04")
@pytest.mark.parametrize("size", [0, 100, 64 * KIB + 1, 300 * KIB, MIB + 1])
@pytest.mark.parametrize("push", WAYS)
def test_sha512_works_in_every_way_without_being_announced(repository: Repository, push: Push, size: int) -> None:
    content = random_bytes(size)
    digest = digest_of(content, "sha512")
    answer = push(repository, content, digest)
    assert answer.status == 201
    assert answer.header("Docker-Content-Digest") == digest
    assert repository.client.get(answer.header("Location")).body == content


@meets("digest-02", "newest-04")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("announced", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [10, 100 * KIB])
def test_an_announced_algorithm_does_not_bind_the_client(
    repository: Repository, announced: str, algorithm: str, size: int
) -> None:
    content = random_bytes(size)
    location = repository.start(f"?digest-algorithm={announced}")
    half = repository.patch(location, content[: size // 2])
    assert half.status == 202
    answer = repository.finish(half.header("Location"), digest_of(content, algorithm), content[size // 2 :])
    assert answer.status == 201
    assert answer.header("Docker-Content-Digest") == digest_of(content, algorithm)
    assert repository.client.get(answer.header("Location")).body == content


@meets("digest-01", "newest-05")
@pytest.mark.parametrize("algorithm", ["md5", "sha384", "SHA512", "sha512 ", "", "sha-256", "..%2f..", "sha256,sha512"])
def test_an_algorithm_that_is_not_supported_is_refused_at_once(repository: Repository, algorithm: str) -> None:
    path = f"blobs/uploads/?digest-algorithm={algorithm.replace(' ', '%20')}"
    answer = repository.request("POST", path, {"Content-Length": "0"})
    assert answer.status == 400
    assert answer.codes == ["DIGEST_INVALID"]


@meets("upload-01", "chunk-01")
@pytest.mark.parametrize("headers", [{"Content-Length": "0"}, {}, {"Content-Type": "application/octet-stream"}])
@pytest.mark.parametrize("path", ["blobs/uploads/", "blobs/uploads"])
def test_an_upload_begins_with_202_and_its_location(repository: Repository, path: str, headers: dict[str, str]) -> None:
    answer = repository.request("POST", path, headers)
    assert answer.status == 202
    assert answer.header("Location").startswith(f"{repository.base}/blobs/uploads/")
    assert answer.header("Range").startswith("0-")
    assert answer.body == b""


@meets("upload-02")
def test_each_upload_has_a_location_of_its_own_that_nobody_guesses(repository: Repository) -> None:
    ids = [repository.start().rpartition("/")[2] for _ in range(20)]
    assert len(set(ids)) == 20
    assert all(len(upload_id) >= 32 for upload_id in ids)
    assert len({upload_id[:8] for upload_id in ids}) == 20


@meets("upload-02")
def test_uploads_to_one_repository_run_side_by_side(repository: Repository) -> None:
    contents = [random_bytes(100_000) for _ in range(4)]
    locations = [repository.start() for _ in contents]
    for offset in range(0, 100_000, 25_000):
        for location, content in zip(locations, contents, strict=True):
            answer = repository.patch(location, content[offset : offset + 25_000])
            assert answer.header("Range") == f"0-{offset + 24_999}"
    for location, content in zip(locations, contents, strict=True):
        assert repository.finish(location, digest_of(content)).status == 201
        assert repository.get(f"blobs/{digest_of(content)}").body == content


@meets("upload-03")
def test_a_blob_that_is_there_may_be_pushed_again(repository: Repository) -> None:
    content = random_bytes(70_000)
    for push in WAYS:
        answer = push(repository, content, digest_of(content))
        assert answer.status == 201
        assert repository.client.get(answer.header("Location")).body == content


@meets("newest-13")
def test_the_empty_blob_is_a_blob_like_others(repository: Repository) -> None:
    digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert repository.sibling().head(f"blobs/{digest}").status == 404
    location = repository.start()
    assert repository.finish(location, digest).status == 201
    assert repository.client.get(location).status == 404
    answer = repository.get(f"blobs/{digest}")
    assert answer.status == 200
    assert answer.header("Content-Length") == "0"
    assert repository.head(f"blobs/{digest}").header("Content-Length") == "0"


@meets("digest-01", "single-02", "newest-05", "error-digest-invalid")
@pytest.mark.parametrize("size", [0, 10, 64 * KIB, 64 * KIB + 1, MIB])
@pytest.mark.parametrize("push", WAYS)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_content_with_another_digest_is_refused(repository: Repository, push: Push, size: int, algorithm: str) -> None:
    content, wanted = random_bytes(size), absent_digest(algorithm)
    answer = push(repository, content, wanted)
    assert answer.status == 400
    assert answer.codes == ["DIGEST_INVALID"]
    assert answer.json()["errors"][0]["detail"] == {"wanted": wanted, "found": digest_of(content, algorithm)}
    for digest in (wanted, digest_of(content, algorithm)):
        assert repository.get(f"blobs/{digest}").status == 404


@meets("single-02", "error-size-invalid")
@pytest.mark.parametrize("value", ["-1", "+10", "1_0", "0x10", "10 10", "ten", "1.5", "10,10", "9" * 30])
def test_a_content_length_that_is_no_number_of_bytes_is_refused(repository: Repository, value: str) -> None:
    location = repository.start()
    for method, target in (
        ("POST", f"{repository.base}/blobs/uploads/?digest={digest_of(b'0123456789')}"),
        ("PATCH", location),
        ("PUT", f"{location}?digest={digest_of(b'0123456789')}"),
    ):
        answer = repository.client.request(method, target, {"Content-Length": value}, b"0123456789")
        assert answer.status in (400, 413, 507), answer
        assert answer.closes
    assert repository.get(f"blobs/{digest_of(b'0123456789')}").status == 404


def test_chunks_may_have_any_length_and_extensions(repository: Repository) -> None:
    """Transfer-Encoding: chunked with chunks of one byte, of many, with extensions, and with trailers."""
    content = random_bytes(3000)
    sizes = [1, 1, 2, 500, 1, 2495]
    pieces, offset = [], 0
    for size in sizes:
        pieces.append(content[offset : offset + size])
        offset += size
    assert repository.finish(repository.start(), digest_of(content), pieces).status == 201
    assert repository.get(f"blobs/{digest_of(content)}").body == content
    other = random_bytes(20)
    body = b'A;name="value"\r\n%s\r\n00a\r\n%s\r\n0\r\nX-Trailer: yes\r\n\r\n' % (other[:10], other[10:])
    location = repository.start()
    with repository.client.connect() as connection:
        head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        connection.send(head + body)
        assert connection.read().status == 202
    assert repository.finish(location, digest_of(other)).status == 201


@pytest.mark.parametrize("piece", [1, 1000, 64 * KIB])
def test_a_body_may_arrive_in_packets_of_any_size(repository: Repository, piece: int) -> None:
    content = random_bytes(2000 if piece == 1 else 700 * KIB)
    location = repository.start()
    with repository.client.connect() as connection:
        connection.send(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode())
        for part in cut(content, piece):
            connection.send(part)
        answer = connection.read()
    assert answer.status == 202
    assert answer.header("Range") == f"0-{len(content) - 1}"
    assert repository.finish(location, digest_of(content)).status == 201
    assert repository.get(f"blobs/{digest_of(content)}").body == content
