"""v1 images as the tree has them: what each is made of, and the rows that it comes to."""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from orlop.database import blobs, leases, manifests, repositories, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.caller import SYSTEM
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, ImageInvalid, ImageUnknown, NameInvalid
from orlop.domain.name import RepositoryName
from orlop.domain.v1.checksums import Checksum
from orlop.domain.v1.ids import ImageId
from orlop.domain.v1.image_json import parse_image_json
from orlop.domain.v1.to_manifest import make
from orlop.registry.content import Content
from orlop.registry.space import Room
from orlop.registry.uploads import Uploads
from orlop.registry.v1.layers import Facts, Layers
from orlop.registry.v1.objects import Paths
from orlop.registry.v1.tags import chain_of
from orlop.storage.base import Storage
from orlop.storage.layout import join_name

LARGEST_LIST = 1 << 20
"""Bytes of `_images_list` and `_checksum`: longer ones were written by nobody."""


class Found(NamedTuple):
    """An image, whole."""

    image_id: ImageId
    parent: ImageId | None
    document: bytes
    checksums: list[str]
    layer: Digest
    size: int
    facts: Facts
    shown: Digest | None


class Damaged(Exception):
    """Why an image cannot be taken over."""


class ImageEntries:
    """Reads images, and records them. Problems (a line for each) say what was left out."""

    def __init__(self, storage: Storage, database: Database, lease: int, problems: list[str]) -> None:
        """`lease` in milliseconds, for layers that are recorded."""
        self._storage = storage
        self._database = database
        self._lease = lease
        self._problems = problems
        self._content = Content(storage, database)
        self._layers = Layers(self._content, Uploads(self._content, Room(storage, 0), lifetime=lease, lease=lease))

    def folders(self) -> Iterator[tuple[RepositoryName, str]]:
        """Each repository that has images, and where."""
        for namespace in self._children(self._storage.images):
            for folder in self._children(namespace):
                try:
                    yield RepositoryName.parse(join_name(*folder.split("/")[1:])), folder
                except (NameInvalid, TypeError) as error:
                    self._problems.append(f"{folder}: {error}")

    def record(self, name: RepositoryName, folder: str) -> int:
        """Records the repository's images that are whole; how many."""
        found: dict[str, Found] = {}
        for path in self._children(folder):
            try:
                image = self._read(name, path)
            except (Damaged, ImageInvalid, ImageUnknown, UnicodeDecodeError) as error:
                self._problems.append(f"{path}: {error}")
                continue
            if image is not None:
                found[image.image_id] = image
        whole = self._with_parents(folder, found)
        if whole:
            self._database.write(lambda connection: self._write(connection, name, whole))
        return len(whole)

    def record_list(self, name: RepositoryName, path: str) -> None:
        """Records what a repository's list says beyond its images."""
        try:
            ids = self._array(path, LARGEST_LIST)
            parsed = [ImageId.parse(text) for text in ids]
        except (Damaged, ImageUnknown) as error:
            self._problems.append(f"{path}: {error}")
            return
        except FileNotFoundError:
            return

        def unit(connection: Connection) -> None:
            repository_id = repositories.ensure(connection, name)
            for image_id in parsed:
                v1_images.announce(connection, repository_id, image_id, None)

        if parsed:
            self._database.write(unit)

    def _read(self, name: RepositoryName, folder: str) -> Found | None:
        """The image in that folder; None: it is being pushed, or no image was ever pushed there."""
        image_id = ImageId.parse(folder.rpartition("/")[2])
        paths = Paths.of(self._storage, name, image_id)
        if self._storage.exists(paths.mark) or not any(self._storage.exists(path) for path in paths):
            return None
        try:
            document = self._storage.get_content(paths.json)
            parsed = parse_image_json(document, image_id)
            checksums = [str(Checksum.parse(text)) for text in self._array(paths.checksum, LARGEST_LIST)]
            layer, size = self._layer(paths.layer)
            return self._examined(
                name, paths, Found(image_id, parsed.parent, document, checksums, layer, size, Facts(""), None)
            )
        except FileNotFoundError as error:
            raise Damaged(f"{str(error.filename).rpartition('/')[2]} is missing") from error

    def _examined(self, name: RepositoryName, paths: Paths, image: Found) -> Found:
        """With what is in its layer. Damaged: that is not what the checksums say."""
        if not self._is_recorded(image.layer):
            self._place(name, paths, image)
        for mended in (False, True):
            try:
                facts, shown = self._layers.examine(SYSTEM, name, image.layer, image.size, image.document)
            except BlobUnknown:
                facts, shown = Facts(""), None
            if facts.payload in image.checksums:
                break
            if not mended:
                self._place(name, paths, image)  # the blob may be damaged, and the image's own layer not
        if not facts.payload or any(text not in (facts.payload, *facts.tarsums.values()) for text in image.checksums):
            raise Damaged("its checksums are not those of its JSON and its layer")
        return image._replace(facts=facts, shown=Digest(shown) if shown else None)

    def _place(self, name: RepositoryName, paths: Paths, image: Found) -> None:
        """Makes the blob again from the image's layer."""

        def unit(connection: Connection) -> None:
            blobs.link(connection, repositories.ensure(connection, name), image.layer)

        self._content.commit(image.layer, image.size, lambda path: self._storage.link(paths.layer, path), unit)

    def _with_parents(self, folder: str, found: dict[str, Found]) -> list[Found]:
        """Those whose ancestors are whole, too; parents come first."""
        placed: dict[str, Found] = {}
        waiting = dict(found)
        while ready := [image for image in waiting.values() if image.parent is None or image.parent in placed]:
            for image in ready:
                placed[image.image_id] = waiting.pop(image.image_id)
        self._problems += [
            f"{folder}/{image.image_id}: its parent {image.parent} is missing or damaged" for image in waiting.values()
        ]
        return list(placed.values())

    def _write(self, connection: Connection, name: RepositoryName, images: list[Found]) -> None:
        repository_id = repositories.ensure(connection, name)
        for image in images:
            for digest in filter(None, (image.layer, image.shown)):
                blobs.link(connection, repository_id, digest)
                leases.renew(connection, repository_id, digest, self._lease)
            v1_images.restore(
                connection,
                v1_images.Image(
                    repository_id=repository_id,
                    image_id=image.image_id,
                    parent=image.parent,
                    document=image.document.decode(),
                    state="complete",
                    attempt="",
                    checksums=msgspec.json.encode(image.checksums).decode(),
                    announced='{"sums":[],"ends":false}',
                    layer_digest=image.layer,
                    layer_size=image.size,
                    layer_facts=msgspec.json.encode(image.facts).decode(),
                    shown_digest=image.shown,
                    manifest_digest=None,
                    updated_at=connection.now(),
                ),
            )
            v1_images.announce(connection, repository_id, image.image_id, image.facts.payload)
        for image in images:
            self._find_manifest(connection, name, repository_id, image.image_id)

    def _find_manifest(
        self, connection: Connection, name: RepositoryName, repository_id: int, image_id: ImageId
    ) -> None:
        """Which of the repository's manifests was made of the image."""
        try:
            made = Digest.of(make(chain_of(connection, repository_id, image_id)).manifest)
        except ImageInvalid:
            return  # one that v2 cannot show
        if manifests.by_digest(connection, name, made) is not None:
            v1_images.set_manifest(connection, repository_id, image_id, made)

    def _is_recorded(self, digest: Digest) -> bool:
        record = blobs.record(self._database.reader(), digest)
        return record is not None and record.state not in blobs.GIVEN_UP

    def _layer(self, path: str) -> tuple[Digest, int]:
        hasher = hashlib.sha256()
        size = 0
        for piece in self._storage.stream_read(path):
            hasher.update(piece)
            size += len(piece)
        return Digest.from_hasher("sha256", hasher), size

    def _array(self, path: str, most: int) -> list[str]:
        """A JSON array of texts; or one text alone, as old registries wrote it."""
        content = b"".join(self._storage.stream_read(path, (0, most)))
        try:
            found = msgspec.json.decode(content, type=list[str] | str) if content[:1] in b'["' else content.decode()
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Damaged(f"{path.rpartition('/')[2]} is no list") from error
        return [found] if isinstance(found, str) else found

    def _children(self, folder: str) -> list[str]:
        try:
            return sorted(self._storage.list_directory(folder))
        except FileNotFoundError:
            return []
