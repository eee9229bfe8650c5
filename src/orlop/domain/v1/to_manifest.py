"""A manifest and a config from the images of a v1 push.

Source: the OCI image specification (config.md, manifest.md); what docker 1.10 made of the v1 images that it found.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from orlop.domain.digest import Digest
from orlop.domain.manifest import IMAGE_CONFIGS, OCI_IMAGE
from orlop.domain.v1.fields import SHARED, canonical, cleaned, date, gone, read_object, run_config, text

# The container that the image was made in lives on another machine, if it lives.
_KEPT = SHARED | {"container": gone}


class Layer(NamedTuple):
    """One image of the chain, and the layer that it was pushed with."""

    json: bytes
    """The image's JSON as it was pushed; one that is no JSON object counts as an empty one."""
    digest: str
    size: int
    """In bytes, as stored."""
    media_type: str
    diff_id: str
    """The digest of the layer, not compressed."""
    empty: bool
    """The layer is a tar without a member."""


class Made(NamedTuple):
    config: bytes
    manifest: bytes
    media_type: str
    """The manifest's."""


def make(layers: Sequence[Layer]) -> Made:
    """The OCI image of the chain `layers`, root first, at least one: the same bytes for the same chain.

    Images without a file are steps of the history without a layer.
    """
    documents = [read_object(layer.json) or {} for layer in layers]
    # What says `throwaway` and has files keeps them: whoever pushed it was served them too.
    filled = [not layer.empty for layer in layers]
    if not any(filled):
        filled[0] = True  # for portability an image should have a layer (manifest.md), and only then has it a v1 view
    shown = [layer for layer, has_files in zip(layers, filled, strict=True) if has_files]
    config = canonical(
        {"architecture": "amd64", "config": {}, "os": "linux"}
        | _said(documents[-1])
        | {
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in shown]},
            "history": [_step(*image) for image in zip(documents, filled, strict=True)],
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_IMAGE,
        "config": _descriptor(IMAGE_CONFIGS[0], Digest.of(config), len(config)),
        "layers": [_descriptor(layer.media_type, layer.digest, layer.size) for layer in shown],
    }
    return Made(config, canonical(manifest), OCI_IMAGE)


def _said(document: dict[str, Any]) -> dict[str, Any]:
    """What the leaf says of the image. An empty text says nothing."""
    return {name: value for name, value in (cleaned(document, _KEPT) or {}).items() if value != ""}


def _step(document: dict[str, Any], has_files: bool) -> dict[str, Any]:
    made_by = run_config(document.get("container_config")) or {}
    step: dict[str, Any] = {
        "created": date(document.get("created")),
        "created_by": " ".join(made_by.get("Cmd", ())),
        "author": text(document.get("author")),
        "comment": text(document.get("comment")),
        "empty_layer": not has_files,
    }
    return {name: value for name, value in step.items() if value}


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}
