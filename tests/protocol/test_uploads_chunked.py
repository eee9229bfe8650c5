"""Blobs that are pushed in chunks: PATCH after PATCH, each where the one before ended."""

import pytest

from tests.protocol.content import KIB, MIB, absent_digest, digest_of, random_bytes
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets


@meets("chunk-03", "chunk-04", "chunk-05", "chunk-08", "chunk-09", "newest-06")
@pytest.mark.parametrize("size", [1, 1000, 64 * KIB, 300 * KIB, MIB + 1])
@pytest.mark.parametrize("last", ["PATCH", "PUT"])
def test_chunks_in_order_make_the_blob(repository: Repository, size: int, last: str) -> None:
    content = random_bytes(3 * size)
    location = repository.start()
    chunks = [(at, content[at : at + size]) for at in range(0, 3 * size, size)]
    for at, chunk in chunks if last == "PATCH" else chunks[:-1]:
        answer = repository.patch(location, chunk, {"Content-Range": f"{at}-{at + size - 1}"})
        assert answer.status == 202
        assert answer.header("Range") == f"0-{at + size - 1}"
        location = answer.header("Location")
    at, rest, headers = chunks[-1][0], b"", {}
    if last == "PUT":
        rest, headers = chunks[-1][1], {"Content-Range": f"{at}-{at + size - 1}"}
    answer = repository.finish(location, digest_of(content), rest, headers)
    assert answer.status == 201
    assert answer.header("Docker-Content-Digest") == digest_of(content)
    assert repository.client.get(answer.header("Location")).body == content


@meets("chunk-07", "newest-05")
@pytest.mark.parametrize("size", [1, 1000, 300 * KIB])
def test_the_state_of_an_upload_is_204_with_location_and_range(repository: Repository, size: int) -> None:
    location = repository.start()
    fresh = repository.client.get(location)
    assert fresh.status == 204
    assert fresh.header("Range") == "0-0"
    location = repository.patch(location, random_bytes(size)).header("Location")
    answer = repository.client.get(location)
    assert answer.status == 204
    assert answer.header("Location") == location
    assert answer.header("Range") == f"0-{size - 1}"
    assert answer.body == b""
    assert repository.client.head(location).status == 204


@meets("chunk-02")
@pytest.mark.parametrize("size", [1, 2, 10])
def test_a_chunk_may_be_as_small_as_a_byte_and_no_minimum_is_told(repository: Repository, size: int) -> None:
    answer = repository.request("POST", "blobs/uploads/", {"Content-Length": "0"})
    assert not answer.every("OCI-Chunk-Min-Length")
    content, location = random_bytes(5 * size), answer.header("Location")
    for at in range(0, 5 * size, size):
        chunk = content[at : at + size]
        answer = repository.patch(location, chunk, {"Content-Range": f"{at}-{at + size - 1}"})
        assert answer.status == 202
    assert repository.finish(location, digest_of(content)).status == 201


@meets("chunk-06", "newest-05", "error-blob-upload-invalid")
@pytest.mark.parametrize("held", [0, 1000, 100 * KIB])
@pytest.mark.parametrize("shift", [-1000, -1, 1, 1000])
@pytest.mark.parametrize("size", [1000, 400 * KIB])
def test_a_chunk_out_of_order_is_416_and_the_upload_goes_on(
    repository: Repository, held: int, shift: int, size: int
) -> None:
    if held + shift < 0:
        shift = 5
    content = random_bytes(held + size)
    location = repository.start()
    if held:
        assert repository.patch(location, content[:held], {"Content-Range": f"0-{held - 1}"}).status == 202
    at = held + shift
    wrong = random_bytes(size)
    answer = repository.patch(location, wrong, {"Content-Range": f"{at}-{at + size - 1}"})
    assert answer.status == 416
    assert answer.codes == ["BLOB_UPLOAD_INVALID"]
    assert answer.header("Range") == f"0-{max(0, held - 1)}"
    assert answer.header("Location") == location
    told = repository.client.get(answer.header("Location"))
    assert told.status == 204
    assert told.header("Range") == f"0-{max(0, held - 1)}"
    right = repository.patch(told.header("Location"), content[held:], {"Content-Range": f"{held}-{held + size - 1}"})
    assert right.status == 202
    assert repository.finish(location, digest_of(content)).status == 201
    assert repository.get(f"blobs/{digest_of(content)}").body == content


@meets("chunk-06", "newest-05")
@pytest.mark.parametrize("size", [10, 100 * KIB, 400 * KIB])
@pytest.mark.parametrize("held", [0, 500])
def test_a_last_chunk_out_of_order_is_416_and_the_upload_goes_on(repository: Repository, held: int, size: int) -> None:
    content = random_bytes(held + size)
    digest = digest_of(content)
    location = repository.start()
    if held:
        assert repository.patch(location, content[:held]).status == 202
    for at in {held + 7, max(0, held - 7)} - {held}:
        answer = repository.finish(location, digest, content[held:], {"Content-Range": f"{at}-{at + size - 1}"})
        assert answer.status == 416
        assert answer.header("Range") == f"0-{max(0, held - 1)}"
    assert repository.client.get(location).header("Range") == f"0-{max(0, held - 1)}"
    answer = repository.finish(location, digest, content[held:], {"Content-Range": f"{held}-{held + size - 1}"})
    assert answer.status == 201
    assert repository.get(f"blobs/{digest}").body == content


@meets("chunk-03")
@pytest.mark.parametrize(
    "value",
    [
        "", "0", "-", "0-", "-9", "a-b", "9-0", "0--9", "+0-9", "0-+9", "0_0-9", " 0-9x", "0-9;", "0-0x9", "0.0-9",
        "0-9,10-19", "bytes", "bytes */10", "items 0-9", "0-" + "9" * 30, "9" * 5000 + "-9", "\xd9\xa0-\xd9\xa9",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_content_range_that_cannot_be_read_is_refused(repository: Repository, method: str, value: str) -> None:
    content = random_bytes(10)
    location = repository.start()
    target = location if method == "PATCH" else f"{location}?digest={digest_of(content)}"
    answer = repository.client.request(method, target, {"Content-Range": value}, content)
    assert answer.status in (400, 416)
    assert repository.client.get(location).header("Range") == "0-0"
    assert repository.get(f"blobs/{digest_of(content)}").status == 404
    assert repository.finish(location, digest_of(content), content, {"Content-Range": "0-9"}).status == 201


@meets("chunk-03")
@pytest.mark.parametrize("value", ["bytes 0-9/10", "bytes 0-9/*", "bytes=0-9", "0-9/10", "00-09"])
def test_a_content_range_as_http_writes_it_is_understood(repository: Repository, value: str) -> None:
    """Clients that took RFC 9110's form for the specification's have always been let in."""
    content = random_bytes(10)
    location = repository.start()
    assert repository.patch(location, content, {"Content-Range": value}).status == 202
    assert repository.finish(location, digest_of(content)).status == 201


@meets("chunk-03", "error-size-invalid")
@pytest.mark.parametrize("size", [9, 11, 400 * KIB])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_content_range_that_belies_the_length_is_refused(repository: Repository, method: str, size: int) -> None:
    content = random_bytes(size)
    location = repository.start()
    target = location if method == "PATCH" else f"{location}?digest={digest_of(content)}"
    answer = repository.client.request(method, target, {"Content-Range": "0-9"}, content)
    assert answer.status == 400
    assert answer.codes == ["SIZE_INVALID"]
    assert repository.client.get(location).header("Range") == "0-0"


@meets("chunk-03")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("size", [10, 400 * KIB])
def test_a_content_range_holds_for_a_chunked_body_too(repository: Repository, method: str, size: int) -> None:
    """There is no Content-Length to compare with, but the bytes can be counted."""
    content = random_bytes(size)
    location = repository.start()
    target = location if method == "PATCH" else f"{location}?digest={digest_of(content)}"
    out_of_order = repository.client.request(method, target, {"Content-Range": f"5-{size + 4}"}, content, chunked=True)
    assert out_of_order.status == 416
    for end in (size - 2, size):
        answer = repository.client.request(method, target, {"Content-Range": f"0-{end}"}, content, chunked=True)
        assert answer.status == 400, answer
        assert answer.codes == ["SIZE_INVALID"]
        assert repository.client.get(location).header("Range") == "0-0"
    answer = repository.client.request(method, target, {"Content-Range": f"0-{size - 1}"}, content, chunked=True)
    assert answer.status == (202 if method == "PATCH" else 201)


@meets("chunk-09")
def test_a_closing_put_needs_the_digest(repository: Repository) -> None:
    content = random_bytes(100)
    location = repository.start()
    repository.patch(location, content)
    for query in ("", "?", "?digest", "?digest=", "?DIGEST=x", "?digest-algorithm=sha256"):
        answer = repository.client.request("PUT", location + query, body=b"")
        assert answer.status == 400
        assert answer.codes == ["DIGEST_INVALID"]
    assert repository.client.get(location).header("Range") == "0-99"
    assert repository.finish(location, digest_of(content)).status == 201


@meets("chunk-09", "newest-05")
@pytest.mark.parametrize("held", [0, 10, 100 * KIB])
@pytest.mark.parametrize("size", [0, 10, 100 * KIB, 400 * KIB])
@pytest.mark.parametrize("chunked", [False, True])
def test_after_a_wrong_digest_the_same_put_with_the_right_one_succeeds(
    repository: Repository, held: int, size: int, chunked: bool
) -> None:
    content = random_bytes(held + size)
    location = repository.start()
    if held:
        assert repository.patch(location, content[:held]).status == 202
    for algorithm in ("sha256", "sha512"):
        answer = repository.finish(location, absent_digest(algorithm), content[held:], chunked=chunked)
        assert answer.status == 400
        assert answer.codes == ["DIGEST_INVALID"]
        told = repository.client.get(location)
        assert told.status == 204
        assert told.header("Range") == f"0-{max(0, held - 1)}"
    answer = repository.finish(location, digest_of(content), content[held:], chunked=chunked)
    assert answer.status == 201
    assert repository.get(f"blobs/{digest_of(content)}").body == content
    assert repository.client.get(location).status == 404


@meets("chunk-09")
def test_the_digest_is_of_the_whole_blob_not_of_the_last_chunk(repository: Repository) -> None:
    content = random_bytes(200)
    location = repository.start()
    repository.patch(location, content[:100])
    assert repository.finish(location, digest_of(content[100:]), content[100:]).status == 400
    assert repository.finish(location, digest_of(content), content[100:]).status == 201


@meets("chunk-08")
def test_an_upload_ends_with_its_blob(repository: Repository) -> None:
    content = random_bytes(100)
    location = repository.start()
    assert repository.finish(location, digest_of(content), content).status == 201
    answers = [
        repository.client.get(location),
        repository.patch(location, b"more"),
        repository.finish(location, digest_of(content), content),
        repository.client.delete(location),
    ]
    for answer in answers:
        assert answer.status == 404
        assert answer.codes == ["BLOB_UPLOAD_UNKNOWN"]


def test_an_empty_patch_changes_nothing(repository: Repository) -> None:
    content = random_bytes(10)
    location = repository.start()
    assert repository.patch(location, b"").header("Range") == "0-0"
    assert repository.patch(location, content).header("Range") == "0-9"
    assert repository.patch(location, b"").header("Range") == "0-9"
    assert repository.patch(location, b"", chunked=True).header("Range") == "0-9"
    assert repository.finish(location, digest_of(content)).status == 201


def test_many_small_chunks(repository: Repository) -> None:
    content = random_bytes(200)
    location = repository.start()
    for at in range(200):
        assert repository.patch(location, content[at : at + 1]).header("Range") == f"0-{at}"
    assert repository.finish(location, digest_of(content)).status == 201
    assert repository.get(f"blobs/{digest_of(content)}").body == content
