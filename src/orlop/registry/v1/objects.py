"""The objects of an image in the tree, as its row has them."""

import os
from contextlib import suppress
from typing import NamedTuple

import msgspec

from orlop.database import blobs, v1_images
from orlop.database.connection import Connection
from orlop.database.v1_images import Image
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName
from orlop.storage.base import Storage
from orlop.storage.layout import split_name

MARK = b"true"
LONGEST_CHAIN = 1000
"""Images in one ancestry: docker stops at 127."""


class Paths(NamedTuple):
    """Where the objects of an image lie."""

    json: str
    layer: str
    ancestry: str
    checksum: str
    mark: str

    @classmethod
    def of(cls, storage: Storage, name: RepositoryName, image_id: str) -> "Paths":
        where = (*split_name(name), image_id)
        return cls(
            storage.image_json_path(*where),
            storage.image_layer_path(*where),
            storage.image_ancestry_path(*where),
            storage.image_checksum_path(*where),
            storage.image_mark_path(*where),
        )

    @property
    def folder(self) -> str:
        return self.json.rpartition("/")[0]


def ancestry(connection: Connection, image: Image) -> list[str]:
    """The ids of the image, its parent and so on, as far as they are recorded."""
    found = [image.image_id]
    parent = image.parent
    while parent is not None and len(found) <= LONGEST_CHAIN:
        found.append(parent)
        above = v1_images.find(connection, image.repository_id, parent)
        parent = above.parent if above is not None else None
    return found


def small(storage: Storage, connection: Connection, name: RepositoryName, image: Image) -> dict[str, bytes]:
    """What lies at which path, but for the layer."""
    paths = Paths.of(storage, name, image.image_id)
    last = (paths.checksum, image.checksums.encode()) if image.state == "complete" else (paths.mark, MARK)
    # An image in progress has its mark first: whoever finds an image without it takes it for whole.
    return {
        last[0]: last[1],
        paths.json: image.document.encode(),
        paths.ancestry: msgspec.json.encode(ancestry(connection, image)),
    }


def layer(storage: Storage, connection: Connection, image: Image) -> str | None:
    """Where the blob lies that is the image's layer; None: it has none yet, or that is not there."""
    record = blobs.record(connection, Digest(image.layer_digest)) if image.layer_digest is not None else None
    if record is None or record.state not in ("live", "condemned"):
        return None
    return storage.blob_path(Digest(str(image.layer_digest)), record.generation)


def write(storage: Storage, connection: Connection, name: RepositoryName, image: Image) -> None:
    """Brings the tree to what the row of a complete image says. FileNotFoundError: its layer's blob is missing."""
    paths = Paths.of(storage, name, image.image_id)
    for error in storage.put_contents(list(small(storage, connection, name, image).items())):
        if error is not None:
            raise error
    blob = layer(storage, connection, image)
    if blob is not None:
        storage.link(blob, paths.layer)
    if image.state == "complete":
        with suppress(FileNotFoundError):
            storage.remove(paths.mark)
        storage.sync([paths.mark])


def are_shared(storage: Storage, first: str, second: str) -> bool:
    """Whether two objects are links to the same bytes; False where the store cannot tell. FileNotFoundError."""
    if not (storage.capabilities.descriptors and storage.capabilities.hard_links):
        return False
    descriptor = storage.open_descriptor(first)
    try:
        other = storage.open_descriptor(second)
        try:
            return os.path.sameopenfile(descriptor, other)
        finally:
            os.close(other)
    finally:
        os.close(descriptor)
