"""Images that were pushed over v2, as v1 shows them: one for each layer, with ids that follow from the content."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from orlop.database import manifests
from orlop.database.connection import Connection
from orlop.database.manifests import Found
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, ManifestInvalid, ManifestUnknown, NoV1View
from orlop.domain.manifest import INDEXES, Manifest, parse_manifest
from orlop.domain.name import RepositoryName
from orlop.domain.v1.from_manifest import Image, chain, choose_child
from orlop.registry.content import Content

REMEMBERED = 2_000
"""Manifests of which the images are kept at hand."""
LOOKED_AT = 2_000
"""Manifests of a repository among which an id is looked for."""


class Place(NamedTuple):
    """Where an id comes from: an image of a manifest, and those below it, the root first."""

    manifest: str
    chain: tuple[Image, ...]


class Views:
    """Safe to use from any thread."""

    def __init__(self, content: Content, platform: str) -> None:
        """`platform` of an index that is shown, as `linux/amd64`."""
        self._content = content
        self._platform = platform
        self._known: OrderedDict[str, tuple[Image, ...] | None] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, connection: Connection, name: RepositoryName, found: Found) -> tuple[Image, ...] | None:
        """The images that a manifest comes to, the root first; None where v1 cannot show it."""
        if found.media_type in INDEXES:
            child = self._child(connection, name, found)
            return None if child is None else self.of(connection, name, child)
        with self._lock:
            if found.digest in self._known:
                self._known.move_to_end(found.digest)
                return self._known[found.digest]
        try:
            images = self._made(found)
        except (NoV1View, ManifestInvalid):
            images = None
        except (BlobUnknown, ManifestUnknown):
            return None  # lost: it may come back
        with self._lock:
            self._known[found.digest] = images
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return images

    def find(self, connection: Connection, name: RepositoryName, image_id: str) -> Place | None:
        """The image of that id in the repository."""
        for found in self._manifests(connection, name):
            if found.media_type in INDEXES:
                continue
            images = self.of(connection, name, found) or ()
            for number, image in enumerate(images):
                if image.id == image_id:
                    return Place(found.digest, images[: number + 1])
        return None

    def _manifests(self, connection: Connection, name: RepositoryName) -> Iterator[Found]:
        yield from manifests.newest(connection, name, LOOKED_AT)

    def _made(self, found: Found) -> tuple[Image, ...]:
        manifest = self._parsed(found)
        if manifest.config is None:
            raise NoV1View
        return tuple(chain(manifest, self._content.read(manifest.config.digest)))

    def _child(self, connection: Connection, name: RepositoryName, index: Found) -> Found | None:
        try:
            chosen = choose_child(self._parsed(index), self._platform)
        except (NoV1View, ManifestInvalid, BlobUnknown):
            return None
        child = manifests.by_digest(connection, name, chosen.digest)
        return None if child is None or child.lost or child.media_type in INDEXES else child

    def _parsed(self, found: Found) -> Manifest:
        return parse_manifest(self._content.read(Digest(found.digest)), found.media_type)
