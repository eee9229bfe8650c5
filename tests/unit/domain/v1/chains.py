"""Chains of v1 images for the tests of both directions."""

import json
from typing import Any

from orlop.domain.digest import Digest
from orlop.domain.v1.to_manifest import Layer

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN = "application/vnd.oci.image.layer.v1.tar"


def layer(document: Any, name: str = "one", *, empty: bool = False, media_type: str = GZIP) -> Layer:
    """A layer whose digests are made of `name`; `document` is the image's JSON, or the bytes for it."""
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Layer(content, Digest.of(name.encode()), len(name), media_type, Digest.of(f"{name} plain".encode()), empty)


BASE = layer(
    {
        "id": "aa" * 32,
        "created": "2013-06-14T00:33:44.123-07:00",
        "container_config": {"Cmd": ["/bin/sh", "-c", "#(nop) ADD root.tar /"]},
        "author": "Jane",
        "Size": 3,
    },
    "base",
    media_type=PLAIN,
)
SETTING = layer({"id": "bb" * 32, "parent": "aa" * 32, "comment": "a setting", "throwaway": False}, "none", empty=True)
LEAF = layer(
    {
        "id": "cc" * 32,
        "parent": "bb" * 32,
        "parent_id": "sha256:bb",
        "layer_id": "sha256:dd",
        "created": "2014-01-01T00:00:00Z",
        "container": "ee" * 32,
        "container_config": {"Cmd": ["/bin/sh", "-c", "make install"], "Memory": 0},
        "docker_version": "1.3.2",
        "author": "John",
        "config": {"Cmd": ["top"], "Env": ["PATH=/bin"], "Volumes": None, "PortSpecs": None, "OnBuild": []},
        "architecture": "arm",
        "os": "linux",
        "checksum": "tarsum+sha256:00",
        "Size": 7,
    },
    "leaf",
)
CHAIN = [BASE, SETTING, LEAF]
