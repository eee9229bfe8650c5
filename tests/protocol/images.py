"""Images with files in them, and their way into a registry that looks into them."""

import gzip
import io
import tarfile
import time
from typing import Any

from tests.protocol.api import Api
from tests.protocol.content import OCI_CONFIG, OCI_INDEX, OCI_LAYER, descriptor, encode, image, index
from tests.protocol.repository import Pushed, Repository

PATIENCE = 30.0
"""Seconds for a worker to start and to look into a few layers."""
OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"

Member = tuple[tarfile.TarInfo, bytes]


def file(name: str | bytes, content: bytes = b"", **more: Any) -> Member:
    return _member(name, tarfile.REGTYPE, content, **{"mode": 0o644, **more})


def directory(name: str, **more: Any) -> Member:
    return _member(name, tarfile.DIRTYPE, b"", **{"mode": 0o755, **more})


def symlink(name: str, target: str) -> Member:
    return _member(name, tarfile.SYMTYPE, b"", linkname=target, mode=0o777)


def hardlink(name: str, target: str) -> Member:
    return _member(name, tarfile.LNKTYPE, b"", linkname=target, mode=0o644)


def tar(*members: Member) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def layer(*members: Member) -> bytes:
    return gzip.compress(tar(*members), 6, mtime=0)


def push(
    repository: Repository,
    tag: str,
    *layers: bytes,
    run: dict[str, Any] | None = None,
    steps: tuple[str, ...] = (),
    architecture: str = "amd64",
    media_type: str = OCI_LAYER,
) -> Pushed:
    """An image of these layers. `run`: the part of its config that is for running it."""
    config = encode(
        {
            "os": "linux",
            "architecture": architecture,
            "config": run or {},
            "history": [{"created_by": step} for step in steps or [f"step {number}" for number in range(len(layers))]],
        }
    )
    for content in (config, *layers):
        repository.push_blob(content)
    described = [descriptor(content, media_type) for content in layers]
    return repository.push_manifest(image(descriptor(config, OCI_CONFIG), described), tag)


def push_index(repository: Repository, tag: str, **children: Pushed) -> Pushed:
    """An index of images by architecture."""
    return repository.push_manifest(
        index(
            [
                descriptor(child.content, OCI_IMAGE, platform={"os": "linux", "architecture": architecture})
                for architecture, child in children.items()
            ],
            mediaType=OCI_INDEX,
        ),
        tag,
    )


def wait_until_known(repository: Repository, *references: str) -> None:
    """Until a worker has looked into the images."""
    api, deadline = Api(repository.client), time.monotonic() + PATIENCE
    for reference in references:
        while (state := api.get(f"/repositories/{repository.name}/-/manifests/{reference}")["contents"])[
            "state"
        ] == "pending":
            assert time.monotonic() < deadline, f"nobody has looked into {reference}"
            time.sleep(0.05)
        assert state["state"] in ("ready", "unindexable", "none"), state


def _member(name: str | bytes, kind: bytes, content: bytes, **more: Any) -> Member:
    info = tarfile.TarInfo(name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))
    info.type, info.size, info.mtime = kind, len(content), 1_700_000_000
    for key, value in more.items():
        setattr(info, key, value)
    return info, content
