"""Tags over v1: each names an image. They are the same tags as v2's, which names manifests."""

from collections.abc import Sequence

import msgspec

from orlop.database import leases, manifests, repositories, tags, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.manifests import Found
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import ImageInvalid, ImageUnknown, ImageUploading, RepositoryUnknown, TagUnknown
from orlop.domain.name import RepositoryName, Tag
from orlop.domain.v1.ids import ImageId
from orlop.domain.v1.to_manifest import Layer, make
from orlop.registry.content import Content
from orlop.registry.manifests import Manifests
from orlop.registry.uploads import Uploads
from orlop.registry.v1.layers import Facts
from orlop.registry.v1.objects import LONGEST_CHAIN
from orlop.registry.v1.views import Views
from orlop.steps import perform

PAGE = 1000


class Tags:
    def __init__(self, content: Content, uploads: Uploads, pushed: Manifests, views: Views, *, lease: int) -> None:
        """`lease` in milliseconds."""
        self._database: Database = content.database
        self._uploads = uploads
        self._manifests = pushed
        self._views = views
        self._lease = lease

    def listing(self, caller: Caller, name: RepositoryName) -> dict[str, str]:
        """The image that each tag names; tags that v1 cannot show are left out. RepositoryUnknown."""
        with self._database.snapshot() as connection:
            shown = ((tag, self._image_of(connection, name, tag)) for tag in self.names(caller, name))
            return {tag: image_id for tag, image_id in shown if image_id is not None}

    def names(self, caller: Caller, name: RepositoryName) -> list[Tag]:
        """Every tag, also those that v1 cannot show. RepositoryUnknown."""
        found: list[str] = []
        with self._database.snapshot() as connection:
            repository_id = repositories.find_known(connection, name)
            if repository_id is None:
                raise RepositoryUnknown("Repository not found", detail={"name": name})
            while page := tags.names(connection, repository_id, last=found[-1] if found else "", count=PAGE):
                found += page
        return [Tag(tag) for tag in found]

    def find(self, caller: Caller, name: RepositoryName, tag: Tag) -> str:
        """The image that the tag names. TagUnknown."""
        with self._database.snapshot() as connection:
            image_id = self._image_of(connection, name, tag)
        if image_id is None:
            raise TagUnknown("Tag not found", detail={"name": name, "tag": tag})
        return image_id

    def point(self, caller: Caller, name: RepositoryName, tag: Tag, image_id: ImageId) -> None:
        """Points a tag at an image, and makes of the image and its parents what v2 shows. ImageUnknown,
        ImageUploading, ImageInvalid."""
        reader = self._database.reader()
        repository_id = repositories.find(reader, name)
        if repository_id is None:
            raise ImageUnknown
        if v1_images.find(reader, repository_id, image_id) is None:
            self._point_at_derived(caller, name, tag, image_id)
            return
        chain = chain_of(reader, repository_id, image_id)
        made = make(chain)
        digest = Digest.of(made.manifest)

        def renew(connection: Connection) -> None:
            repositories.lock(connection, name)
            if not v1_images.set_manifest(connection, repository_id, image_id, digest):
                raise ImageUnknown  # collected meanwhile
            for layer in chain:
                leases.renew(connection, repository_id, Digest(layer.digest), self._lease)

        self._database.write(renew)
        perform(self._uploads.create(caller, name, made.config, Digest.of(made.config)))
        perform(self._manifests.push(caller, name, tag, (), made.media_type, made.manifest))

    def _point_at_derived(self, caller: Caller, name: RepositoryName, tag: Tag, image_id: ImageId) -> None:
        """At an image that was pushed over v2: the tag gets its manifest."""
        reader = self._database.reader()
        place = self._views.find(reader, name, image_id)
        if place is None:
            raise ImageUnknown
        found = manifests.by_digest(reader, name, Digest(place.manifest))
        images = self._views.of(reader, name, found) if found is not None else None
        if found is None or images is None or images[-1].id != image_id:
            raise ImageInvalid("this image is a part of one that was pushed as a whole, which a tag can name")
        content = self._manifests.read(found)
        perform(self._manifests.push(caller, name, tag, (), found.media_type, content))

    def _image_of(self, connection: Connection, name: RepositoryName, tag: Tag) -> str | None:
        found: Found | None = manifests.by_tag(connection, name, tag)
        if found is None or found.lost:
            return None
        pushed = v1_images.by_manifest(connection, found.repository_id, found.digest)
        if pushed is not None:
            return pushed
        images = self._views.of(connection, name, found)
        return images[-1].id if images else None


def chain_of(connection: Connection, repository_id: int, image_id: str) -> Sequence[Layer]:
    """The image and its parents, the root first. ImageUnknown, ImageUploading; ImageInvalid: v2 cannot show it."""
    chain: list[Layer] = []
    wanted: str | None = image_id
    while wanted is not None and len(chain) < LONGEST_CHAIN:
        image = v1_images.find(connection, repository_id, wanted)
        if image is None:
            raise ImageUnknown
        if image.state != "complete" or image.layer_digest is None or image.layer_facts is None:
            raise ImageUploading
        facts = msgspec.json.decode(image.layer_facts, type=Facts)
        if facts.problem:
            raise ImageInvalid(f"the layer of {wanted} cannot be read: {facts.problem}")
        chain.append(
            Layer(
                image.document.encode(),
                image.shown_digest or image.layer_digest,
                facts.shown_size,
                facts.media_type,
                facts.diff_id,
                facts.empty,
            )
        )
        wanted = image.parent
    return chain[::-1]
