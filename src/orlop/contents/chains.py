"""Chains: the layers that an image of the seed's tree consists of, and the id that they have together."""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from orlop.database import blobs, manifests, v1_images
from orlop.database.connection import Connection
from orlop.database.manifests import Found
from orlop.domain.digest import Digest
from orlop.domain.errors import OrlopError
from orlop.domain.manifest import IMAGES, parse_manifest
from orlop.domain.name import RepositoryName
from orlop.domain.v1.from_manifest import ids

EMPTY_DIFF_ID = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""Of a tar without a member: 1024 zeros."""

LONGEST = 1000
"""Images on one another, as v1 takes them."""
LOOKED_AT = 2_000
"""Manifests of a repository among which an image's id is looked for."""
MOST_MANIFESTS = 1_000_000
"""That are listed of one repository."""

Read = Callable[[Digest], bytes]
"""Gives small content. BlobUnknown."""


class Chain(NamedTuple):
    """An image of the seed's tree. Steps that bring no file have no layer here."""

    repository: RepositoryName
    image_id: str
    layers: tuple[Digest, ...]
    """The base first."""
    adds_nothing: bool
    """Whether the image itself is a step without a layer: then it changed nothing, whatever its layers did."""
    manifest: str | None
    """The digest of the manifest that the id comes from; None: it was pushed over v1."""

    @property
    def own(self) -> Digest | None:
        """The layer that the image itself brings."""
        return None if self.adds_nothing else self.layers[-1]

    @property
    def below(self) -> tuple[Digest, ...]:
        """The layers of its parent."""
        return self.layers if self.adds_nothing else self.layers[:-1]


def chain_id(diff_ids: Sequence[str]) -> str:
    """The OCI chain ID of layers, the base first, by the digests of their unpacked archives: 64 hexadecimal digits.

    Source: the OCI image specification, config.md, "Layer ChainID". At least one.
    """
    first, *others = diff_ids
    for diff_id in others:
        first = "sha256:" + hashlib.sha256(f"{first} {diff_id}".encode()).hexdigest()
    return first.removeprefix("sha256:")


def of_manifest(connection: Connection, read: Read, name: RepositoryName, digest: Digest) -> Chain | None:
    """The image that a manifest of the repository is. None: it is no image, is not whole, or cannot be read."""
    found = manifests.by_digest(connection, name, digest)
    if found is None or found.lost:
        return None
    pushed = v1_images.by_manifest(connection, found.repository_id, found.digest)
    if pushed is not None:
        return _pushed(connection, name, pushed)
    steps = _steps(read, found)
    return _chain(connection, name, steps, len(steps), found.digest) if steps else None


def of_image(
    connection: Connection, read: Read, name: RepositoryName, image_id: str, manifest: Digest | None = None
) -> Chain | None:
    """The image of that id in the repository, pushed over v1 or part of what v2 clients pushed. None: there is none
    that is complete. `manifest`: the one that it is part of, where that is known."""
    if v1_images.find_in(connection, name, image_id) is not None:
        return _pushed(connection, name, image_id)
    known = manifests.by_digest(connection, name, manifest) if manifest is not None else None
    for found in [known] if known is not None else manifests.newest(connection, name, LOOKED_AT):
        steps = _steps(read, found) if found.media_type in IMAGES else []
        for number, (step, _) in enumerate(steps, 1):
            if step == image_id:
                return _chain(connection, name, steps, number, found.digest)
    return None


def all_ids(connection: Connection, read: Read, name: RepositoryName) -> dict[str, str]:
    """The ids of all images that v2 clients have pushed to the repository, each with a manifest that it is part of."""
    return {
        step: found.digest
        for found in manifests.newest(connection, name, MOST_MANIFESTS)
        if found.media_type in IMAGES
        for step, _ in _steps(read, found)
    }


class _Facts(msgspec.Struct):
    """Of what is recorded of a layer that was pushed over v1."""

    empty: bool = False


def _pushed(connection: Connection, name: RepositoryName, image_id: str) -> Chain | None:
    layers: list[Digest] = []
    adds_nothing = False
    wanted: str | None = image_id
    for number in range(LONGEST):
        if wanted is None:
            break
        image = v1_images.find_in(connection, name, wanted)
        if image is None or image.state != "complete" or image.layer_digest is None:
            return None
        empty = msgspec.json.decode(image.layer_facts or "{}", type=_Facts).empty
        if not empty:
            # The copy in gzip where there is one: the same archive, and it is looked at for v2 anyway.
            layers.append(Digest(image.shown_digest or image.layer_digest))
        adds_nothing = adds_nothing or (number == 0 and empty)
        wanted = image.parent
    return Chain(name, image_id, tuple(reversed(layers)), adds_nothing, None)


def _steps(read: Read, found: Found) -> list[tuple[str, Digest | None]]:
    try:
        manifest = parse_manifest(read(Digest(found.digest)), found.media_type)
        if any(layer.foreign for layer in manifest.layers):
            return []  # they are kept elsewhere, and nobody reads them
        config = read(manifest.config.digest) if manifest.config is not None else b""
        return [(step, layer.digest if layer is not None else None) for step, layer in ids(manifest, config)]
    except OrlopError:
        return []


def _chain(
    connection: Connection,
    name: RepositoryName,
    steps: Sequence[tuple[str, Digest | None]],
    count: int,
    manifest: str,
) -> Chain | None:
    """Of the first `count` steps. None: the repository does not hold all of their layers.

    Where manifests are taken before their layers, one may name what only another repository has: who reads this one
    learns nothing of that.
    """
    image_id, own = steps[count - 1]
    layers = tuple(layer for _, layer in steps[:count] if layer is not None)
    if any(blobs.held(connection, name, layer) is None for layer in layers):
        return None
    return Chain(name, image_id, layers, own is None, manifest)
