"""Small images with files in them."""

import gzip
import io
import json
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping

from orlop.domain.digest import Digest
from tests.protocol.content import OCI_CONFIG, OCI_IMAGE, OCI_LAYER, descriptor, encode, image

PATIENCE = 20.0


def layer(files: Mapping[str, bytes]) -> bytes:
    """A layer with these files, compressed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return gzip.compress(out.getvalue(), mtime=0)


def push(url: str, name: str, tag: str, *layers: bytes) -> Digest:
    """Pushes an image over v2; its digest."""
    config = encode({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
    for content in (config, *layers):
        upload = f"{url}/v2/{name}/blobs/uploads/?digest={Digest.of(content)}"
        _send("POST", upload, content, "application/octet-stream")
    manifest = encode(image(descriptor(config, OCI_CONFIG), [descriptor(content, OCI_LAYER) for content in layers]))
    _send("PUT", f"{url}/v2/{name}/manifests/{tag}", manifest, OCI_IMAGE)
    return Digest.of(manifest)


def paths(url: str, name: str, tag: str) -> list[str] | None:
    """What the API lists at the image's top; None while that is not known."""
    try:
        with urllib.request.urlopen(f"{url}/api/v1/repositories/{name}/-/files/{tag}/") as answer:
            return [item["path"] for item in json.load(answer)["items"]]
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 409:
                raise AssertionError(error.read()) from error
        return None


def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Waits for it."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def _send(method: str, url: str, body: bytes, kind: str) -> None:
    request = urllib.request.Request(url, body, {"Content-Type": kind}, method=method)
    with urllib.request.urlopen(request):
        pass
