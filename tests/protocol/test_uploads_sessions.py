"""Sessions of uploads: cancelled, forgotten, guessed, and gone."""

import time
from pathlib import Path

import pytest

from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import KIB, MIB, digest_of, random_bytes
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets
from tests.servers import OrlopServer


@meets("cancel-01", "newest-02", "error-blob-upload-unknown")
@pytest.mark.parametrize("size", [0, 100, 100 * KIB, MIB])
def test_a_cancelled_upload_is_204_and_then_404(repository: Repository, size: int) -> None:
    """B40."""
    content = random_bytes(size)
    location = repository.start()
    if size:
        repository.patch(location, content)
    answer = repository.client.request("DELETE", location, {"Content-Length": "0"})
    assert answer.status == 204
    assert answer.body == b""
    again = [
        repository.client.delete(location),
        repository.client.get(location),
        repository.patch(location, content),
        repository.finish(location, digest_of(content), content),
        repository.finish(location, digest_of(content)),
    ]
    for answer in again:
        assert answer.status == 404
        assert answer.codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert repository.get(f"blobs/{digest_of(content)}").status == 404


@meets("cancel-01")
@pytest.mark.parametrize("size", [10_000, MIB])
def test_a_cancelled_upload_does_not_come_back_with_the_rest_of_its_chunk(repository: Repository, size: int) -> None:
    content = random_bytes(size)
    location = repository.start()
    with repository.client.connect() as connection:
        connection.begin("PATCH", location, size, content[: size // 2], underway=True)
        assert repository.client.delete(location).status == 204
        connection.send(content[size // 2 :])
        answer = connection.read()
    assert answer.status == 404
    assert repository.client.get(location).status == 404


@pytest.mark.parametrize(
    "upload_id",
    [
        "a", "a" * 39, "a" * 41, "g" * 40, "A" * 40, "..", "%2e%2e", "..%2f..", "%2e%2e%2f" * 3, "a" * 40 + "%0a",
        "a" * 39 + "%00", "..%5c..", "orlop.json", "a" * 5000, "\u0661" * 40, "%d9%a1" * 40, "*",
        "123e4567-e89b-12d3-a456-426614174000",
    ],
)  # fmt: skip
def test_an_id_that_was_never_given_out_is_404(repository: Repository, upload_id: str) -> None:
    repository.start()
    if not upload_id.isascii():
        upload_id = upload_id.encode().decode("latin-1")
    target = f"{repository.base}/blobs/uploads/{upload_id}"
    digest = digest_of(b"x")
    answers = [
        repository.client.get(target),
        repository.patch(target, b"x"),
        repository.finish(target, digest, b"x"),
        repository.client.delete(target),
    ]
    for answer in answers:
        assert answer.status in (400, 404)
    assert repository.get(f"blobs/{digest}").status == 404


def test_an_upload_belongs_to_its_repository(repository: Repository) -> None:
    """Its id alone opens nothing: not through another repository's path."""
    content = random_bytes(100)
    location = repository.start()
    repository.patch(location, content)
    other = repository.sibling()
    other.push_image("v1")
    stolen = location.replace(repository.name, other.name)
    answers = [
        other.client.get(stolen),
        other.patch(stolen, b"x"),
        other.finish(stolen, digest_of(content)),
        other.client.delete(stolen),
    ]
    assert [answer.status for answer in answers] == [404] * 4
    assert other.get(f"blobs/{digest_of(content)}").status == 404
    assert repository.client.get(location).header("Range") == "0-99"
    assert repository.finish(location, digest_of(content)).status == 201


def test_an_upload_makes_no_repository(registry: Client, repository: Repository) -> None:
    """B23."""
    repository.push_blob(random_bytes(10))
    repository.start()
    assert repository.get("tags/list").codes == ["NAME_UNKNOWN"]
    assert repository.name not in registry.get(f"/v2/_catalog?n=1&last={repository.name[:-1]}").json()["repositories"]


@meets("cancel-02")
def test_an_upload_that_is_left_alone_ends_and_one_that_goes_on_does_not(data: Path) -> None:
    """B22: its time begins anew with every chunk."""
    with OrlopServer(data=data, LIMITS_UPLOAD_LIFETIME="1s") as server, Client(address_of(server)) as client:
        repository = Repository(client)
        left, kept = repository.start(), repository.start()
        began, content = time.monotonic(), b""
        assert repository.patch(left, b"abc").status == 202
        while client.get(left).status == 204:
            assert repository.patch(kept, b"x").status == 202
            content += b"x"
            assert time.monotonic() < began + 20, "it lives on"
            time.sleep(0.05)
        assert time.monotonic() > began + 0.9
        assert repository.patch(left, b"def").codes == ["BLOB_UPLOAD_UNKNOWN"]
        while time.monotonic() < began + 2:
            assert repository.patch(kept, b"x").status == 202
            content += b"x"
            time.sleep(0.05)
        assert repository.finish(kept, digest_of(content)).status == 201


@meets("cancel-02")
@pytest.mark.full
def test_the_bytes_of_forgotten_uploads_go(data: Path) -> None:
    with OrlopServer(data=data, LIMITS_UPLOAD_LIFETIME="1s") as server, Client(address_of(server)) as client:
        repository = Repository(client)
        assert repository.patch(repository.start(), random_bytes(MIB)).status == 202
        folder = data / "store" / "uploads"
        assert list(folder.iterdir())
        deadline = time.monotonic() + 150
        while folder.is_dir() and list(folder.iterdir()):
            assert time.monotonic() < deadline, "they stay"
            time.sleep(0.5)
