"""The chain of v1 images that shows an image to clients of the v1 API.

Source: the way distribution made schema 1 manifests of schema 2. An id is made from the content, so an image has the
same one wherever and whenever it is asked for.
"""

import hashlib
from typing import Any, NamedTuple

from orlop.domain.digest import Digest
from orlop.domain.errors import NoV1View
from orlop.domain.manifest import IMAGE_CONFIGS, IMAGES, Descriptor, Manifest
from orlop.domain.v1.fields import SHARED, canonical, cleaned, date, read_object, text

EMPTY_LAYER = bytes.fromhex("1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000")
"""A tar without a member, compressed: the very bytes that all clients know by their digest."""
EMPTY_LAYER_DIGEST = Digest.of(EMPTY_LAYER)

MAX_CHAIN = 125
"""Images that docker can lay over one another; it gives each image of a v1 chain a layer, be it empty."""

_TAR_LAYERS = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)


class Image(NamedTuple):
    """One image of a chain."""

    id: str
    """64 digits of lower-case hex."""
    parent: str | None
    json: bytes
    layer: Descriptor | None
    """None: the layer is EMPTY_LAYER."""
    size: int
    """Of the layer as it is stored, in bytes."""


class _Step(NamedTuple):
    history: dict[str, Any]
    layer: Descriptor | None


def chain(manifest: Manifest, config: bytes) -> list[Image]:
    """The images that show `manifest`, root first; the last one is what a tag names. `config`: its config's bytes.

    NoV1View: v1 cannot show it.
    """
    document = _checked_config(manifest, config)
    identified = _identified(document, manifest.layers, config)
    parents = [None, *(identity for _, identity in identified)]
    documents: list[dict[str, Any]] = [*[{}] * (len(identified) - 1), document]
    return [
        _image(step, parent, identity, said)
        for (step, identity), parent, said in zip(identified, parents, documents, strict=False)
    ]


def ids(manifest: Manifest, config: bytes) -> list[tuple[str, Descriptor | None]]:
    """The ids that the images of `chain` have, with their layers (None: EMPTY_LAYER), root first, at least one.

    Also for images that v1 cannot show: without layers, or with layers of types that it does not know. NoV1View: it is
    no image.
    """
    if manifest.media_type not in IMAGES or manifest.config is None or manifest.config.media_type not in IMAGE_CONFIGS:
        raise NoV1View("the v1 API shows images only")
    document = read_object(config) or {}
    return [(identity, step.layer) for step, identity in _identified(document, manifest.layers, config)]


def _identified(document: dict[str, Any], layers: tuple[Descriptor, ...], config: bytes) -> list[tuple["_Step", str]]:
    """The steps with their ids: that of the last one is made of the config too."""
    *below, top = _steps(document.get("history"), layers) or [_Step({}, None)]
    found: list[tuple[_Step, str]] = []
    parent: str | None = None
    for step in below:
        parent = _identity(step, parent)
        found.append((step, parent))
    return [*found, (top, _identity(top, parent, config))]


def choose_child(index: Manifest, platform: str = "linux/amd64") -> Descriptor:
    """The image of `index` that v1 shows: the first for `platform` (`os/architecture`, `/variant`), else the first.

    NoV1View: the index holds no image.
    """
    wanted = platform.split("/")
    images = [child for child in index.children if child.media_type in IMAGES]
    images = [child for child in images if _platform(child)[:2] != ["unknown", "unknown"]]  # attestations
    if not images:
        raise NoV1View("the index holds no image that the v1 API can show")
    exact = (child for child in images if _platform(child) == wanted)
    near = (child for child in images if _platform(child)[: len(wanted)] == wanted)
    return next(exact, None) or next(near, None) or images[0]


def _checked_config(manifest: Manifest, config: bytes) -> dict[str, Any]:
    if manifest.media_type not in IMAGES or manifest.config is None or manifest.config.media_type not in IMAGE_CONFIGS:
        raise NoV1View("the v1 API shows images only")
    if not manifest.layers:
        raise NoV1View("the v1 API cannot show an image without layers")
    for layer in manifest.layers:
        if layer.foreign or layer.media_type not in _TAR_LAYERS:
            raise NoV1View(f"the v1 API cannot show a layer of type {layer.media_type}")
    document = read_object(config)
    if document is None:
        raise NoV1View("the image's config is not a JSON object")
    return document


def _steps(history: object, layers: tuple[Descriptor, ...]) -> list[_Step]:
    """The history's steps with their layers; the layers alone where the two do not agree."""
    entries = [entry if isinstance(entry, dict) else {} for entry in history] if isinstance(history, list) else []
    filled = [entry.get("empty_layer") is not True for entry in entries]
    if filled.count(True) != len(layers):
        return [_Step({}, layer) for layer in layers]
    waiting = iter(layers)
    steps = [_Step(entry, next(waiting) if full else None) for entry, full in zip(entries, filled, strict=True)]
    return steps if len(steps) <= MAX_CHAIN else [step for step in steps if step.layer is not None]


def _identity(step: _Step, parent: str | None, *config: bytes) -> str:
    digest = EMPTY_LAYER_DIGEST if step.layer is None else step.layer.digest
    return hashlib.sha256(b" ".join([digest.hex.encode(), (parent or "").encode(), *config])).hexdigest()


def _image(step: _Step, parent: str | None, identity: str, document: dict[str, Any]) -> Image:
    size = len(EMPTY_LAYER) if step.layer is None else step.layer.size
    said = _history(step.history) | (cleaned(document, SHARED) or {}) | {"id": identity, "Size": size}
    if parent is not None:
        said["parent"] = parent
    if step.layer is None:
        said["throwaway"] = True
    return Image(identity, parent, canonical(said), step.layer, size)


def _history(entry: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "created": date(entry.get("created")),
        "author": text(entry.get("author")),
        "comment": text(entry.get("comment")),
    }
    if made_by := text(entry.get("created_by")):
        said["container_config"] = {"Cmd": [made_by]}
    return {name: value for name, value in said.items() if value}


def _platform(child: Descriptor) -> list[str]:
    """Its operating system, architecture and variant; empty where the first two are not given."""
    platform = child.platform or {}
    names = [text(platform.get(part)) for part in ("os", "architecture", "variant")]
    return [name for name in names if name] if names[0] and names[1] else []
