"""Manifests: parsed to be checked and indexed, never rewritten.

Source: the OCI image specification (manifest.md, image-index.md, descriptor.md); Docker's image manifest V2, schema 2.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from orlop.domain import strict_json
from orlop.domain.digest import Digest
from orlop.domain.errors import DigestInvalid, ManifestInvalid

OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)

IMAGES = (OCI_IMAGE, DOCKER_IMAGE)
INDEXES = (OCI_INDEX, DOCKER_LIST)
KNOWN = (*IMAGES, *INDEXES, OCI_ARTIFACT)

IMAGE_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")

MAX_SIZE = 2**63 - 1  # what the specification's int64 and the database's columns hold

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")


class Descriptor(NamedTuple):
    """What a manifest says of one piece of content."""

    media_type: str
    digest: Digest
    size: int
    foreign: bool = False
    """Kept elsewhere: the registry neither demands nor fetches it."""
    platform: dict[str, Any] | None = None


class Manifest(NamedTuple):
    """The checked facts of a manifest."""

    media_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    children: tuple[Descriptor, ...]
    subject: Digest | None
    artifact_type: str
    """As the referrers API tells it: the manifest's own, else its config's media type, else empty."""
    annotations: dict[str, str]

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES

    def references(self) -> Iterator[tuple[str, Descriptor]]:
        """Every descriptor but the subject, with its kind: `config`, `layer` or `manifest`."""
        if self.config is not None:
            yield "config", self.config
        for layer in self.layers:
            yield "layer", layer
        for child in self.children:
            yield "manifest", child


def is_foreign(media_type: str) -> bool:
    """Whether content of that type is kept elsewhere."""
    return "nondistributable" in media_type or ".foreign." in media_type


def parse_manifest(content: bytes, content_type: str) -> Manifest:
    """The manifest in `content`, pushed as `content_type` (empty where the client named none).

    Raises ManifestInvalid with the reason.
    """
    try:
        document = strict_json.loads(content)
    except strict_json.JsonInvalid as error:
        raise ManifestInvalid(f"manifest is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ManifestInvalid("manifest is not a JSON object")
    media_type = _media_type(document, content_type)
    _check_shape(document, media_type)
    config = _descriptor(document["config"], "config") if media_type in IMAGES else None
    return Manifest(
        media_type=media_type,
        config=config,
        layers=_descriptors(document, "blobs" if media_type == OCI_ARTIFACT else "layers"),
        children=_descriptors(document, "manifests"),
        subject=_subject(document),
        artifact_type=_artifact_type(document, config),
        annotations=_annotations(document.get("annotations")),
    )


def _media_type(document: dict[str, Any], content_type: str) -> str:
    """The one media type; two that disagree are refused (CVE-2021-41190: two readers, two documents)."""
    if document.get("schemaVersion") == 1 or content_type in DOCKER_SCHEMA_1:
        raise ManifestInvalid("Docker schema 1 manifests are not accepted: push with a client of this decade")
    inside = document.get("mediaType")
    if inside is not None and not isinstance(inside, str):
        raise ManifestInvalid("mediaType must be a string")
    version = document.get("schemaVersion")
    if OCI_ARTIFACT not in (inside, content_type) and (type(version) is not int or version != 2):
        raise ManifestInvalid("schemaVersion must be 2")
    if inside and content_type and inside != content_type:
        raise ManifestInvalid(f"Content-Type {content_type[:200]} and the manifest's mediaType {inside[:200]} disagree")
    media_type = inside or content_type or (OCI_INDEX if "manifests" in document else OCI_IMAGE)
    if media_type not in KNOWN:
        raise ManifestInvalid(f"unsupported manifest media type {media_type[:200]!r}")
    return media_type


def _check_shape(document: dict[str, Any], media_type: str) -> None:
    required: tuple[str, ...]
    foreign: tuple[str, ...]
    if media_type in INDEXES:
        required, foreign = ("manifests",), ("layers", "config", "fsLayers", "blobs")
    elif media_type == OCI_ARTIFACT:
        required, foreign = (), ("layers", "config", "fsLayers", "manifests")
    else:
        required, foreign = ("config", "layers"), ("manifests", "fsLayers", "blobs")
    for field in required:
        if field not in document:
            raise ManifestInvalid(f"{field} is missing")
    for field in foreign:
        if field in document:
            raise ManifestInvalid(f"{field} does not belong into {media_type}")


def _descriptors(document: dict[str, Any], field: str) -> tuple[Descriptor, ...]:
    found = document.get(field)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise ManifestInvalid(f"{field} must be an array")
    return tuple(_descriptor(item, f"{field}[{number}]") for number, item in enumerate(found))


def _descriptor(item: object, where: str) -> Descriptor:
    if not isinstance(item, dict):
        raise ManifestInvalid(f"{where} must be a descriptor")
    media_type, size, platform = item.get("mediaType"), item.get("size"), item.get("platform")
    if not isinstance(media_type, str) or _MEDIA_TYPE.fullmatch(media_type) is None:
        raise ManifestInvalid(f"{where}.mediaType must be a media type")
    if type(size) is not int or not 0 <= size <= MAX_SIZE:
        raise ManifestInvalid(f"{where}.size must be a number of bytes")
    if platform is not None and not isinstance(platform, dict):
        raise ManifestInvalid(f"{where}.platform must be an object")
    _annotations(item.get("annotations"), where)
    return Descriptor(media_type, _digest(item.get("digest"), where), size, is_foreign(media_type), platform)


def _digest(text: object, where: str) -> Digest:
    if not isinstance(text, str):
        raise ManifestInvalid(f"{where}.digest is missing")
    try:
        return Digest.parse(text)
    except DigestInvalid as error:
        raise ManifestInvalid(f"{where}: {error}", detail=error.detail) from error


def _subject(document: dict[str, Any]) -> Digest | None:
    subject = document.get("subject")
    return None if subject is None else _descriptor(subject, "subject").digest


def _artifact_type(document: dict[str, Any], config: Descriptor | None) -> str:
    own = document.get("artifactType")
    if own is not None and not isinstance(own, str):
        raise ManifestInvalid("artifactType must be a string")
    if own and _MEDIA_TYPE.fullmatch(own) is None:
        raise ManifestInvalid("artifactType must be a media type")
    return own or (config.media_type if config is not None else "")


def _annotations(found: object, where: str = "manifest") -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ManifestInvalid(f"{where}: annotations must map strings to strings")
    return found
