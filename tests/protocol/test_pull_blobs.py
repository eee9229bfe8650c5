"""Pulling blobs, whole and in part."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.protocol.client import Client, request_head
from tests.protocol.conftest import address_of
from tests.protocol.content import KIB, MIB, absent_digest, digest_of, random_bytes
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets
from tests.servers import OrlopServer

# The server sends up to 64 KiB from memory and the rest by sendfile or in pieces.
SIZES = [0, 1, 2 * KIB, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 1 * MIB, 5 * MIB]


@meets("pull-blob-01", "pull-blob-02", "pull-blob-03", "newest-01")
@pytest.mark.parametrize("size", SIZES)
def test_a_blob_is_answered_with_its_bytes_and_digest(repository: Repository, size: int) -> None:
    content = random_bytes(size)
    digest = repository.push_blob(content)
    for _ in range(2):  # from the store, then perhaps from memory
        answer = repository.get(f"blobs/{digest}")
        assert answer.status == 200
        assert answer.body == content
        assert answer.header("Docker-Content-Digest") == digest == f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        assert answer.header("Content-Length") == str(size)
        assert answer.header("Content-Type") == "application/octet-stream"
        assert answer.header("Accept-Ranges") == "bytes"
        assert not answer.closes


@meets("head-01", "head-02", "head-03", "newest-01")
@pytest.mark.parametrize("size", SIZES)
def test_head_of_a_blob_answers_like_get_without_the_body(repository: Repository, size: int) -> None:
    digest = repository.push_blob(random_bytes(size))
    head, get = repository.head(f"blobs/{digest}"), repository.get(f"blobs/{digest}")
    assert head.status == 200
    assert head.header("Docker-Content-Digest") == digest
    assert head.header("Content-Length") == str(size)
    assert head.body == b""
    assert [pair for pair in head.headers if pair[0] != "Date"] == [pair for pair in get.headers if pair[0] != "Date"]
    assert repository.client.get("/v2/").json() == {}


@meets("pull-blob-04", "head-04", "error-blob-unknown")
def test_an_absent_blob_is_404(repository: Repository) -> None:
    repository.push_blob(random_bytes(10))
    for digest in (absent_digest(), absent_digest("sha512")):
        answer = repository.get(f"blobs/{digest}")
        assert answer.status == 404
        assert answer.codes == ["BLOB_UNKNOWN"]
        assert repository.head(f"blobs/{digest}").status == 404


@meets("pull-blob-04")
def test_a_blob_of_another_repository_is_404(repository: Repository) -> None:
    digest = repository.push_blob(random_bytes(10))
    other = repository.sibling()
    other.push_image("v1")
    assert other.get(f"blobs/{digest}").status == 404
    assert other.head(f"blobs/{digest}").status == 404


def test_a_blob_is_never_rendered_by_a_browser(repository: Repository) -> None:
    digest = repository.push_blob(b"<html><script>alert(1)</script></html>")
    answer = repository.get(f"blobs/{digest}", {"Accept": "text/html"})
    assert answer.header("Content-Type") == "application/octet-stream"
    assert answer.header("X-Content-Type-Options") == "nosniff"


class Part(NamedTuple):
    """A Range header and the bytes that it means, for a blob of 2,048 bytes."""

    header: str
    first: int
    last: int


PARTS = [
    Part("bytes=500-1499", 500, 1499),
    Part("bytes=0-0", 0, 0),
    Part("bytes=0-2047", 0, 2047),
    Part("bytes=2047-2047", 2047, 2047),
    Part("bytes=500-", 500, 2047),
    Part("bytes=0-", 0, 2047),
    Part("bytes=-500", 1548, 2047),
    Part("bytes=-1", 2047, 2047),
    Part("bytes=-2048", 0, 2047),
    Part("bytes=-99999", 0, 2047),
    Part("bytes=2000-5000", 2000, 2047),
    Part("bytes=0-999999999999999999", 0, 2047),
    Part("bytes=00500-01499", 500, 1499),
]


@meets("pull-blob-05", "newest-12")
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.header)
def test_a_range_is_answered_with_206_and_its_bytes(repository: Repository, part: Part) -> None:
    content = random_bytes(2048)
    digest = repository.push_blob(content)
    answer = repository.get(f"blobs/{digest}", {"Range": part.header})
    assert answer.status == 206
    assert answer.body == content[part.first : part.last + 1]
    assert answer.header("Content-Range") == f"bytes {part.first}-{part.last}/2048"
    assert answer.header("Content-Length") == str(part.last - part.first + 1)
    assert answer.header("Docker-Content-Digest") == digest


@meets("pull-blob-05", "newest-12")
@pytest.mark.parametrize("size", [64 * KIB, 64 * KIB + 1, 5 * MIB])
def test_ranges_of_large_blobs(repository: Repository, size: int) -> None:
    content = random_bytes(size)
    digest = repository.push_blob(content)
    parts = [(0, 0), (0, size - 1), (size - 1, size - 1), (1, size - 2), (size // 3, size // 3 + 1000), (100, 65635)]
    for first, last in parts:
        answer = repository.get(f"blobs/{digest}", {"Range": f"bytes={first}-{last}"})
        assert answer.status == 206
        assert answer.body == content[first : last + 1]
        assert answer.header("Content-Range") == f"bytes {first}-{min(last, size - 1)}/{size}"
    pieces = [
        repository.get(f"blobs/{digest}", {"Range": f"bytes={at}-{at + 99_999}"}).body for at in range(0, size, 100_000)
    ]
    assert b"".join(pieces) == content


@meets("pull-blob-05", "newest-12")
@pytest.mark.parametrize(
    "header",
    ["bytes=2048-", "bytes=2048-3000", "bytes=5000-10000", "bytes=500-0", "bytes=-0", "bytes=999999999999999999-"],
)
def test_a_range_beyond_the_end_is_416_with_the_size(repository: Repository, header: str) -> None:
    digest = repository.push_blob(random_bytes(2048))
    answer = repository.get(f"blobs/{digest}", {"Range": header})
    assert answer.status == 416
    assert answer.header("Content-Range") == "bytes */2048"
    assert answer.codes == ["SIZE_INVALID"]
    assert repository.get(f"blobs/{digest}").status == 200


@meets("pull-blob-05")
@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"])
def test_an_empty_blob_has_no_range(repository: Repository, header: str) -> None:
    digest = repository.push_blob(b"")
    answer = repository.get(f"blobs/{digest}", {"Range": header})
    assert answer.status == 416
    assert answer.header("Content-Range") == "bytes */0"
    assert repository.get(f"blobs/{digest}").status == 200


@meets("beyond-ranges")
@pytest.mark.parametrize(
    "header",
    [
        "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=1_0-20", "bytes=+1-2", "bytes=1--2", "bytes= ",
        "bytes=\u0661-\u0662".encode().decode("latin-1"), "bytes=0x1-0x2", "bytes=1.0-2", "bytes=1-2-3", "bytes=--1",
        "bytes=99999999999999999999999999-", "bytes=" + "9" * 5000 + "-",
    ],
)  # fmt: skip
def test_a_malformed_range_is_never_served_as_another(repository: Repository, header: str) -> None:
    content = random_bytes(2048)
    digest = repository.push_blob(content)
    answer = repository.get(f"blobs/{digest}", {"Range": header})
    assert answer.status in (200, 400, 416), answer
    if answer.status == 200:
        assert answer.body == content


@meets("beyond-ranges")
@pytest.mark.parametrize("header", ["items=0-1", "bytes 0-1", "seconds=1-2", "bytes=0-1,5-6", "bytes=0-1, -1", "0-1"])
def test_other_units_and_lists_of_ranges_get_the_whole(repository: Repository, header: str) -> None:
    """RFC 9110 lets a server send everything in place of ranges that it doesn't serve."""
    content = random_bytes(2048)
    digest = repository.push_blob(content)
    answer = repository.get(f"blobs/{digest}", {"Range": header})
    assert answer.status == 200
    assert answer.body == content


@meets("beyond-ranges")
def test_ten_thousand_ranges_cost_one_answer(repository: Repository) -> None:
    content = random_bytes(2048)
    digest = repository.push_blob(content)
    header = "bytes=" + ",".join(["0-"] * 5000)
    answer = repository.get(f"blobs/{digest}", {"Range": header})
    assert answer.status in (200, 416)
    assert len(answer.body) <= 2048


@meets("beyond-ranges")
@pytest.mark.parametrize("size", [2048, 100_000])
def test_if_range_serves_the_part_only_of_the_same_content(repository: Repository, size: int) -> None:
    content = random_bytes(size)
    digest = repository.push_blob(content)
    same = repository.get(f"blobs/{digest}", {"Range": "bytes=5-9", "If-Range": f'"{digest}"'})
    assert same.status == 206
    assert same.body == content[5:10]
    for validator in (f'"{absent_digest()}"', "Tue, 15 Nov 1994 12:45:26 GMT", f'W/"{digest}"', '""'):
        other = repository.get(f"blobs/{digest}", {"Range": "bytes=5-9", "If-Range": validator})
        assert other.status == 200, validator
        assert other.body == content
    beyond = repository.get(f"blobs/{digest}", {"Range": f"bytes={size}-", "If-Range": f'"{absent_digest()}"'})
    assert beyond.status == 200


@meets("beyond-etag")
@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_the_blob_already_gets_304(repository: Repository, size: int, method: str) -> None:
    content = random_bytes(size)
    digest = repository.push_blob(content)
    for etag in (f'"{digest}"', f'W/"{digest}"', f'"x", "{digest}"', "*"):
        answer = repository.request(method, f"blobs/{digest}", {"If-None-Match": etag})
        assert answer.status == 304, etag
        assert answer.header("ETag") == f'"{digest}"'
    # If-None-Match goes before Range (RFC 9110, section 13.2.2).
    assert repository.get(f"blobs/{digest}", {"If-None-Match": f'"{digest}"', "Range": "bytes=0-0"}).status == 304
    assert repository.get(f"blobs/{digest}", {"If-None-Match": f'"{absent_digest()}"'}).body == content


@meets("pull-blob-05")
def test_head_does_not_mind_a_range(repository: Repository) -> None:
    """RFC 9110: Range is defined for GET only."""
    digest = repository.push_blob(random_bytes(2048))
    answer = repository.head(f"blobs/{digest}", {"Range": "bytes=500-1499"})
    assert answer.status == 200
    assert answer.header("Content-Length") == "2048"


@meets("newest-04")
@pytest.mark.parametrize("size", [0, 100, 100_000])
def test_a_blob_pushed_under_both_algorithms_is_pulled_under_both(repository: Repository, size: int) -> None:
    content = random_bytes(size)
    digests = [repository.push_blob(content, algorithm) for algorithm in ("sha256", "sha512")]
    assert digests == [digest_of(content), digest_of(content, "sha512")]
    for digest in digests:
        answer = repository.get(f"blobs/{digest}")
        assert answer.body == content
        assert answer.header("Docker-Content-Digest") == digest
    assert repository.delete(f"blobs/{digests[0]}").status == 202
    assert repository.get(f"blobs/{digests[0]}").status == 404
    assert repository.get(f"blobs/{digests[1]}").body == content


@meets("newest-04")
def test_a_blob_pushed_under_one_algorithm_is_not_held_under_the_other(repository: Repository) -> None:
    content = random_bytes(100)
    repository.push_blob(content, "sha512")
    assert repository.get(f"blobs/{digest_of(content)}").status == 404


@meets("pull-blob-01")
def test_a_damaged_blob_is_cut_and_never_filled_up(data: Path) -> None:
    """A client must see that something is missing, whatever the disk has done to the object."""
    content = random_bytes(5 * MIB)
    with OrlopServer(data=data) as server, Client(address_of(server)) as client:
        repository = Repository(client)
        digest = repository.push_blob(content)
        [path] = (data / "store" / "blobs").rglob(digest.partition(":")[2])
        os.truncate(path, MIB)
        for first, line in ((0, b"HTTP/1.1 200"), (50_000, b"HTTP/1.1 206"), (2 * MIB, b"HTTP/1.1 206")):
            headers = [("Range", f"bytes={first}-4000000")] if first else []
            with client.connect() as connection:
                connection.send(request_head("GET", f"{repository.base}/blobs/{digest}", client.address, headers))
                head, _, body = connection.read_all().partition(b"\r\n\r\n")
            assert head.startswith(line)
            assert body == content[first:MIB]
        assert repository.push_blob(content) == digest
        assert repository.get(f"blobs/{digest}").body == content, "a push heals it"
