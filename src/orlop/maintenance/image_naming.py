"""The objects of v1 images and their lists, as a database has them."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from orlop.database import v1_images
from orlop.database.connection import Connection
from orlop.domain.errors import ImageUnknown, NameInvalid
from orlop.domain.name import RepositoryName
from orlop.domain.v1.ids import ImageId
from orlop.registry.v1 import objects
from orlop.storage.base import Storage
from orlop.storage.layout import join_name, split_name

PAGE = 100
"""Images of which the JSON is in memory at a time."""


class Name(NamedTuple):
    """One object. `at`: when the name got its value, in milliseconds since 1970."""

    path: str
    content: bytes
    at: int


class ImageNaming:
    """Of the database on `connection`, for the tree `storage`."""

    def __init__(self, connection: Connection, storage: Storage) -> None:
        self._connection = connection
        self._storage = storage

    def pages(self) -> Iterator[list[Name]]:
        """All objects, but for layers."""
        for name in self._repositories():
            text = v1_images.list_text(self._connection, name)
            if text is not None:
                path = self._storage.images_list_path(*split_name(name))
                yield [Name(path, text.encode(), self._connection.now())]
        for name, page in self._rows():
            yield [
                Name(path, content, image.updated_at)
                for image in page
                for path, content in objects.small(self._storage, self._connection, name, image).items()
            ]

    def link_layers(self) -> None:
        """Shares the layers of images with their blobs, where those are there."""
        for name, page in self._rows():
            for image in page:
                path = objects.Paths.of(self._storage, name, image.image_id).layer
                blob = objects.layer(self._storage, self._connection, image)
                if blob is not None and not self._is_layer(path, blob, image):
                    with suppress(FileNotFoundError):  # the blob could not be copied
                        self._storage.link(blob, path)

    def is_other(self, path: str) -> bool:
        """Whether it is an object of an image that the database does not have, or not in that state."""
        _, namespace, repository, *rest = path.split("/")
        try:
            name = RepositoryName.parse(join_name(namespace, repository))
            image_id = ImageId.parse(rest[0])
        except (NameInvalid, ImageUnknown, IndexError):
            return True
        image = v1_images.find_in(self._connection, name, image_id)
        paths = objects.Paths.of(self._storage, name, image_id)
        if path not in paths:
            return False
        if image is None:
            return True
        if image.state == "complete":
            return path == paths.mark
        return path == paths.checksum or (path == paths.layer and image.layer_digest is None)

    def is_other_list(self, name: RepositoryName) -> bool:
        """Whether the database has no list of the repository's images."""
        return v1_images.list_text(self._connection, name) is None

    def _is_layer(self, path: str, blob: str, image: v1_images.Image) -> bool:
        """By the digest only where the two are not shared: an earlier run was here, and links cannot be."""
        try:
            if self._storage.get_size(path) != image.layer_size:
                return False
            if objects.are_shared(self._storage, path, blob):
                return True
            hasher = hashlib.sha256()
            for piece in self._storage.stream_read(path):
                hasher.update(piece)
        except FileNotFoundError:
            return False
        return f"sha256:{hasher.hexdigest()}" == image.layer_digest

    def _rows(self) -> Iterator[tuple[RepositoryName, list[v1_images.Image]]]:
        for name, repository_id in self._repositories().items():
            after = ""
            while page := v1_images.page(self._connection, repository_id, after, PAGE):
                yield name, page
                after = page[-1].image_id

    def _repositories(self) -> dict[RepositoryName, int]:
        """Those that have images, or announced ones."""
        found: dict[RepositoryName, int] = {}
        after = ""
        while page := v1_images.page_of_repositories(self._connection, after, PAGE):
            found |= {RepositoryName(name): repository_id for repository_id, name in page}
            after = page[-1][1]
        return found
