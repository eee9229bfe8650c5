"""Content: bytes under their digest, in the tree first, then in the database."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from orlop.combining import Combiner
from orlop.database import blobs
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, Unavailable
from orlop.registry.cache import ContentCache
from orlop.storage.base import Storage

log = structlog.get_logger("orlop.content")

Result = TypeVar("Result")

CACHE_BYTES = 32 * 1024 * 1024
MOST_TOGETHER = 64
"""Small objects that are put in one batch."""
BATCHES = 4
"""Batches at one time: of 1, 4 and 16, this was the fastest on a disk (16 pushers of manifests)."""
SMALL = 64 * 1024
"""Blobs up to this many bytes are sent from memory."""


class Content:
    """Reads and records objects by digest. Who may see them, and in which repository, its callers decide."""

    def __init__(self, storage: Storage, database: Database) -> None:
        self.storage = storage
        self.database = database
        self._small: Combiner[tuple[str, bytes], None] = Combiner(storage.put_contents, MOST_TOGETHER, leaders=BATCHES)
        self.cache = ContentCache(CACHE_BYTES, largest=CACHE_BYTES // 8)

    def read(self, digest: Digest, generation: int | None = None) -> bytes:
        """The whole content, else BlobUnknown: also where other bytes lie there. For small content only."""
        content = self.cache.get(digest)
        if content is None:
            if generation is None:
                generation = self._generation(digest)
            try:
                content = self.storage.get_content(self.storage.blob_path(digest, generation))
            except FileNotFoundError as error:
                log.error("an object is missing", digest=digest)
                raise BlobUnknown(f"{digest} is missing in the store", detail={"digest": digest}) from error
            if Digest.of(content, digest.algorithm) != digest:
                log.error("an object is damaged", digest=digest)
                raise BlobUnknown(f"{digest} is damaged in the store: push it again", detail={"digest": digest})
            self.cache.put(digest, content)
        return content

    def put(self, path: str, content: bytes) -> None:
        """Small content to its key, atomically and durably; many callers share the disk's syncs."""
        self._small.submit((path, content))

    def commit(
        self,
        digest: Digest,
        size: int,
        place: Callable[[str], object],
        unit: Callable[[Connection], Result],
    ) -> Result:
        """Brings verified bytes to their key by `place(path)`, then records them and runs `unit`, in one commit.

        `place` must be atomic and durable. It replaces an object that is there, which heals a damaged one.
        """
        generation = self._next_generation(digest)
        place(self.storage.blob_path(digest, generation))

        def record(connection: Connection) -> Result:
            if not blobs.record_live(connection, digest, size, generation):
                # Collection took the key between our look and our commit. The next try takes the key after it.
                raise Unavailable("the content was being removed at this moment: push it again")
            return unit(connection)

        return self.database.write(record)

    def _generation(self, digest: Digest) -> int:
        record = blobs.record(self.database.reader(), digest)
        if record is None:
            raise BlobUnknown(detail={"digest": digest})
        return record.generation

    def _next_generation(self, digest: Digest) -> int:
        record = blobs.record(self.database.reader(), digest)
        if record is None:
            return 0
        return record.generation + 1 if record.state == "removing" else record.generation
