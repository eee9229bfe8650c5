"""What an image consists of, wherever it lies: its manifests, byte for byte, and its blobs."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.registry import Registry

Read = Callable[[str], bytes]
"""Gives the bytes that a place has for a digest."""


@dataclass(frozen=True)
class Content:
    """Equal content is the same image: the same top manifest, the same bytes of each manifest, the same blobs.

    Each digest was computed anew from the bytes that the place gave, never taken from its word.
    """

    digest: str
    manifests: dict[str, bytes]
    blobs: dict[str, int]
    """Size by digest."""

    @property
    def manifest(self) -> dict[str, Any]:
        return _parsed(self.manifests[self.digest])

    @property
    def layers(self) -> list[dict[str, Any]]:
        """Descriptors of the top manifest's layers."""
        layers: list[dict[str, Any]] = self.manifest["layers"]
        return layers


def layout_content(folder: Path, tag: str) -> Content:
    """The image of that tag in an OCI layout."""
    index = _parsed((folder / "index.json").read_bytes())
    (digest,) = [
        entry["digest"] for entry in index["manifests"]
        if entry.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag
    ]  # fmt: skip
    read = _from_folder(folder / "blobs" / "sha256")
    return _collect(digest, read, read)


def directory_content(folder: Path) -> Content:
    """The image in a folder of the form that skopeo calls `dir:`."""
    top = (folder / "manifest.json").read_bytes()
    digest = digest_of(top)

    def manifest(wanted: str) -> bytes:
        return top if wanted == digest else (folder / f"{wanted.removeprefix('sha256:')}.manifest.json").read_bytes()

    return _collect(digest, manifest, _from_folder(folder))


def registry_content(registry: Registry, repository: str, reference: str) -> Content:
    """The image in a registry, read with plain GETs."""
    digest = digest_of(registry.manifest(repository, reference).body)
    return _collect(
        digest,
        lambda wanted: registry.manifest(repository, wanted).body,
        lambda wanted: registry.blob(repository, wanted),
    )


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _from_folder(folder: Path) -> Read:
    return lambda digest: (folder / digest.removeprefix("sha256:")).read_bytes()


def _collect(digest: str, read_manifest: Read, read_blob: Read) -> Content:
    manifests: dict[str, bytes] = {}
    blobs: dict[str, int] = {}
    waiting = [digest]
    while waiting:
        wanted = waiting.pop()
        manifests[wanted] = _verified(wanted, read_manifest(wanted))
        manifest = _parsed(manifests[wanted])
        waiting += [child["digest"] for child in manifest.get("manifests", [])]
        parts = [manifest["config"], *manifest["layers"]] if "config" in manifest else []
        for part in parts:
            blobs[part["digest"]] = len(_verified(part["digest"], read_blob(part["digest"])))
            assert blobs[part["digest"]] == part["size"], (
                f"{part['digest']} has {blobs[part['digest']]} bytes, not {part['size']}"
            )
    return Content(digest, manifests, blobs)


def _verified(digest: str, body: bytes) -> bytes:
    assert digest_of(body) == digest, f"{digest} was asked for, and {digest_of(body)} came ({len(body)} bytes)"
    return body


def _parsed(body: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(body)
    return parsed
