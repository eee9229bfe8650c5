"""Objects of the local driver that are built in place.

The one writer of an object holds a lock (flock) on its file, which ends with the last descriptor and thus with the
process. A lock is of a file, not of a path: who got it looks whether the path still names that file, for the writer
before may have moved the object to its final place.
"""

import errno
import fcntl
import os

from orlop.storage import kernel
from orlop.storage.base import Buffer, Writer, missing
from orlop.storage.folders import NOTHING_THERE, Folders
from orlop.storage.local_bytes import write_all, writev_all
from orlop.storage.temporaries import Temporaries

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL

_ATTEMPTS = 1000


class LocalWriter(Writer):
    """Owns the locked descriptor, which stands at the object's end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def size(self) -> int:
        return os.fstat(self.fileno()).st_size

    def write(self, data: Buffer) -> None:
        write_all(self.fileno(), data)

    def writev(self, buffers: list[Buffer]) -> None:
        writev_all(self.fileno(), buffers)

    def truncate(self, size: int) -> None:
        descriptor = self.fileno()
        if not 0 <= size <= os.fstat(descriptor).st_size:
            raise ValueError(f"not within the object: {size}")
        os.ftruncate(descriptor, size)
        os.lseek(descriptor, size, os.SEEK_SET)

    def start_writeback(self, offset: int, length: int) -> None:
        kernel.start_writeback(self._descriptor, offset, length)

    def sync(self) -> None:
        os.fdatasync(self.fileno())

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def fileno(self) -> int:
        if self._descriptor < 0:
            raise ValueError("the writer is closed")
        return self._descriptor


class LocalWriters:
    """Opens writers below the open folder `root`."""

    def __init__(self, root: int, folders: Folders, temporaries: Temporaries) -> None:
        self._root = root
        self._folders = folders
        self._temporaries = temporaries

    def begin(self, path: str) -> LocalWriter:
        """A writer of a new, empty object under the path."""
        for _ in range(_ATTEMPTS):
            try:
                descriptor = kernel.open_beneath(self._root, path, _CREATE)
            except FileNotFoundError:
                self._folders.make(path.rpartition("/")[0])
            except FileExistsError:
                if writer := self._replace(path):
                    return writer
            else:
                if self._lock(descriptor, path):
                    return LocalWriter(descriptor)
        raise _contended(path)

    def resume(self, path: str) -> LocalWriter:
        """A writer at the end of the object that is there."""
        for _ in range(_ATTEMPTS):
            try:
                descriptor = self._open(path)
            except IsADirectoryError:
                raise missing(path) from None
            if self._lock(descriptor, path):
                if os.fstat(descriptor).st_nlink > 1:
                    os.close(descriptor)
                    raise PermissionError(errno.EPERM, "the object's bytes are shared and thus final", path)
                os.lseek(descriptor, 0, os.SEEK_END)
                return LocalWriter(descriptor)
        raise _contended(path)

    def _replace(self, path: str) -> LocalWriter | None:
        """A writer of an empty object in place of the one that is there; None if that is gone by now.

        Nothing is emptied in place: readers have it open, and links share its bytes.
        """
        try:
            old = self._open(path)
        except FileNotFoundError:
            return None
        if not self._lock(old, path):
            return None
        try:
            return self._put_empty(path)
        finally:
            os.close(old)

    def _put_empty(self, path: str) -> LocalWriter:
        name = self._temporaries.name()
        descriptor = self._temporaries.create(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._folders.place(os.rename, self._temporaries.descriptor, name, path, durable=False)
        except BaseException:
            os.close(descriptor)
            self._temporaries.discard(name)
            raise
        return LocalWriter(descriptor)

    def _open(self, path: str) -> int:
        try:
            return kernel.open_beneath(self._root, path, os.O_RDWR)
        except OSError as error:
            if error.errno in NOTHING_THERE:
                raise missing(path) from None
            raise

    def _lock(self, descriptor: int, path: str) -> bool:
        """Whether the descriptor now holds the lock and is the path's object; else it is closed."""
        ours = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = self._is_at(path, os.fstat(descriptor))
        except BlockingIOError:
            raise BlockingIOError(errno.EWOULDBLOCK, "another writer has the object", path) from None
        finally:
            if not ours:
                os.close(descriptor)
        return ours

    def _is_at(self, path: str, status: os.stat_result) -> bool:
        try:
            return os.path.samestat(status, os.stat(path, dir_fd=self._root, follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return False


def _contended(path: str) -> OSError:
    return OSError(errno.EBUSY, "the object was replaced again and again", path)
