"""Manifests of every kind are taken, and given back as the bytes that came."""

import base64
import json
from typing import Any

import pytest

from tests.protocol.content import (
    DOCKER_CONFIG,
    DOCKER_IMAGE,
    DOCKER_LAYER,
    DOCKER_LIST,
    EMPTY_JSON,
    OCI_CONFIG,
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

OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
OCI_FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def held(repository: Repository, media_type: str, content: bytes | None = None, **more: Any) -> dict[str, Any]:
    """The descriptor of a blob that the repository holds."""
    content = random_bytes(50) if content is None else content
    repository.push_blob(content)
    return descriptor(content, media_type, **more)


def config(repository: Repository) -> dict[str, Any]:
    return held(
        repository, OCI_CONFIG, json.dumps({"os": "linux", "architecture": "amd64", "x": absent_digest()}).encode()
    )


@meets("push-manifest-01", "push-manifest-04", "push-manifest-05", "push-manifest-06", "push-manifest-07", "newest-16")
@pytest.mark.parametrize("by", ["tag", "digest", "sha512"])
def test_a_push_is_answered_with_201_and_where_the_manifest_is(repository: Repository, by: str) -> None:
    content = encode(repository.new_image())
    digest = digest_of(content, "sha512" if by == "sha512" else "sha256")
    answer = repository.put_manifest("v1" if by == "tag" else digest, content, OCI_IMAGE)
    assert answer.status == 201
    assert answer.header("Docker-Content-Digest") == digest
    assert not answer.every("OCI-Subject")
    assert answer.body == b""
    pulled = repository.client.get(answer.header("Location"))
    assert pulled.status == 200
    assert pulled.body == content
    assert pulled.header("Docker-Content-Digest") == digest
    assert repository.get(f"manifests/{digest}").body == content


@meets("push-manifest-07", "digest-01")
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_with_another_digest_than_named_is_refused(repository: Repository, algorithm: str) -> None:
    content = encode(repository.new_image())
    answer = repository.put_manifest(digest_of(content + b"  ", algorithm), content, OCI_IMAGE)
    assert answer.status == 400
    assert answer.codes == ["DIGEST_INVALID"]
    assert repository.get(f"manifests/{digest_of(content, algorithm)}").status == 404
    assert repository.get("tags/list").status == 404


def spellings(document: dict[str, Any]) -> dict[str, bytes]:
    """One document as different bytes."""
    compact = json.dumps(document, separators=(",", ":")).encode()
    return {
        "compact": compact,
        "indented": json.dumps(document, indent=4).encode(),
        "tabs": json.dumps(document, indent="\t").encode(),
        "crlf": json.dumps(document, indent=2).replace("\n", "\r\n").encode(),
        "sorted": json.dumps(document, sort_keys=True).encode(),
        "reversed": json.dumps(dict(reversed(document.items()))).encode(),
        "surrounded": b" \r\n\t" + compact + b"\n\n\n   ",
        "escaped": compact.replace(b"schemaVersion", b"schema\\u0056ersion"),
        "slashes": compact.replace(b"/", b"\\/"),
        "unicode": json.dumps({**document, "note": "äöü € \U0001f40b"}, ensure_ascii=False).encode(),
        "surrogates": json.dumps({**document, "note": "\U0001f40b"}).encode(),
        "nul": json.dumps({**document, "note": "a\x00b"}).encode(),
        "numbers": compact[:-1] + b',"n":[1.0,1e2,-0,1E-2,123456789012345678901234567890]}',
    }


@meets("push-manifest-03", "newest-13")
@pytest.mark.parametrize("spelling", spellings({"a": 1}))
def test_a_manifest_keeps_its_bytes(repository: Repository, spelling: str) -> None:
    content = spellings(repository.new_image())[spelling]
    answer = repository.put_manifest("v1", content, OCI_IMAGE)
    assert answer.status == 201, answer
    assert answer.header("Docker-Content-Digest") == digest_of(content)
    for reference in ("v1", digest_of(content)):
        pulled = repository.get(f"manifests/{reference}")
        assert pulled.body == content
        assert pulled.header("Content-Length") == str(len(content))


@meets("push-manifest-03", "newest-13")
def test_what_a_manifest_says_beyond_the_specification_is_kept(repository: Repository) -> None:
    layer = random_bytes(20)
    repository.push_blob(layer)
    document = image(
        {**config(repository), "org.example.unknown": {"a": [1, None, True, {}]}},
        [descriptor(layer, OCI_LAYER, data=base64.b64encode(layer).decode(), urls=["https://example.com/x"])],
        annotations={"": "", "a": "b", "org.opencontainers.image.title": "x\n\t\x00\u2028"},
        unknown={"layers": 1, "manifests": [], "deep": [[[[{"a": []}]]]]},
        history=None,
    )
    pushed = repository.push_manifest(document, "v1")
    assert repository.get("manifests/v1").body == pushed.content


@meets("push-manifest-02", "newest-13")
@pytest.mark.parametrize("layers", [0, 1, 3, 127])
def test_an_image_may_have_any_number_of_layers(repository: Repository, layers: int) -> None:
    content = random_bytes(10)
    repository.push_blob(content)
    document = image(config(repository), [descriptor(content, OCI_LAYER)] * layers)
    pushed = repository.push_manifest(document, "v1")
    assert repository.get("manifests/v1").body == pushed.content


@meets("newest-13")
@pytest.mark.parametrize(
    "media_type",
    [
        OCI_LAYER, "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+zstd", "a/b",
        "text/plain", "application/octet-stream", OCI_EMPTY, "application/x.anything-else_at.all+json",
    ],
)  # fmt: skip
def test_layers_and_configs_may_be_of_any_type_and_empty(repository: Repository, media_type: str) -> None:
    document = image(held(repository, media_type), [held(repository, media_type), held(repository, media_type, b"")])
    pushed = repository.push_manifest(document, "v1")
    assert repository.get("manifests/v1").body == pushed.content


@meets("newest-13")
@pytest.mark.parametrize("media_type", [OCI_FOREIGN, DOCKER_FOREIGN])
def test_foreign_layers_need_not_be_there(repository: Repository, media_type: str) -> None:
    """And the registry never fetches them: it would not find this host."""
    foreign = {"mediaType": media_type, "digest": absent_digest(), "size": 12345, "urls": ["http://registry.invalid/x"]}
    document = image(config(repository), [foreign, held(repository, OCI_LAYER)])
    pushed = repository.push_manifest(document, "v1")
    assert repository.get("manifests/v1").body == pushed.content
    assert repository.get(f"blobs/{foreign['digest']}").status == 404


@meets("newest-13")
def test_an_artifact_may_have_nothing_but_the_empty_blob(repository: Repository) -> None:
    empty = held(repository, OCI_EMPTY, EMPTY_JSON)
    document = image(empty, [empty], artifactType="application/vnd.example+type")
    pushed = repository.push_manifest(document, "v1")
    assert repository.get("manifests/v1").body == pushed.content


@meets("newest-13")
def test_docker_images_and_lists_keep_their_types(repository: Repository) -> None:
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_IMAGE,
        "config": held(repository, DOCKER_CONFIG, b'{"os":"linux","architecture":"arm64","variant":"v8"}'),
        "layers": [held(repository, DOCKER_LAYER)],
    }
    child = repository.push_manifest(document)
    platform = {"architecture": "arm64", "os": "linux", "variant": "v8"}
    listing = {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [child.descriptor(platform=platform)]}
    pushed = repository.push_manifest(listing, "v1")
    answer = repository.get("manifests/v1")
    assert answer.header("Content-Type") == DOCKER_LIST
    assert answer.body == pushed.content
    assert repository.get(f"manifests/{child.digest}").header("Content-Type") == DOCKER_IMAGE


@meets("newest-13")
def test_an_index_may_be_empty(repository: Repository) -> None:
    pushed = repository.push_manifest(index([]), "v1")
    answer = repository.get("manifests/v1")
    assert answer.body == pushed.content
    assert answer.header("Content-Type") == OCI_INDEX


@meets("newest-13")
def test_an_index_may_hold_indexes(repository: Repository) -> None:
    leaf = repository.push_image()
    inner = [
        repository.push_manifest(index([leaf.descriptor()], annotations={"n": str(number)})) for number in range(3)
    ]
    middle = repository.push_manifest(index([each.descriptor() for each in inner]))
    outer = repository.push_manifest(index([middle.descriptor(), leaf.descriptor(), inner[0].descriptor()]), "v1")
    assert repository.get("manifests/v1").body == outer.content
    for each in (leaf, *inner, middle):
        assert repository.get(f"manifests/{each.digest}").body == each.content


@meets("newest-13")
def test_an_index_of_images_under_sha512(repository: Repository) -> None:
    layer = random_bytes(30)
    repository.push_blob(layer, "sha512")
    repository.push_blob(EMPTY_JSON, "sha512")
    document = image(descriptor(EMPTY_JSON, OCI_EMPTY, "sha512"), [descriptor(layer, OCI_LAYER, "sha512")])
    child = repository.push_manifest(document, algorithm="sha512")
    pushed = repository.push_manifest(index([child.descriptor()]), algorithm="sha512")
    assert repository.get(f"manifests/{pushed.digest}").body == pushed.content
    # One and the same content under its other name is another manifest.
    assert repository.get(f"manifests/{digest_of(pushed.content)}").status == 404


def test_the_artifact_manifest_of_the_release_candidates(repository: Repository) -> None:
    """Dropped before version 1.1, but pushed by tools of that time."""
    blob = held(repository, "text/plain")
    document = {"mediaType": OCI_ARTIFACT, "artifactType": "text/x", "blobs": [blob]}
    pushed = repository.push_manifest(document, "v1")
    answer = repository.get("manifests/v1")
    assert answer.body == pushed.content
    assert answer.header("Content-Type") == OCI_ARTIFACT


@meets("newest-16")
@pytest.mark.parametrize("content_type", [OCI_IMAGE, ""])
def test_a_manifest_needs_no_media_type_field(repository: Repository, content_type: str) -> None:
    """umoci writes none."""
    document = repository.new_image()
    del document["mediaType"]
    content = encode(document)
    assert repository.put_manifest("v1", content, content_type).status == 201
    answer = repository.get("manifests/v1")
    assert answer.body == content
    assert answer.header("Content-Type") == OCI_IMAGE


@meets("newest-16")
@pytest.mark.parametrize(
    ("content_type", "kind"), [(OCI_INDEX, OCI_INDEX), ("", OCI_INDEX), (DOCKER_LIST, DOCKER_LIST)]
)
def test_an_index_needs_no_media_type_field(repository: Repository, content_type: str, kind: str) -> None:
    content = encode({"schemaVersion": 2, "manifests": [repository.push_image().descriptor()]})
    assert repository.put_manifest("v1", content, content_type).status == 201
    answer = repository.get("manifests/v1")
    assert answer.body == content
    assert answer.header("Content-Type") == kind


@meets("push-manifest-08")
@pytest.mark.parametrize("parameters", ["; charset=utf-8", ";charset=utf-8", " ; a=b; c=d", ";"])
def test_parameters_of_the_content_type_are_ignored(repository: Repository, parameters: str) -> None:
    content = encode(repository.new_image())
    assert repository.put_manifest("v1", content, OCI_IMAGE + parameters).status == 201
    answer = repository.get("manifests/v1")
    assert answer.header("Content-Type") == OCI_IMAGE
    assert answer.body == content


def test_a_tag_moves_and_the_old_manifest_stays(repository: Repository) -> None:
    old = repository.push_image("v1")
    new = repository.push_image("v1")
    assert repository.get("manifests/v1").body == new.content
    assert repository.get(f"manifests/{old.digest}").body == old.content
    assert repository.tags() == ["v1"]


def test_a_manifest_may_be_pushed_again_under_other_tags(repository: Repository) -> None:
    pushed = repository.push_image("v1")
    for reference in ("v1", "v2", pushed.digest, "v3"):
        assert repository.put_manifest(reference, pushed.content, OCI_IMAGE).status == 201
    assert repository.tags() == ["v1", "v2", "v3"]
    assert {repository.get(f"manifests/{tag}").body for tag in repository.tags()} == {pushed.content}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_manifest_may_come_with_or_without_its_length(repository: Repository, chunked: bool) -> None:
    content = encode(repository.new_image(annotations={"a": "b" * 300_000}))
    assert repository.put_manifest("v1", content, OCI_IMAGE, chunked=chunked).status == 201
    assert repository.get("manifests/v1").body == content


def test_the_same_manifest_in_two_repositories(repository: Repository) -> None:
    pushed = repository.push_image("v1")
    other = repository.sibling()
    for blob in (pushed.document["config"], *pushed.document["layers"]):
        query = f"?mount={blob['digest']}&from={repository.name}"
        assert other.request("POST", f"blobs/uploads/{query}", {"Content-Length": "0"}).status == 201
    assert other.put_manifest("v1", pushed.content, OCI_IMAGE).status == 201
    assert repository.delete(f"manifests/{pushed.digest}").status == 202
    assert repository.get("manifests/v1").status == 404
    assert other.get("manifests/v1").body == pushed.content
