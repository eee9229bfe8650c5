"""What clients may ask, on both databases: the registry's use cases know only the protocol that both have."""

from collections.abc import Iterator

import pytest

from orlop.database import outbox, tags
from orlop.database.engine import Database
from orlop.database.manifests import Found
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobInUse, BlobUnknown, ManifestBlobUnknown, ManifestInUse, ManifestUnknown
from orlop.domain.name import Tag
from orlop.registry.blobs import Blobs
from orlop.registry.content import Content
from orlop.registry.manifests import Manifests
from orlop.registry.names import Names
from orlop.registry.pulls import HOUR, Pulls
from orlop.registry.referrers import Referrers
from orlop.registry.repositories import Repositories
from orlop.registry.space import Room
from orlop.registry.uploads import Uploads
from orlop.steps import perform
from orlop.storage.memory import MemoryStorage
from tests.protocol.content import OCI_CONFIG, OCI_IMAGE, OCI_INDEX, OCI_LAYER, descriptor, encode, image, index
from tests.unit.database.content import CALLER, MINUTE, NAME, OTHER

CONFIG, LAYER = b'{"os": "linux", "architecture": "arm64"}', b"layer"
IMAGE = encode(image(descriptor(CONFIG, OCI_CONFIG), [descriptor(LAYER, OCI_LAYER)]))
INDEX = encode(index([descriptor(IMAGE, OCI_IMAGE)]))
LATEST = Tag.parse("latest")


class Registry:
    def __init__(self, database: Database) -> None:
        storage = MemoryStorage()
        content = Content(storage, database)
        self.names = Names(storage, database)
        self.blobs = Blobs(content, MINUTE)
        self.uploads = Uploads(content, Room(storage, 0), lifetime=MINUTE, lease=MINUTE)
        self.manifests = Manifests(content, self.names, limit=1 << 20, lease=MINUTE, sparse=False)
        self.referrers = Referrers(database, self.manifests)
        self.repositories = Repositories(database, self.names)
        self.pulls = Pulls(database)

    def push_blobs(self) -> None:
        for content in (CONFIG, LAYER):
            perform(self.uploads.create(CALLER, NAME, content, Digest.of(content)))

    def push(self, content: bytes, media_type: str, *pushed_tags: str) -> Digest:
        digest = Digest.of(content)
        perform(self.manifests.push(CALLER, NAME, digest, tuple(map(Tag.parse, pushed_tags)), media_type, content))
        return digest

    def find(self, reference: Tag | Digest) -> Found:
        return self.manifests.find(CALLER, NAME, reference)


@pytest.fixture
def registry(database: Database) -> Iterator[Registry]:
    registry = Registry(database)
    registry.push_blobs()
    yield registry
    registry.names.drain()
    assert outbox.size(database.reader()) == 0


def test_an_image_is_pushed_listed_pulled_and_deleted(registry: Registry, database: Database) -> None:
    digest = registry.push(IMAGE, OCI_IMAGE, "latest", "1.0")
    found = registry.find(LATEST)
    assert found == registry.find(digest)
    assert registry.manifests.read(found) == IMAGE
    assert registry.repositories.page(CALLER, last="", count=10) == ([NAME], False)
    assert registry.repositories.tags(CALLER, NAME, last="", count=1) == (["1.0"], True)
    registry.pulls.note(found, LATEST)
    assert registry.pulls.flush() == 1
    record = tags.record(database.reader(), found.repository_id, LATEST)
    assert record is not None
    assert record.last_pulled_at is not None
    assert record.last_pulled_at % HOUR == 0
    registry.manifests.delete_tag(CALLER, NAME, LATEST)
    with pytest.raises(ManifestUnknown):
        registry.find(LATEST)
    registry.manifests.delete(CALLER, NAME, digest)
    with pytest.raises(ManifestUnknown):
        registry.find(Tag.parse("1.0"))
    assert registry.repositories.page(CALLER, last="", count=10) == ([], False)


def test_what_is_needed_must_be_there_and_stays(registry: Registry) -> None:
    with pytest.raises(ManifestBlobUnknown):
        registry.push(INDEX, OCI_INDEX)
    child = registry.push(IMAGE, OCI_IMAGE)
    parent = registry.push(INDEX, OCI_INDEX)
    with pytest.raises(ManifestInUse):
        registry.manifests.delete(CALLER, NAME, child)
    with pytest.raises(BlobInUse):
        registry.blobs.delete(CALLER, NAME, Digest.of(LAYER))
    registry.manifests.delete(CALLER, NAME, parent)
    registry.manifests.delete(CALLER, NAME, child)
    registry.blobs.delete(CALLER, NAME, Digest.of(LAYER))
    with pytest.raises(BlobUnknown):
        registry.blobs.find(CALLER, NAME, Digest.of(LAYER))


def test_a_manifest_that_was_refused_leaves_nothing(registry: Registry, database: Database) -> None:
    with pytest.raises(ManifestBlobUnknown):
        registry.push(INDEX, OCI_INDEX, "latest")
    with pytest.raises(ManifestUnknown):
        registry.find(LATEST)
    assert outbox.size(database.reader()) == 0


def test_a_blob_is_mounted_and_its_lease_renewed(registry: Registry, database: Database) -> None:
    digest = Digest.of(LAYER)
    assert not registry.blobs.mount(CALLER, OTHER, Digest.of(b"absent"), NAME)
    assert registry.blobs.mount(CALLER, OTHER, digest, NAME)
    held = registry.blobs.find(CALLER, OTHER, digest)
    assert not registry.blobs.lease_due(CALLER, OTHER, held, database.reader().now())
    perform(registry.blobs.renew(CALLER, OTHER, digest))
    assert registry.blobs.find(CALLER, OTHER, digest).lease_expires_at >= held.lease_expires_at


def test_an_upload_is_resumed_and_finished(registry: Registry) -> None:
    upload_id = perform(registry.uploads.start(CALLER, NAME))
    for piece in (b"first ", b"second"):
        upload = registry.uploads.open(CALLER, NAME, upload_id)
        upload.hash([piece])
        upload.write([piece])
        registry.uploads.suspend(upload)
    digest = Digest.of(b"first second")
    registry.uploads.finish(CALLER, registry.uploads.open(CALLER, NAME, upload_id), digest)
    assert registry.blobs.find(CALLER, NAME, digest).size == len(b"first second")


def test_a_manifest_is_listed_as_its_subjects_referrer(registry: Registry) -> None:
    subject = registry.push(IMAGE, OCI_IMAGE)
    attached = encode(
        image(
            descriptor(CONFIG, OCI_CONFIG),
            [descriptor(LAYER, OCI_LAYER)],
            subject=descriptor(IMAGE, OCI_IMAGE),
            artifactType="text/note",
        )
    )
    digest = registry.push(attached, OCI_IMAGE)
    for kind, expected in (("", [digest]), ("text/note", [digest]), ("text/other", [])):
        page = registry.referrers.page(CALLER, NAME, subject, artifact_type=kind, last="", count=10)
        assert [found["digest"] for found in page.descriptors] == expected
