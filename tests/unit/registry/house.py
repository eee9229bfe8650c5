"""The registry's use cases put together as the app does it, on parts that a test can reach."""

import itertools
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from orlop.database.engine import Database
from orlop.database.upgrade import prepare
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName, Tag
from orlop.maintenance import identity
from orlop.registry.blobs import Blobs
from orlop.registry.content import Content
from orlop.registry.manifests import Manifests, Pushed
from orlop.registry.names import Names
from orlop.registry.referrers import Referrers
from orlop.registry.repositories import Repositories
from orlop.registry.space import Room
from orlop.registry.uploads import OpenUpload, Uploads
from orlop.steps import perform
from orlop.storage.base import Storage
from orlop.storage.memory import MemoryStorage
from tests.protocol.content import OCI_CONFIG, OCI_IMAGE, OCI_LAYER, descriptor, encode, image

CALLER = Caller(account="", address="192.0.2.1", request_id="test")
NAME = RepositoryName.parse("team/app")
OTHER = RepositoryName.parse("other")

HOUR = 3_600_000

_numbers = itertools.count(1)


class House:
    """One registry. `storage` may be a driver that misbehaves."""

    def __init__(self, path: Path, storage: Storage | None = None, *, sparse: bool = False) -> None:
        self.storage = storage or MemoryStorage()
        prepare(path)
        self.database = Database(path)
        identity.check(self.storage, self.database)
        self.content = Content(self.storage, self.database)
        self.names = Names(self.storage, self.database)
        self.room = Room(self.storage, floor=0)
        self.uploads = self.new_uploads()
        self.blobs = Blobs(self.content, HOUR)
        self.manifests = Manifests(self.content, self.names, limit=4 << 20, lease=HOUR, sparse=sparse)
        self.referrers = Referrers(self.database, self.manifests)
        self.repositories = Repositories(self.database, self.names)

    def new_uploads(self, lifetime: int = HOUR) -> Uploads:
        """Another process's view of the same uploads: it shares nothing in memory with the first."""
        return Uploads(self.content, self.room, lifetime=lifetime, lease=HOUR)

    def push_blob(self, content: bytes, name: RepositoryName = NAME, algorithm: str = "sha256") -> Digest:
        digest = Digest.of(content, algorithm)
        perform(self.uploads.create(CALLER, name, content, digest))
        return digest

    def new_image(self, name: RepositoryName = NAME, **more: Any) -> bytes:
        """An image manifest like no other, whose blobs are in the repository."""
        layer = b"layer %d" % next(_numbers)
        self.push_blob(b"{}", name)
        self.push_blob(layer, name)
        return encode(image(descriptor(b"{}", OCI_CONFIG), [descriptor(layer, OCI_LAYER)], **more))

    def push(self, content: bytes, *tags: str, name: RepositoryName = NAME, media_type: str = OCI_IMAGE) -> Pushed:
        """Pushes a manifest by digest, with these tags."""
        digest = Digest.of(content)
        return perform(self.manifests.push(CALLER, name, digest, tuple(map(Tag.parse, tags)), media_type, content))

    def push_image(self, *tags: str, name: RepositoryName = NAME, **more: Any) -> Digest:
        return self.push(self.new_image(name, **more), *tags, name=name).digest

    def tag(self, tag: str, name: RepositoryName = NAME) -> str:
        """The digest that the database has for the tag."""
        return self.manifests.find(CALLER, name, Tag.parse(tag)).digest

    def close(self) -> None:
        self.database.close()
        self.storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def append(uploads: Uploads, upload: OpenUpload, content: bytes) -> None:
    """What a transfer does with a piece of a body."""
    upload.hash([content])
    upload.write([content])
