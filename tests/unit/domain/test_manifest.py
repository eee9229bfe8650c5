"""Manifests: which are taken, what is read from them, and that nothing else than a refusal comes of any bytes."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.digest import Digest
from orlop.domain.errors import ManifestInvalid
from orlop.domain.manifest import (
    DOCKER_IMAGE,
    DOCKER_LIST,
    DOCKER_SCHEMA_1,
    OCI_ARTIFACT,
    OCI_IMAGE,
    OCI_INDEX,
    Manifest,
    parse_manifest,
)

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
ABSENT = object()


def descriptor(content: bytes, media_type: str = LAYER_TYPE, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content), **more}


IMAGE: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": OCI_IMAGE,
    "config": descriptor(b"config", CONFIG_TYPE),
    "layers": [descriptor(b"one"), descriptor(b"two")],
}
INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": OCI_INDEX,
    "manifests": [
        descriptor(b"amd64", OCI_IMAGE, platform={"os": "linux", "architecture": "amd64"}),
        descriptor(b"arm64", OCI_IMAGE),
    ],
}
ARTIFACT: dict[str, Any] = {"mediaType": OCI_ARTIFACT, "artifactType": "text/x", "blobs": [descriptor(b"blob")]}


def parse(document: Any, content_type: str = "") -> Manifest:
    return parse_manifest(json.dumps(document).encode(), content_type)


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with another value at `a.0.b`; ABSENT takes it out."""
    document = copy.deepcopy(document)
    *parents, last = path.split(".")
    target: Any = document
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target[part]
    if value is ABSENT:
        del target[last]
    else:
        target[int(last) if isinstance(target, list) else last] = value
    return document


def test_an_image_tells_its_config_and_layers() -> None:
    manifest = parse(IMAGE, OCI_IMAGE)
    assert manifest.media_type == OCI_IMAGE
    assert not manifest.is_index
    assert [(kind, found.digest, found.size) for kind, found in manifest.references()] == [
        ("config", Digest.of(b"config"), 6),
        ("layer", Digest.of(b"one"), 3),
        ("layer", Digest.of(b"two"), 3),
    ]
    assert manifest.artifact_type == CONFIG_TYPE


def test_an_index_tells_its_children_and_their_platforms() -> None:
    manifest = parse(INDEX)
    assert manifest.is_index
    assert [kind for kind, _ in manifest.references()] == ["manifest", "manifest"]
    assert [child.platform for child in manifest.children] == [{"os": "linux", "architecture": "amd64"}, None]
    assert manifest.artifact_type == ""


def test_an_artifact_manifest_tells_its_blobs() -> None:
    manifest = parse(ARTIFACT, OCI_ARTIFACT)
    assert [(kind, found.digest) for kind, found in manifest.references()] == [("layer", Digest.of(b"blob"))]
    assert manifest.artifact_type == "text/x"


@pytest.mark.parametrize(
    ("document", "content_type", "expected"),
    [
        (changed(IMAGE, "mediaType", ABSENT), "", OCI_IMAGE),  # as umoci pushes
        (changed(IMAGE, "mediaType", ABSENT), OCI_IMAGE, OCI_IMAGE),
        (changed(IMAGE, "mediaType", ABSENT), DOCKER_IMAGE, DOCKER_IMAGE),
        (changed(IMAGE, "mediaType", DOCKER_IMAGE), "", DOCKER_IMAGE),
        (changed(INDEX, "mediaType", ABSENT), "", OCI_INDEX),
        (changed(INDEX, "mediaType", DOCKER_LIST), DOCKER_LIST, DOCKER_LIST),
        (changed(ARTIFACT, "mediaType", ABSENT), OCI_ARTIFACT, OCI_ARTIFACT),
    ],
)
def test_the_media_type_comes_from_the_document_or_the_header(
    document: dict[str, Any], content_type: str, expected: str
) -> None:
    assert parse(document, content_type).media_type == expected


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        (IMAGE, DOCKER_IMAGE),
        (IMAGE, OCI_INDEX),
        (INDEX, OCI_IMAGE),
        (changed(IMAGE, "mediaType", ABSENT), OCI_INDEX),
        (changed(INDEX, "mediaType", ABSENT), OCI_IMAGE),
        (IMAGE | {"manifests": []}, OCI_IMAGE),
        (INDEX | {"layers": []}, OCI_INDEX),
        (INDEX | {"config": IMAGE["config"]}, ""),
        (IMAGE | {"fsLayers": []}, ""),
        (IMAGE | {"blobs": []}, ""),
        (ARTIFACT | {"layers": []}, OCI_ARTIFACT),
    ],
)
def test_one_body_is_never_two_documents(document: dict[str, Any], content_type: str) -> None:
    # CVE-2021-41190: a reader that goes by the header, and one that goes by the body.
    with pytest.raises(ManifestInvalid):
        parse(document, content_type)


@pytest.mark.parametrize("content_type", ["", *DOCKER_SCHEMA_1])
def test_schema_1_is_refused_in_clear_words(content_type: str) -> None:
    with pytest.raises(ManifestInvalid, match="schema 1"):
        parse({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": []}, content_type)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("schemaVersion", ABSENT, "schemaVersion"),
        ("schemaVersion", 3, "schemaVersion"),
        ("schemaVersion", "2", "schemaVersion"),
        ("schemaVersion", 2.0, "schemaVersion"),
        ("mediaType", "text/plain", "unsupported"),
        ("mediaType", 7, "mediaType"),
        ("config", ABSENT, "config is missing"),
        ("config", None, "config"),
        ("config", [], "config"),
        ("layers", ABSENT, "layers is missing"),
        ("layers", {}, "layers must be an array"),
        ("layers.1", "text", r"layers\[1\] must be a descriptor"),
        ("layers.0.mediaType", ABSENT, r"layers\[0\].mediaType"),
        ("layers.0.mediaType", "no type", r"layers\[0\].mediaType"),
        ("layers.0.mediaType", "text/html\r\nX: y", r"layers\[0\].mediaType"),
        ("layers.0.size", ABSENT, "size"),
        ("layers.0.size", -1, "size"),
        ("layers.0.size", True, "size"),
        ("layers.0.size", "3", "size"),
        ("layers.0.size", 3.0, "size"),
        ("layers.0.size", 2**63, "size"),
        ("layers.0.digest", ABSENT, "digest is missing"),
        ("layers.0.digest", 5, "digest is missing"),
        ("layers.0.digest", "sha256:abc", "invalid digest"),
        ("layers.0.digest", "md5:" + "0" * 32, "unsupported digest"),
        ("layers.0.digest", "sha256:../../../../etc/passwd", "invalid digest"),
        ("layers.0.platform", "linux", "platform"),
        ("layers.0.annotations", [], "annotations"),
        ("layers.0.annotations", {"a": 1}, "annotations"),
        ("annotations", {"a": None}, "annotations"),
        ("annotations", "a", "annotations"),
        ("subject", "sha256:" + "0" * 64, "subject"),
        ("subject", {"mediaType": OCI_IMAGE}, "subject"),
        ("artifactType", 1, "artifactType"),
        ("artifactType", "no type", "artifactType"),
    ],
)
def test_a_field_that_is_wrong_is_named(path: str, value: Any, told: str) -> None:
    with pytest.raises(ManifestInvalid, match=told):
        parse(changed(IMAGE, path, value))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b'"text"', b"2", b"{", b"\xff", b'{"a":1,"a":2}', b"[" * 100_000]
)
def test_what_is_no_object_of_strict_json_is_refused(content: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(content, OCI_IMAGE)


def test_null_is_as_good_as_absent_where_a_field_is_optional() -> None:
    document = IMAGE | {"subject": None, "annotations": None, "artifactType": None, "layers": None}
    manifest = parse(document)
    assert (manifest.subject, manifest.annotations, manifest.layers) == (None, {}, ())


def test_a_manifest_with_a_subject_tells_what_refers() -> None:
    subject = descriptor(b"subject", OCI_IMAGE)
    manifest = parse(IMAGE | {"subject": subject, "artifactType": "text/x", "annotations": {"a": "b"}})
    assert (manifest.subject, manifest.artifact_type, manifest.annotations) == (subject["digest"], "text/x", {"a": "b"})
    assert subject["digest"] not in [found.digest for _, found in manifest.references()]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ],
)
def test_a_layer_that_is_kept_elsewhere_is_told_apart(media_type: str) -> None:
    manifest = parse(changed(IMAGE, "layers.0.mediaType", media_type))
    assert [layer.foreign for layer in manifest.layers] == [True, False]


def test_unknown_fields_and_data_are_left_alone() -> None:
    document = changed(IMAGE | {"x": {"y": [1]}}, "config.data", "e30=")
    assert parse(document).config == parse(IMAGE).config


def places(document: Any, prefix: str = "") -> list[str]:
    items: Any = ()
    if isinstance(document, dict | list):
        items = document.items() if isinstance(document, dict) else enumerate(document)
    return [path for key, value in items for path in (f"{prefix}{key}", *places(value, f"{prefix}{key}."))]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


HEADERS = st.sampled_from(["", OCI_IMAGE, OCI_INDEX, OCI_ARTIFACT, "x"])


@given(st.data(), st.sampled_from([IMAGE, INDEX, ARTIFACT]), HEADERS)
def test_a_change_anywhere_gives_a_manifest_or_a_refusal(
    data: st.DataObject, document: dict[str, Any], header: str
) -> None:
    path = data.draw(st.sampled_from(places(document)))
    if path.rpartition(".")[2].isdigit():
        value = data.draw(JSON_VALUES)
    else:
        value = data.draw(st.one_of(st.just(ABSENT), JSON_VALUES))
    try:
        manifest = parse(changed(document, path, value), header)
    except ManifestInvalid as refusal:
        assert str(refusal).isprintable()
        return
    for _, found in manifest.references():
        assert Digest.parse(found.digest) == found.digest
        assert 0 <= found.size < 2**63


@given(st.binary(max_size=200), st.sampled_from(["", OCI_IMAGE, "text/plain"]))
def test_any_bytes_give_a_refusal(content: bytes, header: str) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(content, header)
