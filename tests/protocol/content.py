"""Content to push: bytes, digests and manifests."""

import hashlib
import json
import random
from typing import Any

OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

KIB, MIB = 1024, 1024 * 1024

EMPTY_JSON = b"{}"

_random = random.Random()


def random_bytes(size: int) -> bytes:
    """Bytes that were never pushed before."""
    return _random.randbytes(size)


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def absent_digest(algorithm: str = "sha256") -> str:
    """The digest of something that nobody pushed."""
    return digest_of(random_bytes(32), algorithm)


def descriptor(content: bytes, media_type: str, algorithm: str = "sha256", **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content, algorithm), "size": len(content), **more}


def encode(document: object) -> bytes:
    """JSON with the whitespace and the order of keys that nobody's encoder makes by default."""
    return json.dumps(document, indent=3, separators=(" ,", " : "), ensure_ascii=False).encode()


def image(config: dict[str, Any], layers: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": config, "layers": layers, **more}


def index(manifests: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests, **more}
