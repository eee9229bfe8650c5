"""Looks at images of v1: their objects in the tree against their rows, both ways, and their lists.

The row of a complete image says all that its objects hold; the tree has them for whoever reads it without a database.
Of images that are being pushed nothing is expected: their objects come and go.
"""

from orlop.database import blobs, outbox, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.v1_images import Image
from orlop.domain.digest import Digest
from orlop.domain.errors import ImageUnknown, NameInvalid
from orlop.domain.name import RepositoryName
from orlop.domain.v1.ids import ImageId
from orlop.maintenance.scrub import findings
from orlop.maintenance.scrub.contents import REPAIR
from orlop.maintenance.scrub.derived import Derived
from orlop.maintenance.scrub.findings import Finding, Sight
from orlop.maintenance.scrub.reading import Reading
from orlop.maintenance.scrub.repairs import Repairs
from orlop.registry.names import current
from orlop.registry.v1 import objects
from orlop.registry.v1.objects import Paths
from orlop.storage.base import Storage
from orlop.storage.layout import join_name, split_name

LARGEST = 16 << 20
"""Bytes of a list, or of an image's JSON, that are compared."""


class TreeImages:
    def __init__(
        self, storage: Storage, database: Database, reading: Reading, repairs: Repairs, derived: Derived
    ) -> None:
        self._storage = storage
        self._database = database
        self._reading = reading
        self._repairs = repairs
        self._derived = derived

    def image(self, name: RepositoryName, image_id: str) -> Sight | None:
        """A complete image's row against its objects."""
        image = self._settled(name, image_id)
        if image is None:
            return None
        wrong = self._wrong(name, image)
        if not wrong or self._settled(name, image_id) != image:
            return None
        folder = Paths.of(self._storage, name, image_id).folder
        what = f"{name}@{image_id}"
        finding = Finding(findings.DAMAGED_IMAGE, what, folder, ", ".join(wrong), [name], heals=REPAIR)
        return Sight(finding, lambda: self._repairs.write_image(finding, name, image))

    def images(self, name: RepositoryName) -> Sight | None:
        """A repository's list."""
        path = self._storage.images_list_path(*split_name(name))
        with self._database.snapshot() as connection:
            if outbox.holds(connection, "images", name, ""):
                return None
            expected = current(connection, "images", name, "")
        found = self._reading.name(path, LARGEST)
        if found == (expected.encode() if expected is not None else None):
            return None
        detail = "it is not in the tree" if found is None else "it is not the list that the database has"
        finding = Finding(findings.IMAGE_LIST, str(name), path, detail, [name], heals=REPAIR)
        return Sight(finding, lambda: self._repairs.rewrite(finding, "images", name, ""))

    def object(self, path: str) -> Sight | None:
        """Whatever lies below `images/`, for what has no row."""
        named = self._named(path)
        if named is None:
            if self._reading.name(path) is None:
                return None
            finding = Finding(findings.STRAY_OBJECT, path, path, "no image has this path", heals=REPAIR)
            return Sight(finding, lambda: self._repairs.take_away(finding))
        name, image_id = named
        folder = path.rpartition("/")[0]
        if path not in Paths.of(self._storage, name, image_id):
            return self._derived.document(path)
        if self._is_known(name, image_id):
            return None
        if self._reading.name(path) is None or self._is_known(name, image_id):
            return None
        finding = Finding(findings.STRAY_IMAGE, f"{name}@{image_id}", folder, "it has no row", heals=REPAIR)
        return Sight(finding, lambda: self._repairs.take_image(finding, name, image_id))

    def _wrong(self, name: RepositoryName, image: Image) -> list[str]:
        """What is amiss with the objects of an image."""
        reader = self._database.reader()
        paths = Paths.of(self._storage, name, image.image_id)
        wrong = []
        for path, content in objects.small(self._storage, reader, name, image).items():
            found = self._reading.name(path, LARGEST)
            if found != content:
                wrong.append(f"{path.rpartition('/')[2]} is {'missing' if found is None else 'another'}")
        layer = self._layer(reader, image, paths)
        if layer:
            wrong.append(f"layer is {layer}")
        if self._storage.exists(paths.mark):
            wrong.append("_inprogress is there")
        return wrong

    def _layer(self, connection: Connection, image: Image, paths: Paths) -> str:
        """What is amiss with the layer; nothing where its blob is: that is found for itself."""
        digest = Digest(str(image.layer_digest))
        record = blobs.record(connection, digest)
        if record is None or record.state not in ("live", "condemned"):
            return ""
        blob = self._storage.blob_path(digest, record.generation)
        if not self._storage.exists(blob):
            return ""
        try:
            if objects.are_shared(self._storage, paths.layer, blob):
                return ""  # read already, as the blob
            content = self._reading.content(paths.layer, digest.algorithm)
        except FileNotFoundError:
            return "missing"
        return "" if content.digest == digest else content.fault or "another"

    def _settled(self, name: RepositoryName, image_id: str) -> Image | None:
        """The image where it is complete, and its objects have followed."""
        with self._database.snapshot() as connection:
            image = v1_images.find_in(connection, name, image_id)
            if image is None or image.state != "complete" or outbox.holds(connection, "image", name, image_id):
                return None
            return image

    def _is_known(self, name: RepositoryName, image_id: ImageId) -> bool:
        with self._database.snapshot() as connection:
            if outbox.holds(connection, "image", name, image_id):
                return True
            return v1_images.find_in(connection, name, image_id) is not None

    def _named(self, path: str) -> tuple[RepositoryName, ImageId] | None:
        try:
            _, namespace, repository, segment, _leaf = path.split("/")
            name = RepositoryName.parse(join_name(namespace, repository))
            image_id = ImageId.parse(segment)
        except (NameInvalid, ImageUnknown, ValueError):
            return None
        where = (*split_name(name), image_id)
        derived = (self._storage.image_file_trie_path(*where), self._storage.image_file_diffs_path(*where))
        return (name, image_id) if path in (*Paths.of(self._storage, name, image_id), *derived) else None
