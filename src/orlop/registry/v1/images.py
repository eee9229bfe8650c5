"""Images as they are pushed over v1: JSON, layer, checksum, one after the other.

Until its checksum was found right, an image is in progress: it has its mark in the tree, nobody can read it, and it may
be pushed again from the start. Each such push is an attempt with a name of its own, so that two that get into each
other's way never make one image of their halves.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from orlop.database import audit, repositories, v1_images
from orlop.database.connection import Connection
from orlop.database.v1_images import Image
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import (
    ChecksumMismatch,
    ChecksumUnexpected,
    ImageExists,
    ImageInvalid,
    ImageUnknown,
)
from orlop.domain.name import RepositoryName
from orlop.domain.v1.checksums import Checksum
from orlop.domain.v1.ids import ImageId
from orlop.domain.v1.image_json import parse_image_json
from orlop.registry.content import Content
from orlop.registry.names import Names
from orlop.registry.uploads import OpenUpload, Uploads
from orlop.registry.v1 import objects
from orlop.registry.v1.layers import Facts, Layers
from orlop.registry.v1.lists import publish_list
from orlop.registry.v1.objects import LONGEST_CHAIN, MARK, Paths

MOST_LINKED = 1000
"""Images whose layer is made again with the blob that they share; a scrub does it with more."""


class Images:
    """The push of an image, step by step."""

    def __init__(self, content: Content, names: Names, uploads: Uploads, *, lease: int) -> None:
        """`lease` in milliseconds."""
        self._content = content
        self._storage = content.storage
        self._database = content.database
        self._names = names
        self._uploads = uploads
        self._layers = Layers(content, uploads)
        self._lease = lease

    def begin(
        self, caller: Caller, name: RepositoryName, image_id: ImageId, content: bytes, sent: Sequence[Checksum] = ()
    ) -> None:
        """Takes an image's JSON. ImageInvalid; ImageExists where it is complete.

        Checksums that are sent with it end the push once the layer has come and has them.
        """
        parsed = parse_image_json(content, image_id)
        reader = self._database.reader()
        repository_id = repositories.find(reader, name)
        if repository_id is None or not v1_images.is_listed(reader, repository_id, image_id):
            raise ImageInvalid("This image does not belong to the repository")
        known = v1_images.find(reader, repository_id, image_id)
        if known is not None and known.state == "complete":
            self._keep(repository_id, image_id)
            raise ImageExists
        above = self._ancestry_of_parent(reader, repository_id, parsed.parent)
        if image_id in above:
            raise ImageInvalid("Image depends on a non existing parent")
        ancestry = [image_id, *above]
        attempt = secrets.token_hex(8)
        paths = self._paths(name, image_id)
        # The mark first: whoever finds an image without it takes it for whole.
        for path, piece in (
            (paths.mark, MARK),
            (paths.json, content),
            (paths.ancestry, _encoded(ancestry)),
        ):
            self._storage.put_content(path, piece)
        for path in (paths.checksum, paths.layer):
            with suppress(FileNotFoundError):
                self._storage.remove(path)  # of an attempt before

        announced = msgspec.json.encode(Announced(list(map(str, sent)), ends=bool(sent))).decode()

        def unit(connection: Connection) -> bool:
            if repositories.lock(connection, name) != repository_id:
                raise ImageInvalid("This image does not belong to the repository")
            if parsed.parent is not None and not v1_images.touch(connection, repository_id, parsed.parent):
                raise ImageInvalid("Image depends on a non existing parent")  # collected meanwhile
            return v1_images.begin(
                connection,
                repository_id,
                image_id,
                parent=parsed.parent,
                document=content.decode(),
                attempt=attempt,
                announced=announced,
            )

        if not self._database.write(unit):
            self.mend(name, image_id)
            raise ImageExists

    def awaiting(self, caller: Caller, name: RepositoryName, image_id: ImageId) -> Image:
        """The image whose layer may come now. ImageUnknown: its JSON comes first; ImageExists."""
        image = self._find(name, image_id)
        if image.state == "complete":
            raise ImageExists
        return image

    def take_layer(self, caller: Caller, name: RepositoryName, image: Image, upload: OpenUpload) -> None:
        """Makes the upload the layer of an image that awaits it. ChecksumMismatch: it has not what was announced."""
        digest, size = self._uploads.finish_as_it_is(caller, upload)
        self.take_blob(caller, name, image, digest, size)

    def take_blob(
        self,
        caller: Caller,
        name: RepositoryName,
        image: Image,
        digest: Digest,
        size: int,
        known: tuple[Facts, Digest | None] | None = None,
    ) -> None:
        """Makes a blob of the repository the layer of an image that awaits it. `known`: what was found in it, with the
        same JSON, before."""
        facts, shown = known or self._layers.examine(caller, name, digest, size, image.document.encode())
        announced = msgspec.json.decode(image.announced, type=Announced)
        _demand(facts, announced.sums)
        paths = self._paths(name, ImageId(image.image_id))
        self._storage.link(self._content.path(digest), paths.layer)

        def unit(connection: Connection) -> bool:
            return v1_images.set_layer(
                connection, image, digest, size, msgspec.json.encode(facts).decode(), str(shown) if shown else None
            )

        if not self._database.write(unit):
            raise ImageInvalid("this image is being pushed by another client: push it again")
        if announced.ends:
            self.complete(caller, name, ImageId(image.image_id), [Checksum.parse(text) for text in announced.sums])

    def complete(self, caller: Caller, name: RepositoryName, image_id: ImageId, sent: Sequence[Checksum]) -> None:
        """Ends the push of an image. ChecksumMismatch: nothing was changed. ChecksumUnexpected, ImageUnknown."""
        image = self._find(name, image_id)
        if image.state == "complete":
            raise ChecksumUnexpected
        if image.layer_digest is None or image.layer_facts is None:
            self._announce(image, sent)
            return
        facts = msgspec.json.decode(image.layer_facts, type=Facts)
        _demand(facts, list(map(str, sent)))
        kept = list(dict.fromkeys([facts.payload, *map(str, sent)]))
        ended = image._replace(state="complete", checksums=msgspec.json.encode(kept).decode())
        objects.write(self._storage, self._database.reader(), name, ended)

        def unit(connection: Connection) -> bool:
            repositories.lock(connection, name)
            is_ended = v1_images.complete(connection, image, ended.checksums)
            if is_ended:
                v1_images.announce(connection, image.repository_id, image_id, facts.payload)
                audit.add(connection, caller, "image.push", name, image_id)
            return is_ended

        if not self._database.write(unit):
            self._storage.put_content(self._paths(name, image_id).mark, MARK)
            self.mend(name, image_id)
            raise ChecksumUnexpected
        publish_list(self._database, self._names, name)

    def _keep(self, repository_id: int, image_id: str) -> None:
        """Whoever is told that an image is there counts on it."""
        self._database.write(lambda connection: v1_images.touch(connection, repository_id, image_id))

    def _announce(self, image: Image, sent: Sequence[Checksum]) -> None:
        """Some clients send the checksum before the layer, and once more after it."""
        announced = msgspec.json.encode(Announced(list(map(str, sent)), ends=False)).decode()
        if not self._database.write(lambda connection: v1_images.announce_checksums(connection, image, announced)):
            raise ChecksumUnexpected

    def link_again(self, digest: Digest) -> None:
        """Makes the layers of images links to their blob, which has come back."""
        for holder in v1_images.holders(self._database.reader(), digest, MOST_LINKED):
            name = RepositoryName(holder.repository)
            image = v1_images.find_in(self._database.reader(), name, holder.image_id)
            if image is not None and image.layer_digest == digest:
                self._storage.link(self._content.path(digest), self._paths(name, ImageId(holder.image_id)).layer)

    def mend(self, name: RepositoryName, image_id: ImageId) -> None:
        """Brings the tree to what the row says, where two pushes have met."""
        image = self._find(name, image_id)
        if image.state == "complete":
            objects.write(self._storage, self._database.reader(), name, image)

    def _find(self, name: RepositoryName, image_id: ImageId) -> Image:
        image = v1_images.find_in(self._database.reader(), name, image_id)
        if image is None:
            raise ImageUnknown
        return image

    def _ancestry_of_parent(self, connection: Connection, repository_id: int, parent: str | None) -> list[str]:
        found: list[str] = []
        while parent is not None:
            image = v1_images.find(connection, repository_id, parent)
            if image is None or len(found) > LONGEST_CHAIN:
                raise ImageInvalid("Image depends on a non existing parent")
            found.append(parent)
            parent = image.parent
        return found

    def _paths(self, name: RepositoryName, image_id: ImageId) -> Paths:
        return Paths.of(self._storage, name, image_id)


def _encoded(texts: Sequence[str]) -> bytes:
    return msgspec.json.encode(list(map(str, texts)))


class Announced(msgspec.Struct):
    """Checksums that came before their layer. `ends`: the layer ends the push, as no other checksum comes."""

    sums: list[str]
    ends: bool


def _demand(facts: Facts, sums: Sequence[str]) -> None:
    """ChecksumMismatch, unless the layer has all of these."""
    if any(text not in (facts.payload, *facts.tarsums.values()) for text in sums):
        raise ChecksumMismatch
