"""What the loads push and pull: contents made from names, so that every process knows their digests."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"

MIB = 1 << 20
FRAME = 32 << 10  # docker copies by 32 KiB, and each copy is one chunk on the wire
FRAME_HEAD = b"%x\r\n" % FRAME
FRAMED = len(FRAME_HEAD) + FRAME + 2
LARGE = 1024 * MIB
UPLOAD = 512 * MIB
CROWD_UPLOAD = 256 * MIB


@dataclass(frozen=True)
class Blob:
    """Bytes and their digest."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, str | int]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


def layer(name: str, size: int) -> Blob:
    """A blob of `size` bytes that do not compress; the same name and size give the same bytes."""
    return Blob(hashlib.shake_128(name.encode()).digest(size), LAYER_TYPE)


def config(name: str) -> Blob:
    """An image configuration."""
    return Blob(
        json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "author": name,
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": []},
            }
        ).encode(),
        CONFIG_TYPE,
    )


def manifest(configuration: Blob, layers: Sequence[Blob], name: str) -> Blob:
    """An image manifest, made unique by `name` in an annotation."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": configuration.descriptor,
        "layers": [each.descriptor for each in layers],
        "annotations": {"org.opencontainers.image.title": name},
    }
    return Blob(json.dumps(document, indent=1).encode(), MANIFEST_TYPE)


@dataclass(frozen=True)
class Payload:
    """The body of one large upload: the source's first bytes, then a frame that no other payload has."""

    source: Path
    framed: Path
    size: int
    tail: bytes
    digest: str

    @property
    def shared(self) -> int:
        """Bytes that come from the source."""
        return self.size - FRAME

    @property
    def framed_shared(self) -> int:
        """The same bytes as they lie in `framed`, in the form of HTTP chunks."""
        return self.shared // FRAME * FRAMED


class Source:
    """1 GiB of random bytes in a file (and so in the page cache), the first half also as HTTP chunks.

    A payload's digest costs one frame to hash, since the state of the hash at the end of the shared bytes is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "source"
        self.framed = folder / "framed"
        self._states: dict[int, _Hash] = {}
        self._made = 0
        self._write()

    def _write(self) -> None:
        state = hashlib.sha256()
        kept = {size - FRAME for size in (CROWD_UPLOAD, UPLOAD)}
        with self.path.open("wb") as plain, self.framed.open("wb") as framed:
            for offset in range(0, LARGE, FRAME):
                if offset in kept:
                    self._states[offset + FRAME] = state.copy()
                frame = os.urandom(FRAME)
                state.update(frame)
                plain.write(frame)
                if offset < UPLOAD:
                    framed.writelines((FRAME_HEAD, frame, b"\r\n"))
        self.large_digest = f"sha256:{state.hexdigest()}"

    def payload(self, size: int) -> Payload:
        """A payload of `size` bytes (UPLOAD or CROWD_UPLOAD) unlike every other."""
        self._made += 1
        tail = hashlib.shake_128(f"payload {self._made}".encode()).digest(FRAME)
        state = self._states[size].copy()
        state.update(tail)
        return Payload(self.path, self.framed, size, tail, f"sha256:{state.hexdigest()}")
