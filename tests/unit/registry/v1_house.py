"""Images pushed over v1, through the use cases."""

import bz2
import gzip
import hashlib
import io
import itertools
import json
import tarfile

from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName, Tag
from orlop.domain.v1.checksums import Checksum
from orlop.domain.v1.ids import ImageId
from orlop.registry.v1 import V1
from orlop.registry.v1.lists import Listed
from orlop.steps import perform
from tests.unit.registry.house import CALLER, HOUR, NAME, House

_numbers = itertools.count(1)


def archive(**files: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return written.getvalue()


def new_layer() -> bytes:
    """Like no other, compressed."""
    return gzip.compress(archive(motd=b"layer %d" % next(_numbers)), mtime=0)


def image_id(label: str) -> ImageId:
    return ImageId.parse(hashlib.sha256(label.encode()).hexdigest())


def document_of(label: str, parent: str | None = None) -> bytes:
    return json.dumps(
        {"id": image_id(label), "created": "2014-01-01T00:00:00Z"} | ({"parent": image_id(parent)} if parent else {})
    ).encode()


class V1House:
    """v1 on a House. Images go by labels: their ids follow from them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.v1 = V1(house.content, house.names, house.uploads, house.manifests, lease=HOUR, platform="linux/amd64")

    def begin(self, label: str, parent: str | None = None, name: RepositoryName = NAME) -> bytes:
        document = document_of(label, parent)
        self.v1.lists.announce(CALLER, name, [Listed(image_id(label), None)])
        self.v1.images.begin(CALLER, name, image_id(label), document)
        return document

    def take_layer(self, label: str, layer: bytes, name: RepositoryName = NAME) -> Digest:
        uploads = self.house.uploads
        upload = uploads.open(CALLER, name, perform(uploads.start(CALLER, name)))
        upload.write([layer])
        upload.hash([layer])
        image = self.v1.images.awaiting(CALLER, name, image_id(label))
        self.v1.images.take_layer(CALLER, name, image, upload)
        return Digest.of(layer)

    def push(
        self,
        label: str,
        parent: str | None = None,
        layer: bytes | None = None,
        name: RepositoryName = NAME,
        tag: str = "",
    ) -> Digest:
        """A whole image; the digest of its layer."""
        layer = new_layer() if layer is None else layer
        document = self.begin(label, parent, name)
        digest = self.take_layer(label, layer, name)
        payload = hashlib.sha256(document + b"\n" + layer).hexdigest()
        self.v1.images.complete(CALLER, name, image_id(label), [Checksum.of("sha256", payload)])
        if tag:
            self.tag(tag, label, name)
        return digest

    def tag(self, tag: str, label: str, name: RepositoryName = NAME) -> None:
        self.v1.tags.point(CALLER, name, Tag.parse(tag), image_id(label))

    def rows(self, name: RepositoryName = NAME) -> set[str]:
        """Ids that the database has of the repository's images."""
        statement = "SELECT image_id FROM v1_images i JOIN repositories r ON r.id = i.repository_id WHERE r.name = ?"
        return {row[0] for row in self.house.database.reader().driver.execute(statement, (name,))}

    def objects(self) -> set[str]:
        """What lies below `images`: repository and id and object."""
        return {entry.path.removeprefix("images/") for entry in self.house.storage.walk("images")}

    def list_in_tree(self, name: str = "team/app") -> list[str]:
        found: list[str] = json.loads(self.house.storage.get_content(f"repositories/{name}/_images_list"))
        return found


def bzip2ed(content: bytes) -> bytes:
    return bz2.compress(content)
