"""Content: bytes under their digest, in the tree first, then in the database."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import structlog

from orlop.database import blobs
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, Unavailable
from orlop.registry.cache import ContentCache
from orlop.steps import COMMIT, CONTENT, NAMES, Step, Steps
from orlop.storage.base import Storage

log = structlog.get_logger("orlop.content")

Result = TypeVar("Result")

CACHE_BYTES = 32 * 1024 * 1024
SMALL = 64 * 1024
"""Blobs up to this many bytes are sent from memory."""


ATTEMPTS = 5
LONGEST_WAIT = 1800.0
"""Seconds from an object's placing to its commit: half of the time for which collection remembers a key."""


class KeyGivenUp(Unavailable):
    """Between the look and the commit the key was handed to removal: the next try takes the key after it."""

    message = "the content was being removed at this moment: push it again"


class Content:
    """Reads and records objects by digest. Who may see them, and in which repository, its callers decide."""

    def __init__(self, storage: Storage, database: Database) -> None:
        self.storage = storage
        self.database = database
        self.cache = ContentCache(CACHE_BYTES, largest=CACHE_BYTES // 8)
        self.on_return: Callable[[Digest], None] = lambda digest: None
        """Told of content that had been lost and was pushed again."""

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

    def path(self, digest: Digest) -> str:
        """Where a recorded blob lies, else BlobUnknown."""
        return self.storage.blob_path(digest, self._generation(digest))

    def stream(self, digest: Digest) -> Iterator[bytes]:
        """The content in pieces, unchecked. BlobUnknown, on the first `next()` too."""
        try:
            yield from self.storage.stream_read(self.path(digest))
        except FileNotFoundError as error:
            raise BlobUnknown(f"{digest} is missing in the store", detail={"digest": digest}) from error

    def put(self, digest: Digest, content: bytes, unit: Callable[[Connection], Result]) -> Steps[Result]:
        """`commit` of small content that is at hand."""
        for attempt in range(1, ATTEMPTS + 1):
            generation, was_lost = self._next_key(digest)
            yield Step(CONTENT, self.storage.put_contents, (self.storage.blob_path(digest, generation), content))
            try:
                result: Result = yield Step(
                    COMMIT, self.database.write_all, _recording(digest, len(content), generation, unit)
                )
            except KeyGivenUp:
                if attempt == ATTEMPTS:
                    raise
            else:
                break
        if was_lost:
            yield Step(NAMES, self._tell_returned, digest)
        self.cache.put(digest, content)
        return result

    def commit(
        self,
        digest: Digest,
        size: int,
        place: Callable[[str], object],
        unit: Callable[[Connection], Result],
    ) -> Result:
        """Brings verified bytes to their key by `place(path)`, then records them and runs `unit`, in one commit.

        `place` must be atomic and durable. It replaces an object that is there, which heals a damaged one. Where the
        store shares bytes by links, it may be called again with another path.
        """
        # What was moved to a key that is given up goes with it.
        attempts = ATTEMPTS if self.storage.capabilities.hard_links else 1
        for attempt in range(1, attempts + 1):
            generation, was_lost = self._next_key(digest)
            place(self.storage.blob_path(digest, generation))
            try:
                result = self.database.write(_recording(digest, size, generation, unit))
            except KeyGivenUp:
                if attempt == attempts:
                    raise
                continue
            if was_lost:
                self._tell_returned([digest])
            return result
        raise AssertionError("unreachable")

    def _generation(self, digest: Digest) -> int:
        record = blobs.record(self.database.reader(), digest)
        if record is None:
            raise BlobUnknown(detail={"digest": digest})
        return record.generation

    def _next_key(self, digest: Digest) -> tuple[int, bool]:
        """The generation that a push writes, and whether the content was lost."""
        record = blobs.record(self.database.reader(), digest)
        if record is None:
            return 0, False
        given_up = record.state in blobs.GIVEN_UP
        return record.generation + given_up, record.state == "lost"

    def _tell_returned(self, digests: Sequence[Digest]) -> list[None]:
        for digest in digests:
            try:
                self.on_return(digest)
            except OSError as error:
                # The content is recorded. What else lies in the tree, a scrub brings in order.
                log.error("what shares returned content could not be made again", digest=digest, reason=str(error))
        return [None] * len(digests)


def _recording(
    digest: Digest, size: int, generation: int, unit: Callable[[Connection], Result]
) -> Callable[[Connection], Result]:
    placed_at = time.clock_gettime(time.CLOCK_BOOTTIME)

    def record(connection: Connection) -> Result:
        # A process that slept so long may find its object collected, and the row forgotten that would say so.
        slept = time.clock_gettime(time.CLOCK_BOOTTIME) - placed_at > LONGEST_WAIT
        if slept or not blobs.record_live(connection, digest, size, generation):
            raise KeyGivenUp
        return unit(connection)

    return record
