"""Objects as files below a folder.

A new object is written in the driver's session below `.tmp/` (see `temporaries`), synced, renamed into its place, and
its folder synced (see `folders`).
"""

import errno
import functools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO

from orlop.storage import kernel
from orlop.storage.base import (
    Buffer,
    Capabilities,
    Entry,
    Space,
    Storage,
    Writer,
    missing,
    range_bounds,
    source_pieces,
)
from orlop.storage.folders import NOTHING_THERE, Folders, Placing
from orlop.storage.local_batch import Batch
from orlop.storage.local_bytes import copy_bytes, pour, write_all
from orlop.storage.local_writer import LocalWriters
from orlop.storage.paths import check_folder, check_path
from orlop.storage.root import open_root, open_temporaries

_FEW = 4
"""Objects that are synced one by one. More cost less with all of the file system: on ext4, 32 took 2 ms, not 10."""

_FIRST_READ = 64 * 1024
_NEXT_READ = 1 << 20

_CANNOT_LINK = (errno.EMLINK, errno.EXDEV, errno.EPERM, errno.ENOTSUP)

_link = functools.partial(os.link, follow_symlinks=False)
_ATTEMPTS = 1000


def _link_replaced(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
    """`_link` from a name to which others may rename: in the moment in which they do, link(2) finds nothing there."""
    for _ in range(_ATTEMPTS):
        try:
            return _link(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        except FileNotFoundError:
            os.stat(source, dir_fd=src_dir_fd, follow_symlinks=False)
    raise OSError(errno.EBUSY, f"{source} is replaced again and again")


class LocalStorage(Storage):
    """The folder `root`, made if it is missing; StoreRefused if it can't be written or its file system is unfit.

    A network file system is refused unless `allow_network_filesystem`. A process that was forked off opens a store of
    its own: closing the one that it inherited would end its parent's session.
    """

    capabilities = Capabilities(descriptors=True, hard_links=True, free_space=True, durable=True)
    buffer_size = 256 * 1024

    def __init__(self, root: str | os.PathLike[str], *, allow_network_filesystem: bool = False) -> None:
        self.root = os.path.realpath(root)
        self._root = open_root(self.root, allow_network_filesystem=allow_network_filesystem)
        try:
            self._temporaries = open_temporaries(self.root, self._root)
        except BaseException:
            os.close(self._root)
            raise
        self._folders = Folders(self._root)
        self._writers = LocalWriters(self._root, self._folders, self._temporaries)
        if self._temporaries.found_dead:
            # A dead process may have made folders that it didn't come to sync, and that look durable now.
            self._folders.sync_all()

    def get_content(self, path: str) -> bytes:
        descriptor = self.open_descriptor(path)
        try:
            pieces = [os.read(descriptor, _FIRST_READ)]
            if len(pieces[0]) < _FIRST_READ:
                return pieces[0]
            while piece := os.read(descriptor, _NEXT_READ):
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            os.close(descriptor)

    def put_content(self, path: str, content: Buffer, *, durable: bool = True) -> str:
        check_path(path)
        self._build(path, lambda descriptor: write_all(descriptor, content), durable=durable)
        return f"{self.root}/{path}"

    def put_contents(self, contents: Sequence[tuple[str, Buffer]], *, durable: bool = True) -> list[OSError | None]:
        for path, _ in contents:
            check_path(path)
        if len(contents) == 1 or not durable:
            return super().put_contents(contents, durable=durable)
        return Batch(self._folders, self._temporaries).put(contents)

    def stream_read(self, path: str, bytes_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        check_path(path)
        return self._pieces(path, *range_bounds(bytes_range))

    def _pieces(self, path: str, offset: int, end: int | None) -> Iterator[bytes]:
        descriptor = self.open_descriptor(path)
        try:
            while end is None or offset < end:
                wanted = self.buffer_size if end is None else min(self.buffer_size, end - offset)
                piece = os.pread(descriptor, wanted, offset)
                if not piece:
                    return
                yield piece
                offset += len(piece)
        finally:
            os.close(descriptor)

    def stream_read_file(self, path: str) -> BinaryIO:
        return os.fdopen(self.open_descriptor(path), "rb")

    def stream_write(self, path: str, fp: BinaryIO) -> None:
        check_path(path)
        self._build(path, lambda descriptor: pour(source_pieces(fp, self.buffer_size), descriptor))

    def list_directory(self, path: str | None = None) -> Iterator[str]:
        return self._children("" if path is None else check_folder(path))

    def _children(self, folder: str) -> Iterator[str]:
        empty = True
        for entry in self._folders.entries(folder):
            empty = False
            yield f"{folder}/{entry.name}" if folder else entry.name
        if empty:
            raise missing(folder)

    def exists(self, path: str) -> bool:
        try:
            descriptor = kernel.open_beneath(self._root, check_folder(path), os.O_PATH)
        except (OSError, ValueError):
            return False
        os.close(descriptor)
        return True

    def remove(self, path: str) -> None:
        path = check_folder(path)
        folder, _, name = path.rpartition("/")
        try:
            descriptor = self._folders.open(folder)
            try:
                os.unlink(name, dir_fd=descriptor)
            except IsADirectoryError:
                self._remove_folder(descriptor, name, path)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            raise missing(path) from None
        self._folders.tidy(folder)

    def _remove_folder(self, above: int, name: str, path: str) -> None:
        """Rename it away, so that it is gone at once and new writers start a new one, and remove it then."""
        doomed = self._temporaries.name()
        self._folders.take(above, name, path, self._temporaries.descriptor, doomed)
        self._temporaries.discard(doomed)

    def get_size(self, path: str) -> int:
        check_path(path)
        descriptor = self._open_object(path, os.O_PATH)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def move(self, source: str, target: str) -> None:
        check_path(source)
        check_path(target)
        self._place_object(os.rename, source, target)
        self._folders.tidy(source.rpartition("/")[0])

    def copy(self, source: str, target: str) -> None:
        check_path(target)
        descriptor = self.open_descriptor(source)
        try:
            self._build(target, lambda into: copy_bytes(descriptor, into))
        finally:
            os.close(descriptor)

    def link(self, source: str, target: str) -> None:
        check_path(source)
        check_path(target)
        try:
            try:
                self._place_object(_link, source, target)
            except FileExistsError:
                self._link_over(source, target)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            self.copy(source, target)

    def _link_over(self, source: str, target: str) -> None:
        """Replace `target`, which link(2) won't: link to a temporary name, then rename that."""
        name = self._temporaries.name()
        session = self._temporaries.descriptor
        folder, _, leaf = source.rpartition("/")
        descriptor = self._folders.open(folder)
        try:
            _link_replaced(leaf, name, src_dir_fd=descriptor, dst_dir_fd=session)
            self._folders.place(os.rename, session, name, target, durable=True)
        finally:
            os.close(descriptor)
            self._temporaries.discard(name)  # rename(2) leaves it if the two were one file before

    def _place_object(self, placing: Placing, source: str, target: str) -> None:
        folder, _, name = source.rpartition("/")
        try:
            descriptor = self._folders.open(folder)
        except FileNotFoundError:
            raise missing(source) from None
        try:
            self._folders.place(placing, descriptor, name, target, durable=True)
        except FileNotFoundError:
            raise missing(source) from None
        finally:
            os.close(descriptor)

    def walk(self, prefix: str | None = None) -> Iterator[Entry]:
        return self._objects("" if prefix is None else check_folder(prefix))

    def _objects(self, folder: str) -> Iterator[Entry]:
        subfolders = []
        with suppress(FileNotFoundError):
            for entry in self._folders.entries(folder):
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    subfolders.append(path)
                    continue
                status = entry.stat(follow_symlinks=False)
                yield Entry(path, status.st_size, status.st_mtime)
        for subfolder in subfolders:
            yield from self._objects(subfolder)

    def sync(self, paths: Iterable[str]) -> None:
        distinct = {check_folder(path) for path in paths}
        if len(distinct) > _FEW:
            self._folders.sync_all()
            return
        for path in distinct:
            self._sync_bytes(path)
        for folder in {path.rpartition("/")[0] for path in distinct}:
            self._folders.sync(folder)

    def open_writer(self, path: str, *, append: bool = False) -> Writer:
        check_path(path)
        return self._writers.resume(path) if append else self._writers.begin(path)

    def open_descriptor(self, path: str) -> int:
        check_path(path)
        return self._open_object(path, os.O_RDONLY)

    def free_space(self) -> Space | None:
        status = os.statvfs(self._root)
        return Space(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)

    def close(self) -> None:
        if self._root >= 0:
            self._temporaries.close()
            os.close(self._root)
            self._root = -1

    def _open_object(self, path: str, flags: int) -> int:
        try:
            descriptor = kernel.open_beneath(self._root, path, flags)
        except OSError as error:
            if error.errno in NOTHING_THERE:
                raise missing(path) from None
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise missing(path)
        return descriptor

    def _build(self, path: str, fill: Callable[[int], None], *, durable: bool = True) -> None:
        """Make an object of what `fill` writes to a descriptor, or nothing if that raises."""
        name = self._temporaries.name()
        try:
            descriptor = self._temporaries.create(name)
            try:
                fill(descriptor)
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._folders.place(os.rename, self._temporaries.descriptor, name, path, durable=durable)
        except BaseException:
            self._temporaries.discard(name)
            raise

    def _sync_bytes(self, path: str) -> None:
        try:
            descriptor = kernel.open_beneath(self._root, path, os.O_RDONLY)
        except OSError as error:
            if error.errno in NOTHING_THERE:
                return  # removed: the folder's sync is all there is to do
            raise
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
