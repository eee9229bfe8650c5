"""Images, pushed as a client does; and a server to push them to."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import seeds
from tests.bench.connection import Connection, Target
from tests.bench.contents import CONFIG_TYPE, LAYER_TYPE, Blob, manifest
from tests.bench.servers import Orlop, Server, Start

REPOSITORY = "bench/inside"


def server(folder: Path, data: Path, **settings: str) -> Server:
    """Orlop on `data`, not yet started."""
    return Server(Orlop(), Start(data, folder, None, {f"ORLOP_{name}": value for name, value in settings.items()}))


def push(target: Target, tag: str, layers: Sequence[bytes], repository: str = REPOSITORY) -> None:
    """An image of gzip layers."""
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    config["history"] = [{"created_by": f"RUN step {number}"} for number in range(len(layers))]
    configuration = Blob(json.dumps(config).encode(), CONFIG_TYPE)
    blobs = [Blob(layer, LAYER_TYPE) for layer in layers]
    seeds.push_blobs(target, repository, [configuration, *blobs])
    body = manifest(configuration, blobs, tag)
    with Connection(target) as connection:
        path = f"/v2/{repository}/manifests/{tag}"
        connection.ask(201, "PUT", path, {"Content-Type": body.media_type}, body.content)


def ask(connection: Connection, path: str) -> Any:
    """The JSON document at a path."""
    return json.loads(connection.ask(200, "GET", path)[1])


def digest_of(layer: bytes) -> str:
    return f"sha256:{hashlib.sha256(layer).hexdigest()}"
