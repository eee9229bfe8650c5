"""Deleting tags, manifests and blobs: at once, and nothing else."""

import pytest

from tests.protocol.content import OCI_IMAGE, absent_digest, index, random_bytes
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets


@meets("delete-tag-01", "delete-tag-02", "delete-tag-03", "newest-14")
def test_a_deleted_tag_is_gone_and_its_siblings_stay(repository: Repository) -> None:
    pushed = repository.push_image("v1")
    for tag in ("v2", "v3"):
        assert repository.put_manifest(tag, pushed.content, OCI_IMAGE).status == 201
    answer = repository.delete("manifests/v1")
    assert answer.status == 202
    assert answer.body == b""
    assert repository.get("manifests/v1").status == 404
    assert repository.head("manifests/v1").status == 404
    assert repository.tags() == ["v2", "v3"]
    for reference in ("v2", "v3", pushed.digest):
        assert repository.get(f"manifests/{reference}").body == pushed.content
    again = repository.delete("manifests/v1")
    assert again.status == 404
    assert again.codes == ["MANIFEST_UNKNOWN"]


@meets("delete-tag-03")
def test_the_last_tag_leaves_its_manifest(repository: Repository) -> None:
    pushed = repository.push_image("v1")
    assert repository.delete("manifests/v1").status == 202
    assert repository.tags() == []
    assert repository.get(f"manifests/{pushed.digest}").body == pushed.content
    assert repository.put_manifest("v2", pushed.content, OCI_IMAGE).status == 201


@meets("delete-manifest-01", "delete-manifest-03", "delete-manifest-04", "newest-14")
def test_a_deleted_manifest_takes_its_tags_along(repository: Repository) -> None:
    pushed, other = repository.push_image("v1"), repository.push_image("other")
    for tag in ("v2", "V1", "_"):
        assert repository.put_manifest(tag, pushed.content, OCI_IMAGE).status == 201
    assert repository.delete(f"manifests/{pushed.digest}").status == 202
    for reference in (pushed.digest, "v1", "v2", "V1", "_"):
        assert repository.get(f"manifests/{reference}").status == 404
        assert repository.head(f"manifests/{reference}").status == 404
    assert repository.tags() == ["other"]
    assert repository.get("manifests/other").body == other.content
    again = repository.delete(f"manifests/{pushed.digest}")
    assert again.status == 404
    assert again.codes == ["MANIFEST_UNKNOWN"]


@meets("delete-manifest-02")
@pytest.mark.parametrize("reference", ["v1", absent_digest(), absent_digest("sha512")])
def test_deleting_in_a_repository_that_does_not_exist_is_404(repository: Repository, reference: str) -> None:
    answer = repository.delete(f"manifests/{reference}")
    assert answer.status == 404
    assert answer.codes[0] in ("MANIFEST_UNKNOWN", "NAME_UNKNOWN")


@meets("delete-blob-01", "delete-blob-02", "delete-blob-03", "newest-14")
@pytest.mark.parametrize("size", [0, 100, 100_000])
def test_a_deleted_blob_is_gone_from_this_repository_only(repository: Repository, size: int) -> None:
    """B14."""
    content = random_bytes(size)
    other = repository.sibling()
    for each in (repository, other):
        digest = each.push_blob(content)
    answer = repository.delete(f"blobs/{digest}")
    assert answer.status == 202
    assert answer.body == b""
    assert repository.get(f"blobs/{digest}").status == 404
    assert repository.head(f"blobs/{digest}").status == 404
    assert other.get(f"blobs/{digest}").body == content
    again = repository.delete(f"blobs/{digest}")
    assert again.status == 404
    assert again.codes == ["BLOB_UNKNOWN"]


@meets("delete-blob-02")
def test_deleting_a_blob_that_is_not_there_is_404(repository: Repository) -> None:
    other = repository.sibling()
    digest = other.push_blob(random_bytes(10))
    for absent in (digest, absent_digest(), absent_digest("sha512")):
        answer = repository.delete(f"blobs/{absent}")
        assert answer.status == 404
        assert answer.codes == ["BLOB_UNKNOWN"]
    assert other.get(f"blobs/{digest}").status == 200


@meets("beyond-needed")
def test_a_blob_that_a_manifest_needs_is_kept_naming_it(repository: Repository) -> None:
    pushed = repository.push_image()
    for blob in (pushed.document["config"], *pushed.document["layers"]):
        answer = repository.delete(f"blobs/{blob['digest']}")
        assert answer.status == 405
        assert answer.codes == ["UNSUPPORTED"]
        assert answer.json()["errors"][0]["detail"] == {"manifest": pushed.digest}
        assert pushed.digest in answer.json()["errors"][0]["message"]
        assert repository.get(f"blobs/{blob['digest']}").status == 200
    assert repository.delete(f"manifests/{pushed.digest}").status == 202
    for blob in (pushed.document["config"], *pushed.document["layers"]):
        assert repository.delete(f"blobs/{blob['digest']}").status == 202


@meets("beyond-needed")
def test_a_manifest_that_an_index_needs_is_kept_naming_it(repository: Repository) -> None:
    """B09."""
    child = repository.push_image("child")
    inner = repository.push_manifest(index([child.descriptor()]))
    outer = repository.push_manifest(index([inner.descriptor()]), "v1")
    for each, parent in ((child, inner), (inner, outer)):
        answer = repository.delete(f"manifests/{each.digest}")
        assert answer.status == 405
        assert answer.json()["errors"][0]["detail"] == {"manifest": parent.digest}
        assert repository.get(f"manifests/{each.digest}").body == each.content
    assert repository.delete("manifests/child").status == 202, "a tag is only a name"
    for each in (outer, inner, child):
        assert repository.delete(f"manifests/{each.digest}").status == 202


@meets("beyond-needed")
def test_an_index_elsewhere_keeps_nothing_here(repository: Repository) -> None:
    other = repository.sibling()
    document = repository.new_image()
    child = repository.push_manifest(document)
    for blob in (document["config"], *document["layers"]):
        query = f"?mount={blob['digest']}&from={repository.name}"
        assert other.request("POST", f"blobs/uploads/{query}", {"Content-Length": "0"}).status == 201
    theirs = other.push_manifest(document)
    other.push_manifest(index([theirs.descriptor()]), "v1")
    assert repository.delete(f"manifests/{child.digest}").status == 202
    assert repository.delete(f"blobs/{document['layers'][0]['digest']}").status == 202
    assert other.get(f"blobs/{document['layers'][0]['digest']}").status == 200
    assert other.get(f"manifests/{child.digest}").status == 200


def test_what_was_deleted_can_be_pushed_again(repository: Repository) -> None:
    """B14."""
    for _ in range(3):
        pushed = repository.push_image("v1")
        layer = pushed.document["layers"][0]["digest"]
        content = repository.get(f"blobs/{layer}").body
        assert repository.delete(f"manifests/{pushed.digest}").status == 202
        assert repository.delete(f"blobs/{layer}").status == 202
        assert repository.put_manifest("v1", pushed.content, OCI_IMAGE).codes == ["MANIFEST_BLOB_UNKNOWN"]
        assert repository.push_blob(content) == layer
        assert repository.put_manifest("v1", pushed.content, OCI_IMAGE).status == 201
        assert repository.get("manifests/v1").body == pushed.content
        assert repository.get(f"blobs/{layer}").body == content


def test_deleting_by_one_digest_leaves_the_same_bytes_under_the_other(repository: Repository) -> None:
    document = repository.new_image()
    plain, other = repository.push_manifest(document), repository.push_manifest(document, algorithm="sha512")
    assert repository.delete(f"manifests/{plain.digest}").status == 202
    assert repository.get(f"manifests/{other.digest}").body == other.content


@meets("delete-tag-03")
def test_a_head_before_and_after(repository: Repository) -> None:
    """Whatever a cache remembers, it does not answer for the database."""
    pushed = repository.push_image("v1")
    layer = pushed.document["layers"][0]["digest"]
    for _ in range(3):
        assert repository.get("manifests/v1").status == 200
        assert repository.get(f"blobs/{layer}").status == 200
    assert repository.delete(f"manifests/{pushed.digest}").status == 202
    assert repository.delete(f"blobs/{layer}").status == 202
    assert repository.get("manifests/v1").status == 404
    assert repository.get(f"manifests/{pushed.digest}").status == 404
    assert repository.get(f"blobs/{layer}").status == 404


@pytest.mark.parametrize("query", ["?force=true", "?tag=v1", "?digest=x"])
def test_a_delete_does_not_read_parameters(repository: Repository, query: str) -> None:
    pushed = repository.push_image("v1")
    repository.put_manifest("v2", pushed.content, OCI_IMAGE)
    assert repository.delete(f"manifests/v2{query}").status == 202
    assert repository.tags() == ["v1"]
