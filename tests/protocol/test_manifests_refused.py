"""Manifests that are refused, each with its code and without a trace."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.protocol.bad_manifests import BAD_VALUES, bad_json, changed
from tests.protocol.content import (
    DOCKER_IMAGE,
    DOCKER_LIST,
    EMPTY_JSON,
    MIB,
    OCI_EMPTY,
    OCI_IMAGE,
    OCI_INDEX,
    OCI_LAYER,
    absent_digest,
    descriptor,
    digest_of,
    encode,
    image,
    index,
    random_bytes,
)
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets

SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json"
SIGNED_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
LIMIT = 4 * MIB


def refused(
    repository: Repository, content: bytes, content_type: str = OCI_IMAGE, code: str = "MANIFEST_INVALID"
) -> str:
    """Pushes by tag and by digest; the reason that is given."""
    for reference in ("refused", digest_of(content)):
        answer = repository.put_manifest(reference, content, content_type)
        assert answer.status == 400, answer
        assert set(answer.codes) == {code}, answer
        assert repository.get(f"manifests/{reference}").status == 404
    message = answer.json()["errors"][0]["message"]
    assert isinstance(message, str)
    return message


@meets("push-02", "error-manifest-blob-unknown")
@pytest.mark.parametrize("missing", ["config", "layer", "both"])
def test_an_image_whose_blobs_are_missing_is_refused_naming_them(repository: Repository, missing: str) -> None:
    config, layer = EMPTY_JSON, random_bytes(10)
    config = random_bytes(11) if missing != "layer" else config
    repository.push_blob(EMPTY_JSON)
    if missing == "config":
        repository.push_blob(layer)
    document = image(descriptor(config, OCI_EMPTY), [descriptor(layer, OCI_LAYER)])
    content = encode(document)
    answer = repository.put_manifest("v1", content, OCI_IMAGE)
    assert answer.status == 400
    assert set(answer.codes) == {"MANIFEST_BLOB_UNKNOWN"}
    told = {error["detail"]["digest"] for error in answer.json()["errors"]}
    wanted = {"config": {digest_of(config)}, "layer": {digest_of(layer)}}
    assert told == wanted.get(missing, {digest_of(config), digest_of(layer)})
    for each in (config, layer):
        repository.push_blob(each)
    assert repository.put_manifest("v1", content, OCI_IMAGE).status == 201


@meets("push-02")
def test_a_blob_of_another_repository_is_not_enough(repository: Repository) -> None:
    document = repository.sibling().new_image()
    repository.push_blob(EMPTY_JSON)
    refused(repository, encode(document), code="MANIFEST_BLOB_UNKNOWN")


@meets("push-02")
def test_an_index_whose_children_are_missing_is_refused_naming_them(repository: Repository) -> None:
    there, elsewhere = repository.push_image(), repository.sibling().push_image()
    absent = {"mediaType": OCI_IMAGE, "digest": absent_digest(), "size": 100}
    content = encode(index([there.descriptor(), elsewhere.descriptor(), absent]))
    answer = repository.put_manifest("v1", content, OCI_INDEX)
    assert answer.status == 400
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"] * 2
    assert {error["detail"]["digest"] for error in answer.json()["errors"]} == {elsewhere.digest, absent["digest"]}


@meets("push-02")
def test_a_blob_is_no_child_and_a_manifest_no_layer(repository: Repository) -> None:
    pushed = repository.push_image()
    layer = pushed.document["layers"][0]
    refused(repository, encode(index([{**layer, "mediaType": OCI_IMAGE}])), OCI_INDEX, "MANIFEST_BLOB_UNKNOWN")
    document = image(pushed.document["config"], [{**pushed.descriptor(), "mediaType": OCI_LAYER}])
    refused(repository, encode(document), code="MANIFEST_BLOB_UNKNOWN")


def test_a_thousand_missing_layers_give_an_answer_of_some_size(repository: Repository) -> None:
    repository.push_blob(EMPTY_JSON)
    layers = [{"mediaType": OCI_LAYER, "digest": absent_digest(), "size": 1} for _ in range(1000)]
    answer = repository.put_manifest("v1", encode(image(descriptor(EMPTY_JSON, OCI_EMPTY), layers)), OCI_IMAGE)
    assert answer.status == 400
    assert 1 < len(answer.json()["errors"]) <= 1000
    assert len(answer.body) < MIB


TWO_READERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "layers in an index": lambda good: {**index([]), "layers": good["layers"]},
    "config in an index": lambda good: {**index([]), "config": good["config"]},
    "manifests in an image": lambda good: {**good, "manifests": []},
    "fsLayers in an image": lambda good: {**good, "fsLayers": []},
    "fsLayers in an index": lambda good: {**index([]), "fsLayers": []},
}


@meets("newest-16")
@pytest.mark.parametrize("case", TWO_READERS)
def test_what_two_readers_would_read_differently_is_refused(repository: Repository, case: str) -> None:
    document = TWO_READERS[case](repository.new_image())
    refused(repository, encode(document), document["mediaType"])
    del document["mediaType"]
    for content_type in (OCI_IMAGE, OCI_INDEX, DOCKER_IMAGE, DOCKER_LIST, ""):
        refused(repository, encode(document), content_type)


@meets("newest-16")
@pytest.mark.parametrize("content_type", [OCI_INDEX, DOCKER_IMAGE, DOCKER_LIST, "application/json", "a/b", "nonsense"])
def test_a_content_type_that_is_not_the_manifests_own_is_refused(repository: Repository, content_type: str) -> None:
    message = refused(repository, encode(repository.new_image()), content_type)
    assert content_type in message


@meets("newest-16")
def test_a_manifest_cannot_change_its_type_when_it_is_pushed_again(repository: Repository) -> None:
    document = repository.new_image()
    del document["mediaType"]
    content = encode(document)
    assert repository.put_manifest("v1", content, OCI_IMAGE).status == 201
    answer = repository.put_manifest("v1", content, DOCKER_IMAGE)
    assert answer.status == 400
    assert answer.codes == ["MANIFEST_INVALID"]
    assert repository.get("manifests/v1").header("Content-Type") == OCI_IMAGE


@pytest.mark.parametrize(
    "media_type", ["application/json", "text/plain", "application/vnd.example+json", "", "x", 1, [], {}]
)
def test_a_manifest_of_another_kind_is_refused(repository: Repository, media_type: Any) -> None:
    document = {**repository.new_image(), "mediaType": media_type}
    content_type = media_type if isinstance(media_type, str) else ""
    if media_type == "":
        content_type = "application/json"
    refused(repository, encode(document), content_type)


@pytest.mark.parametrize("content_type", [SCHEMA_1, SIGNED_SCHEMA_1, "application/json", OCI_IMAGE, ""])
def test_schema_1_is_refused_by_its_name(repository: Repository, content_type: str) -> None:
    document = {
        "schemaVersion": 1, "name": "a", "tag": "v1", "architecture": "amd64", "signatures": [],
        "fsLayers": [{"blobSum": absent_digest()}], "history": [{"v1Compatibility": "{}"}],
    }  # fmt: skip
    assert "schema 1" in refused(repository, encode(document), content_type)


@meets("newest-13", "error-manifest-invalid")
@pytest.mark.parametrize("case", bad_json({"a": 1}))
def test_what_is_no_strict_json_object_is_refused(repository: Repository, case: str) -> None:
    refused(repository, bad_json(repository.new_image())[case])


@meets("error-manifest-invalid")
@pytest.mark.parametrize(("path", "values"), BAD_VALUES, ids=lambda value: ".".join(map(str, value))[:40])
def test_a_field_of_the_wrong_kind_is_refused(repository: Repository, path: list[str | int], values: list[Any]) -> None:
    good = repository.new_image()
    for value in values:
        document = changed(good, path, value)
        answer = repository.put_manifest("refused", encode(document), OCI_IMAGE)
        assert answer.status == 400, (path, value, answer)
        assert answer.codes == ["MANIFEST_INVALID"], (path, value)
    assert repository.get("tags/list").status == 404
    assert repository.put_manifest("good", encode(good), OCI_IMAGE).status == 201


@meets("push-manifest-10", "push-manifest-11", "push-manifest-12", "newest-13", "error-manifest-too-large")
@pytest.mark.parametrize("chunked", [False, True])
def test_a_manifest_of_four_mebibytes_is_taken_and_one_byte_more_is_not(repository: Repository, chunked: bool) -> None:
    document = repository.new_image()
    content = encode(document)
    exact = content + b" " * (LIMIT - len(content))
    answer = repository.put_manifest("exact", exact, OCI_IMAGE, chunked=chunked)
    assert answer.status == 201
    pulled = repository.get("manifests/exact")
    assert pulled.body == exact
    assert pulled.header("Docker-Content-Digest") == digest_of(exact)
    assert repository.head("manifests/exact").header("Content-Length") == str(LIMIT)
    answer = repository.put_manifest("more", exact + b" ", OCI_IMAGE, chunked=chunked)
    assert answer.status == 413
    assert answer.codes == ["MANIFEST_INVALID"]
    assert "4194304" in answer.json()["errors"][0]["message"]
    assert repository.tags() == ["exact"]


@meets("push-manifest-10", "push-manifest-11", "newest-13")
def test_a_manifest_without_end_is_cut_off_at_the_limit(repository: Repository) -> None:
    """A gibibyte in chunks: the answer must come soon after the limit, not after the last chunk."""
    sent = 0

    def endless() -> Any:
        nonlocal sent
        for _ in range(4096):
            sent += 256 * 1024
            yield b"[" * (256 * 1024)

    answer = repository.put_manifest("v1", endless(), OCI_IMAGE)
    assert answer.status == 413
    assert answer.closes
    assert sent < 64 * MIB
    assert repository.client.get("/v2/").status == 200


@meets("push-manifest-10", "push-manifest-11")
def test_a_manifest_that_is_announced_too_large_is_refused_before_it_comes(repository: Repository) -> None:
    for length in (LIMIT + 1, 1 << 30, 10**17):
        with repository.client.connect() as connection:
            head = f"PUT {repository.base}/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
            connection.send(head.encode())
            answer = connection.read()
            assert answer.status == 413
            assert answer.closes
