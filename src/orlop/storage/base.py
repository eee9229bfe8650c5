"""The contract of every storage driver. `orlop.storage.contract` is the same in tests."""

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, TypeAlias

from orlop.storage.layout import Layout
from orlop.storage.paths import InvalidPath, check_path

__all__ = ["Buffer", "Capabilities", "Entry", "InvalidPath", "Space", "Storage", "Writer"]

Buffer: TypeAlias = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a driver can do beyond the contract."""

    descriptors: bool = False
    """`open_descriptor` and `Writer.fileno` give file descriptors."""

    hard_links: bool = False
    """`link` shares the bytes instead of copying them."""

    free_space: bool = False
    """`free_space` tells."""

    durable: bool = False
    """What is promised to be durable outlives a power cut."""


class Entry(NamedTuple):
    """One object, as `walk` met it."""

    path: str
    size: int
    """Bytes."""
    modified: float
    """When its content was last written: seconds since the epoch, by the store's clock."""


class Space(NamedTuple):
    """Bytes of the file system or quota that holds the store."""

    total: int
    free: int
    """What this process may still fill."""


class Writer:
    """An object that is being built in place, from one end to the other, by one writer at a time.

    Not for two threads at once. What was written stays when the writer closes, for whatever reason.
    """

    @property
    def size(self) -> int:
        """Bytes in the object now, asked of the store: the truth, also after a write that failed in its middle."""
        raise NotImplementedError

    def write(self, data: Buffer) -> None:
        """Append all of `data`, or raise; then `size` tells how much of it arrived."""
        raise NotImplementedError

    def writev(self, buffers: list[Buffer]) -> None:
        """Append all buffers in their order, or raise; then `size` tells how much arrived."""
        raise NotImplementedError

    def truncate(self, size: int) -> None:
        """Drop what lies beyond `size` bytes; the next write goes there. ValueError: there are fewer."""
        raise NotImplementedError

    def start_writeback(self, offset: int, length: int) -> None:
        """Hint that these bytes may go to disk now, so that `sync` finds little left. Doesn't wait, never raises."""
        raise NotImplementedError

    def sync(self) -> None:
        """Make the bytes so far durable. The name is made durable by `Storage.move` or `Storage.sync`.

        After an error it isn't known which bytes are durable: start the object anew.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the object, which keeps its bytes. A second call does nothing."""
        raise NotImplementedError

    def fileno(self) -> int:
        """The descriptor, at whose own position bytes may be written; it stays the writer's.

        Only if `capabilities.descriptors`. A duplicate keeps other writers out until it is closed too.
        """
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Storage(Layout):
    """Objects by path; folders are the prefixes of their paths and need not be made.

    Held by every driver, in all methods:

    - A path that can't be (see `orlop.storage.paths`) raises InvalidPath at the call, before any I/O. Where a folder
      may be named, one `/` may end the path.
    - A missing object raises FileNotFoundError, as do a folder where an object is asked for and a path below an object.
    - To write where a folder is, or below an object, raises an OSError and changes nothing.
    - *Atomic*: at every moment, also after a crash, a reader finds the whole old object, the whole new one, or none.
    - *Durable*: if `capabilities.durable`, it outlives a power cut once the call has returned.
    - Other errors of the store are OSErrors, passed on. Many threads and processes may call all methods at once.
    """

    buffer_size = 64 * 1024
    """Most bytes in one piece of `stream_read`, and bytes asked of the source of `stream_write` at a time."""

    capabilities = Capabilities()

    def get_content(self, path: str) -> bytes:
        """Return the whole object, as one write left it. Costs its size in memory."""
        raise NotImplementedError

    def put_content(self, path: str, content: Buffer, *, durable: bool = True) -> str:
        """Make or replace an object, atomically; durable unless told otherwise, then after `sync`.

        Returns where it lies, in words for a person. `durable=False` never waits for the disk.
        """
        raise NotImplementedError

    def put_contents(self, contents: Sequence[tuple[str, Buffer]], *, durable: bool = True) -> list[OSError | None]:
        """`put_content` of several objects, in their order; for each its error, or None.

        Each is atomic, all together are not. An invalid path raises before anything is put. A driver that syncs does so
        for all at once: that costs little more than for one.
        """
        for path, _ in contents:
            check_path(path)
        errors: list[OSError | None] = []
        for path, content in contents:
            try:
                self.put_content(path, content, durable=durable)
            except OSError as error:
                errors.append(error.with_traceback(None))  # it holds this frame, which holds the errors: a cycle
            else:
                errors.append(None)
        return errors

    def stream_read(self, path: str, bytes_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        """Yield an object in pieces, or its bytes from `bytes_range[0]` to and with `bytes_range[1]`.

        A range is cut at the object's end: nothing comes of one that begins there or later. ValueError for a negative
        start and for an end before the start. A missing object raises on the first `next()`. The pieces are of one
        object, also when it is replaced or removed meanwhile.
        """
        raise NotImplementedError

    def stream_read_file(self, path: str) -> BinaryIO:
        """Return the object as a file that reads and need not seek; the caller closes it."""
        raise NotImplementedError

    def stream_write(self, path: str, fp: BinaryIO) -> None:
        """Make or replace an object of all that `fp.read(buffer_size)` gives until it is empty; atomic and durable.

        An error of the source is passed on as it is and leaves what was there before.
        """
        raise NotImplementedError

    def list_directory(self, path: str | None = None) -> Iterator[str]:
        """Yield the paths of all objects and folders directly in a folder (None: the root), in no order.

        FileNotFoundError on the first `next()` if nothing is in it, if it is missing, or an object. What comes and goes
        meanwhile may be yielded or not. Costs one request for about a thousand children.
        """
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        """Whether there is an object, or a folder with something in it. Never raises: False where it can't be told.

        A driver may say True of a folder that has just become empty.
        """
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Remove an object, or a folder and all that is in it when called; durable after `sync`.

        FileNotFoundError if there is nothing. Readers that have it open read on. Folders that become empty go too, but
        no concurrent write fails for that. A folder of n objects costs n requests.
        """
        raise NotImplementedError

    def get_size(self, path: str) -> int:
        """Return the object's bytes."""
        raise NotImplementedError

    def move(self, source: str, target: str) -> None:
        """Give an object another path, replacing what is there: atomic, and the name durable before it returns.

        The bytes must be durable already (`Writer.sync`, `put_content`): they aren't synced again. An open writer goes
        along: move first and close then, so that nobody else continues the object in between. Costs no copy on a file
        system, one on an object store.
        """
        raise NotImplementedError

    def copy(self, source: str, target: str) -> None:
        """Make or replace `target` with the bytes of `source`: atomic and durable. No bytes pass through the caller."""
        raise NotImplementedError

    def link(self, source: str, target: str) -> None:
        """Like `copy`, but shares the bytes if `capabilities.hard_links` and the file system lets it.

        The bytes must be durable already. Shared bytes are final: no writer continues them.
        """
        raise NotImplementedError

    def walk(self, prefix: str | None = None) -> Iterator[Entry]:
        """Yield every object below a folder (None: the root), in no order; nothing if the folder is missing.

        Neither folders nor temporary files. What is there all along comes exactly once; what comes and goes, or not.
        """
        raise NotImplementedError

    def sync(self, paths: Iterable[str]) -> None:
        """Make durable what was put with `durable=False`, built by a writer, or removed at these paths.

        One call with many paths is far cheaper than many calls. A path at which nothing is counts as removed.
        """
        raise NotImplementedError

    def open_writer(self, path: str, *, append: bool = False) -> Writer:
        """Make an empty object, or replace one by an empty one, and build it in place; readers see it grow.

        With `append`, continue the object at its end: FileNotFoundError if it is absent, PermissionError if its bytes
        are shared by `link`. BlockingIOError while another writer, in whatever process, has the object.
        """
        raise NotImplementedError

    def open_descriptor(self, path: str) -> int:
        """Return a descriptor that reads the object; the caller closes it. Only if `capabilities.descriptors`."""
        raise NotImplementedError

    def free_space(self) -> Space | None:
        """How much room there is; None unless `capabilities.free_space`."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the store. No method may be called afterwards, but for `close`."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def range_bounds(bytes_range: tuple[int, int] | None) -> tuple[int, int | None]:
    """Where an inclusive range begins and what it stops before (None: the object's end); ValueError if it is none."""
    if bytes_range is None:
        return 0, None
    first, last = bytes_range
    if first < 0 or last < first:
        raise ValueError(f"no range of bytes: {first} to {last}")
    return first, last + 1


def source_pieces(fp: BinaryIO, size: int) -> Iterator[bytes]:
    """All that a source has to give, in pieces. A source that answers None isn't at its end, it has nothing yet."""
    while piece := fp.read(size):
        yield piece
    if piece is None:
        raise BlockingIOError(errno.EAGAIN, "the source would have to be waited for")


def missing(path: str) -> FileNotFoundError:
    """The error for a path at which there is nothing; it names the path below the root, not where that lies."""
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
