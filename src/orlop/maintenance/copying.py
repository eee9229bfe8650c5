"""Content copied from one tree to another, each object compared with its digest on the way."""

import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, cast

from orlop.database import snapshot
from orlop.database.connection import Connection
from orlop.database.snapshot import Blob
from orlop.domain.digest import Digest, new_hasher
from orlop.domain.errors import StorageFull
from orlop.storage.base import Storage

PAGE = 1000
SMALL = 256 * 1024
"""Objects of up to so many bytes are written and synced together: one by one, most of the time would go to syncs. Each
has a descriptor until then."""
BATCH = 400
BATCH_BYTES = 8 << 20
PIECE = 1 << 20


class Progress(NamedTuple):
    """How far a stage has come; `total` is 0 where nobody knows. `unit`: what is counted, `bytes` among others."""

    stage: str
    unit: str
    done: int
    total: int


Tell = Callable[[Progress], None]


class Problem(NamedTuple):
    """An object that was not copied."""

    digest: Digest
    reason: str

    def __str__(self) -> str:
        return f"{self.digest}: {self.reason}"


class Copied(NamedTuple):
    """What was wanted, and what of it was not there yet. Bytes and seconds."""

    blobs: int
    bytes: int
    new_blobs: int
    new_bytes: int
    seconds: float
    problems: list[Problem]


class Unusable(Exception):
    """The source has no good object to copy."""


class Copying:
    """Brings to `target` every blob that the database on `connection` has an object for."""

    def __init__(
        self,
        connection: Connection,
        source: Callable[[str], BinaryIO],
        target: Storage,
        tell: Tell,
        *,
        verify: bool = False,
        where: str = "the store",
    ) -> None:
        """`source` opens an object by its path. What `target` has in the right size stays, if `verify` once its digest
        has been compared. `where` the source is, for a person.
        """
        self._connection = connection
        self._source = source
        self._target = target
        self._tell = tell
        self._verify = verify
        self._where = where
        self._done = 0
        self._total = 0
        self._new_blobs = 0
        self._new_bytes = 0
        self._problems: list[Problem] = []
        self._batch: list[tuple[str, bytes]] = []

    def missing(self) -> int:
        """Bytes that `target` does not have yet."""
        return sum(blob.size for blob in self._wanted() if not self._is_there(blob))

    def check_room(self, *, anew: bool = False) -> None:
        """StorageFull where they would not fit; `anew`: where all would have to."""
        space = self._target.free_space() if self._target.capabilities.free_space else None
        needed = sum(blob.size for blob in self._wanted()) if anew else self.missing()
        if space is not None and needed > space.free:
            raise StorageFull(f"{needed} bytes are needed, and {space.free} are free")

    def run(self) -> Copied:
        """Copies. What cannot be copied is among the problems; an error of `target` ends it."""
        begun = time.monotonic()
        blobs = 0
        self._total = sum(blob.size for blob in self._wanted())
        for blob in self._wanted():
            blobs += 1
            if not self._is_there(blob) or (self._verify and not self._is_good(blob)):
                self._copy(blob)
            self._done += blob.size
            self._tell(Progress("content", "bytes", self._done, self._total))
        self._flush()
        seconds = time.monotonic() - begun
        return Copied(blobs, self._total, self._new_blobs, self._new_bytes, seconds, self._problems)

    def remove_others(self) -> int:
        """Removes from `target` each blob that the database has no object for; how many."""
        removed: list[str] = []
        total = 0
        for entry in self._target.walk(self._target.blobs):
            key = self._target.blob_of_path(entry.path)
            if key is None or snapshot.has_object(
                self._connection, Digest(f"{key.algorithm}:{key.hex}"), key.generation
            ):
                continue
            self._target.remove(entry.path)
            removed.append(entry.path)
            total += 1
            if len(removed) == PAGE:
                self._target.sync(removed)
                removed.clear()
        if removed:
            self._target.sync(removed)
        return total

    def _wanted(self) -> Iterator[Blob]:
        after = 0
        while page := snapshot.page_of_blobs(self._connection, after, PAGE):
            yield from page
            after = page[-1].id

    def _is_there(self, blob: Blob) -> bool:
        try:
            return self._target.get_size(self._path(blob)) == blob.size
        except FileNotFoundError:
            return False

    def _is_good(self, blob: Blob) -> bool:
        with self._target.stream_read_file(self._path(blob)) as file:
            checked = _Checked(file, blob)
            try:
                while checked.read(PIECE):
                    pass
            except Unusable:
                return False
        return True

    def _copy(self, blob: Blob) -> None:
        path = self._path(blob)
        try:
            with _opened(self._source, path) as file:
                checked = _Checked(file, blob)
                if blob.size > SMALL:
                    self._target.stream_write(path, cast(BinaryIO, checked))
                else:
                    self._batch.append((path, b"".join(iter(lambda: checked.read(PIECE), b""))))
        except Unusable as error:
            self._problems.append(Problem(blob.digest, f"{error} in {self._where}"))
            return
        self._new_blobs += 1
        self._new_bytes += blob.size
        if len(self._batch) >= BATCH or sum(len(content) for _, content in self._batch) >= BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        put(self._target, self._batch, durable=True)
        self._batch.clear()

    def _path(self, blob: Blob) -> str:
        return self._target.blob_path(blob.digest, blob.generation)


def put(storage: Storage, contents: list[tuple[str, bytes]], *, durable: bool) -> None:
    """`put_contents` that raises the first error."""
    if contents:
        for error in storage.put_contents(contents, durable=durable):
            if error is not None:
                raise error


class _Checked:
    """A source that raises Unusable at its end, or before, where it is not the blob."""

    def __init__(self, file: BinaryIO, blob: Blob) -> None:
        self._file = file
        self._blob = blob
        self._hasher = new_hasher(blob.digest.algorithm)
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        try:
            piece = self._file.read(size)
        except OSError as error:
            raise Unusable(f"cannot be read ({error.strerror})") from error
        self._size += len(piece)
        self._hasher.update(piece)
        if self._size > self._blob.size or (not piece and not self._is_whole()):
            raise Unusable("damaged")
        return piece

    def _is_whole(self) -> bool:
        return self._size == self._blob.size and self._hasher.hexdigest() == self._blob.digest.hex


def _opened(source: Callable[[str], BinaryIO], path: str) -> BinaryIO:
    try:
        return source(path)
    except FileNotFoundError as error:
        raise Unusable("missing") from error
    except OSError as error:
        raise Unusable(f"cannot be read ({error.strerror})") from error
