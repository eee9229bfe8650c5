"""Mounting a blob of another repository instead of pushing it."""

import pytest

from tests.protocol.content import digest_of, random_bytes
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets


def mount(repository: Repository, digest: str, source: str | None = None) -> tuple[int, str]:
    """Status and Location."""
    query = f"?mount={digest}" + ("" if source is None else f"&from={source}")
    answer = repository.request("POST", f"blobs/uploads/{query}", {"Content-Length": "0"})
    if answer.status == 201:
        assert answer.header("Docker-Content-Digest") == digest
    return answer.status, answer.header("Location")


@meets("mount-01", "newest-11")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 100, 100_000])
@pytest.mark.parametrize("named", [True, False])
def test_a_blob_of_another_repository_is_mounted(
    repository: Repository, algorithm: str, size: int, named: bool
) -> None:
    content = random_bytes(size)
    source = repository.sibling()
    digest = source.push_blob(content, algorithm)
    status, location = mount(repository, digest, source.name if named else None)
    assert status == 201
    assert location == f"{repository.base}/blobs/{digest}"
    answer = repository.client.get(location)
    assert answer.status == 200
    assert answer.body == content


@meets("mount-01")
def test_a_blob_is_mounted_into_a_repository_that_has_it_already(repository: Repository) -> None:
    digest = repository.push_blob(random_bytes(10))
    assert mount(repository, digest, repository.name)[0] == 201
    assert mount(repository, digest)[0] == 201


@meets("mount-01")
def test_a_mounted_blob_stays_when_its_source_loses_it(repository: Repository) -> None:
    content = random_bytes(1000)
    source = repository.sibling()
    digest = source.push_blob(content)
    assert mount(repository, digest, source.name)[0] == 201
    assert source.delete(f"blobs/{digest}").status == 202
    assert source.get(f"blobs/{digest}").status == 404
    assert repository.get(f"blobs/{digest}").body == content
    assert repository.delete(f"blobs/{digest}").status == 202
    assert mount(repository, digest)[0] == 202, "nobody holds it any more"


@meets("mount-02", "newest-11")
@pytest.mark.parametrize(
    "source",
    [None, "absent", "absent/repository", "UPPER", "..", "a//b", "", "%00", "a%0ab", "..%2f..%2f", "a" * 300, "%d9%a1"],
)
def test_what_cannot_be_mounted_is_uploaded(repository: Repository, source: str | None) -> None:
    """B41: the answer is the same whether the source is unknown, malformed, or does not hold the blob."""
    content = random_bytes(100)
    digest = digest_of(content)
    answer = repository.request(
        "POST",
        f"blobs/uploads/?mount={digest}" + ("" if source is None else f"&from={source}"),
        {"Content-Length": "0"},
    )
    if answer.status == 400:  # control characters are refused wherever they are
        assert source is not None
        assert "%0" in source
        return
    assert answer.status == 202
    location = answer.header("Location")
    assert repository.client.get(location).status == 204
    assert repository.finish(location, digest, content).status == 201
    assert repository.get(f"blobs/{digest}").body == content


@meets("mount-02")
def test_a_source_without_the_blob_is_not_replaced_by_one_that_has_it(repository: Repository) -> None:
    """Who names a source means that one."""
    elsewhere, source = repository.sibling(), repository.sibling()
    digest = elsewhere.push_blob(random_bytes(10))
    source.push_image("v1")
    assert mount(repository, digest, source.name)[0] == 202
    assert mount(repository, digest, elsewhere.name)[0] == 201


@meets("mount-02", "digest-02")
def test_an_upload_in_place_of_a_mount_hashes_as_the_mount_said(repository: Repository) -> None:
    content = random_bytes(100_000)
    digest = digest_of(content, "sha512")
    status, location = mount(repository, digest, "absent")
    assert status == 202
    assert repository.patch(location, content).status == 202
    answer = repository.finish(location, digest)
    assert answer.status == 201
    assert answer.header("Docker-Content-Digest") == digest


@meets("digest-01")
@pytest.mark.parametrize("digest", ["", "sha256:x", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:" + "A" * 64, "x"])
def test_a_mount_of_what_is_no_digest_is_refused(repository: Repository, digest: str) -> None:
    answer = repository.request("POST", f"blobs/uploads/?mount={digest}&from=a", {"Content-Length": "0"})
    assert answer.status == 400
    assert answer.codes == ["DIGEST_INVALID"]


def test_from_without_mount_begins_an_upload(repository: Repository) -> None:
    answer = repository.request("POST", "blobs/uploads/?from=a", {"Content-Length": "0"})
    assert answer.status == 202
    assert repository.client.get(answer.header("Location")).status == 204


def test_a_manifest_counts_on_a_mounted_blob(repository: Repository) -> None:
    source = repository.sibling()
    document = source.new_image()
    digests = [document["config"]["digest"], *(layer["digest"] for layer in document["layers"])]
    for digest in digests:
        assert mount(repository, digest, source.name)[0] == 201
    pushed = repository.push_manifest(document, "v1")
    assert repository.get("manifests/v1").body == pushed.content
