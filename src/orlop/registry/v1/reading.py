"""Reading images over v1: those that were pushed so, and those that v2 clients have pushed."""

from typing import NamedTuple

import msgspec

from orlop.database import blobs, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import ImageUnknown, ImageUploading
from orlop.domain.name import RepositoryName
from orlop.domain.v1.from_manifest import EMPTY_LAYER, Image
from orlop.domain.v1.ids import ImageId
from orlop.registry.v1.objects import LONGEST_CHAIN
from orlop.registry.v1.views import Views


class Layer(NamedTuple):
    """Where an image's layer is. `content`: it itself, where it is nowhere else."""

    digest: Digest
    size: int
    generation: int
    content: bytes | None = None


class View(NamedTuple):
    """An image as v1 shows it."""

    id: ImageId
    json: bytes
    checksums: list[str]
    layer: Layer
    ancestry: list[str]
    """The image's id, its parent's, and so on."""
    manifest: str | None = None
    """The digest of the manifest that it comes from; None: it was pushed over v1."""


class Reading:
    def __init__(self, database: Database, views: Views) -> None:
        self._database = database
        self._views = views

    def holder(self, caller: Caller, image_id: ImageId) -> RepositoryName | None:
        """A repository from which the caller may pull that has an image of this id which was pushed over v1."""
        found = v1_images.holder(self._database.reader(), image_id, caller.authority.readable)
        return RepositoryName(found) if found is not None else None

    def find(self, caller: Caller, name: RepositoryName, image_id: ImageId) -> View:
        """The image. ImageUnknown, ImageUploading."""
        with self._database.snapshot() as connection:
            image = v1_images.find_in(connection, name, image_id)
            if image is None:
                return self._derived(connection, name, image_id)
            if image.state != "complete" or image.layer_digest is None:
                raise ImageUploading
            ancestry, parent = [image_id], image.parent
            while parent is not None and len(ancestry) < LONGEST_CHAIN:
                ancestry.append(ImageId(parent))
                above = v1_images.find(connection, image.repository_id, parent)
                parent = above.parent if above is not None else None
            layer = self._layer(connection, Digest(image.layer_digest))
            checksums = msgspec.json.decode(image.checksums, type=list[str])
            return View(image_id, image.document.encode(), checksums, layer, list(ancestry))

    def _derived(self, connection: Connection, name: RepositoryName, image_id: ImageId) -> View:
        place = self._views.find(connection, name, image_id)
        if place is None:
            raise ImageUnknown
        image: Image = place.chain[-1]
        if image.layer is not None and blobs.held(connection, name, image.layer.digest) is None:
            raise ImageUnknown  # where manifests are taken before their layers, it may be another repository's
        layer = (
            self._layer(connection, Digest(image.layer.digest))
            if image.layer is not None
            else Layer(Digest.of(EMPTY_LAYER), len(EMPTY_LAYER), 0, EMPTY_LAYER)
        )
        ancestry = [above.id for above in reversed(place.chain)]
        return View(image_id, image.json, [], layer, ancestry, place.manifest)

    def _layer(self, connection: Connection, digest: Digest) -> Layer:
        record = blobs.record(connection, digest)
        if record is None or record.state != "live":
            raise ImageUnknown
        return Layer(digest, record.size, record.generation)
