"""Pulling manifests, and asking whether they are there."""

import pytest

from tests.protocol.client import Client
from tests.protocol.content import DOCKER_IMAGE, OCI_IMAGE, OCI_INDEX, absent_digest, encode, index
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets


@meets("pull-manifest-01", "pull-manifest-02", "pull-manifest-04", "pull-manifest-05", "newest-01")
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_manifest_is_answered_with_its_bytes_type_and_digest(repository: Repository, by: str) -> None:
    pushed = repository.push_image("v1")
    answer = repository.get(f"manifests/{'v1' if by == 'tag' else pushed.digest}")
    assert answer.status == 200
    assert answer.body == pushed.content
    assert answer.header("Docker-Content-Digest") == pushed.digest
    assert answer.header("Content-Type") == OCI_IMAGE
    assert answer.header("Content-Length") == str(len(pushed.content))
    assert answer.header("ETag") == f'"{pushed.digest}"'


@meets("pull-manifest-02")
@pytest.mark.parametrize("media_type", [OCI_IMAGE, DOCKER_IMAGE])
def test_the_content_type_is_what_the_manifest_was_pushed_as(repository: Repository, media_type: str) -> None:
    pushed = repository.push_manifest({**repository.new_image(), "mediaType": media_type}, "v1")
    for accept in ("*/*", media_type, "application/vnd.docker.distribution.manifest.v1+prettyjws", "text/html"):
        answer = repository.get("manifests/v1", {"Accept": accept})
        assert answer.status == 200
        assert answer.header("Content-Type") == media_type
        assert answer.body == pushed.content


@meets("head-01", "head-02", "head-03", "newest-01")
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_head_of_a_manifest_answers_like_get_without_the_body(repository: Repository, by: str) -> None:
    pushed = repository.push_image("v1")
    path = f"manifests/{'v1' if by == 'tag' else pushed.digest}"
    head, get = repository.head(path), repository.get(path)
    assert head.status == 200
    assert head.header("Docker-Content-Digest") == pushed.digest
    assert head.header("Content-Length") == str(len(pushed.content))
    assert head.body == b""
    assert [pair for pair in head.headers if pair[0] != "Date"] == [pair for pair in get.headers if pair[0] != "Date"]
    # A body after HEAD would have been read as the next answer.
    assert repository.client.get("/v2/").json() == {}


@meets("pull-manifest-03", "head-04", "error-manifest-unknown")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_absent_manifest_is_404(repository: Repository, method: str) -> None:
    repository.push_image("v1")
    for reference in ("v2", "V1", absent_digest(), absent_digest("sha512")):
        answer = repository.request(method, f"manifests/{reference}")
        assert answer.status == 404
        if method == "GET":
            assert answer.codes == ["MANIFEST_UNKNOWN"]


@meets("push-manifest-09")
def test_pulling_from_a_repository_that_does_not_exist_is_404(repository: Repository) -> None:
    for path in ("manifests/v1", f"manifests/{absent_digest()}", f"blobs/{absent_digest()}", "tags/list"):
        assert repository.get(path).status == 404
        assert repository.head(path).status == 404


@meets("pull-manifest-03")
def test_a_manifest_of_another_repository_is_404(repository: Repository) -> None:
    pushed = repository.push_image("v1")
    other = repository.sibling()
    other.push_image("v2")
    assert other.get(f"manifests/{pushed.digest}").status == 404
    assert other.get("manifests/v1").status == 404


def test_a_blob_is_no_manifest_and_a_manifest_no_blob_of_its_repository(repository: Repository) -> None:
    pushed = repository.push_image("v1")
    layer = pushed.document["layers"][0]["digest"]
    assert repository.get(f"manifests/{layer}").status == 404
    assert repository.get(f"blobs/{pushed.digest}").status == 404


@meets("beyond-etag")
@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"x", "{}"', '"sha256:a" , W/"{}"', "*", "{}"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_the_manifest_already_gets_304(repository: Repository, form: str, method: str) -> None:
    pushed = repository.push_image("v1")
    answer = repository.request(method, "manifests/v1", {"If-None-Match": form.format(pushed.digest)})
    assert answer.status == 304
    assert answer.header("ETag") == f'"{pushed.digest}"'
    assert answer.header("Docker-Content-Digest") == pushed.digest
    assert repository.get("manifests/v1").body == pushed.content  # the connection is in step


@meets("beyond-etag")
def test_who_has_another_manifest_gets_the_new_one(repository: Repository) -> None:
    old = repository.push_image("v1")
    new = repository.push_image("v1")
    for etag in (f'"{old.digest}"', f'W/"{old.digest}"', '""', "", '"*"', f'"{new.digest}x"'):
        answer = repository.get("manifests/v1", {"If-None-Match": etag})
        assert answer.status == 200
        assert answer.body == new.content
    assert repository.get("manifests/v9", {"If-None-Match": "*"}).status == 404


@meets("proxy-01", "newest-08")
@pytest.mark.parametrize("namespace", ["docker.io", "registry.example.org:5000", "localhost", "[::1]:5000"])
def test_ns_of_a_mirror_is_answered_with_its_value(repository: Repository, namespace: str) -> None:
    pushed = repository.push_image("v1")
    layer = pushed.document["layers"][0]["digest"]
    for path in ("manifests/v1", f"manifests/{pushed.digest}", f"blobs/{layer}"):
        for method in ("GET", "HEAD"):
            answer = repository.request(method, f"{path}?ns={namespace}")
            assert answer.status == 200
            assert answer.header("OCI-Namespace") == namespace
    assert repository.get("tags/list?ns=docker.io").status == 200
    assert repository.get("manifests/v2?ns=docker.io").status == 404


@meets("proxy-01")
@pytest.mark.parametrize("namespace", ["", "a%20b", "%3Cscript%3E", "x%0d%0aEvil:%201", "a/b", "a" * 256, "%C3%A4"])
def test_ns_that_is_no_host_is_not_repeated(repository: Repository, namespace: str) -> None:
    repository.push_image("v1")
    answer = repository.get(f"manifests/v1?ns={namespace}")
    assert answer.status in (200, 400)
    assert not answer.every("OCI-Namespace")
    assert not answer.every("Evil")


def test_an_unknown_parameter_changes_nothing(repository: Repository) -> None:
    pushed = repository.push_image("v1")
    for query in ("?", "?x", "?x=y&x=z", "?tag=v2", "?digest=x", "?&&=&"):
        assert repository.get(f"manifests/v1{query}").body == pushed.content


def test_a_manifest_is_never_rendered_by_a_browser(registry: Client, repository: Repository) -> None:
    repository.push_image("v1")
    assert repository.get("manifests/v1").header("X-Content-Type-Options") == "nosniff"


def test_an_index_and_its_children_are_pulled_apart(repository: Repository) -> None:
    child = repository.push_image()
    document = index([child.descriptor(platform={"architecture": "arm64", "os": "linux"})])
    pushed = repository.push_manifest(document, "v1")
    answer = repository.get("manifests/v1", {"Accept": OCI_IMAGE})
    assert answer.header("Content-Type") == OCI_INDEX
    assert answer.body == encode(document) == pushed.content
    assert repository.get(f"manifests/{child.digest}").body == child.content
