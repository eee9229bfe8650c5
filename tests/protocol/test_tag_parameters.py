"""Pushing a manifest by its digest and pointing tags at it, in one request."""

import pytest

from tests.protocol.content import OCI_IMAGE, digest_of, encode
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets


def query(tags: list[str]) -> str:
    return "?" + "&".join(f"tag={tag}" for tag in tags)


@meets("tag-parameters-01", "tag-parameters-02", "newest-03")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("count", [1, 2, 10, 100])
def test_every_tag_is_taken_and_told(repository: Repository, count: int, algorithm: str) -> None:
    content = encode(repository.new_image())
    digest = digest_of(content, algorithm)
    tags = [f"v{number:03}" for number in range(count)]
    answer = repository.put_manifest(digest + query(tags), content, OCI_IMAGE)
    assert answer.status == 201
    assert answer.every("OCI-Tag") == tags
    assert answer.header("Docker-Content-Digest") == digest
    assert repository.tags() == tags
    for tag in tags:
        pulled = repository.get(f"manifests/{tag}")
        assert pulled.body == content
        assert pulled.header("Docker-Content-Digest") == digest


@meets("tag-parameters-03", "newest-03")
@pytest.mark.parametrize("count", [101, 190])
def test_too_many_tags_are_414_and_none_is_taken(repository: Repository, count: int) -> None:
    content = encode(repository.new_image())
    tags = [f"v{number}" for number in range(count)]
    answer = repository.put_manifest(digest_of(content) + query(tags), content, OCI_IMAGE)
    assert answer.status == 414
    assert answer.codes == ["UNSUPPORTED"]
    assert answer.json()["errors"][0]["detail"] == {"limit": 100}
    assert repository.get("tags/list").status == 404


def test_far_too_many_parameters_are_refused(repository: Repository) -> None:
    content = encode(repository.new_image())
    for tags in (["v"] * 201, ["v"] * 2000):
        answer = repository.put_manifest(digest_of(content) + query(tags), content, OCI_IMAGE)
        assert answer.status in (400, 414)
    assert repository.get("tags/list").status == 404


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a%20b", "a%2fb", "sha256:x", "x" * 129, "%C3%A4", "a,b"])
def test_one_tag_that_is_none_refuses_the_push(repository: Repository, tag: str) -> None:
    content = encode(repository.new_image())
    answer = repository.put_manifest(digest_of(content) + query(["v1", tag, "v2"]), content, OCI_IMAGE)
    assert answer.status == 400
    assert answer.codes == ["MANIFEST_INVALID"]
    assert repository.get("tags/list").status == 404


@meets("tag-parameters-01")
def test_a_tag_that_is_named_twice_is_taken_once(repository: Repository) -> None:
    content = encode(repository.new_image())
    answer = repository.put_manifest(digest_of(content) + query(["b", "a", "b", "a"]), content, OCI_IMAGE)
    assert answer.status == 201
    assert answer.every("OCI-Tag") == ["b", "a"]
    assert repository.tags() == ["a", "b"]


def test_tag_parameters_need_a_digest_in_the_path(repository: Repository) -> None:
    content = encode(repository.new_image())
    answer = repository.put_manifest("v1?tag=v2", content, OCI_IMAGE)
    assert answer.status == 400
    assert answer.codes == ["UNSUPPORTED"]
    assert repository.get("tags/list").status == 404


def test_tags_move_together(repository: Repository) -> None:
    old = repository.push_image("v1")
    content = encode(repository.new_image())
    answer = repository.put_manifest(digest_of(content) + query(["v1", "v2"]), content, OCI_IMAGE)
    assert answer.every("OCI-Tag") == ["v1", "v2"]
    assert repository.get("manifests/v1").body == repository.get("manifests/v2").body == content
    assert repository.get(f"manifests/{old.digest}").body == old.content


def test_a_refused_manifest_moves_no_tag(repository: Repository) -> None:
    old = repository.push_image("v1")
    content = encode({**repository.new_image(), "layers": 1})
    assert repository.put_manifest(digest_of(content) + query(["v1", "v2"]), content, OCI_IMAGE).status == 400
    assert repository.get("manifests/v1").body == old.content
    assert repository.tags() == ["v1"]
