"""Objects in this process's memory: for trials and tests. It keeps the contract and has no optional capability."""

import errno
import io
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO, TypeAlias

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
from orlop.storage.paths import check_folder, check_path


class _Object:
    """Bytes under a path. `content` is replaced or appended to; bytes once they are final."""

    __slots__ = ("content", "modified", "written")

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = content
        self.modified = time.time()
        self.written = False
        """Whether a writer has the object."""


_Folder: TypeAlias = "dict[str, _Object | _Folder]"


class MemoryStorage(Storage):
    """One lock guards the tree of folders and is never held while a caller's code runs."""

    capabilities = Capabilities()
    buffer_size = 256 * 1024

    def __init__(self) -> None:
        self._root: _Folder = {}
        self._lock = threading.Lock()

    def get_content(self, path: str) -> bytes:
        check_path(path)
        with self._lock:
            return self._final(self._object(path))

    def put_content(self, path: str, content: Buffer, *, durable: bool = True) -> str:
        check_path(path)
        new = _Object(bytes(content))
        with self._lock:
            self._place(path, new)
        return f"memory:{path}"

    def stream_read(self, path: str, bytes_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        check_path(path)
        return self._pieces(path, *range_bounds(bytes_range))

    def _pieces(self, path: str, first: int, end: int | None) -> Iterator[bytes]:
        content = self.get_content(path)
        end = len(content) if end is None else min(end, len(content))
        for offset in range(first, end, self.buffer_size):
            yield content[offset : min(offset + self.buffer_size, end)]

    def stream_read_file(self, path: str) -> BinaryIO:
        return io.BytesIO(self.get_content(path))

    def stream_write(self, path: str, fp: BinaryIO) -> None:
        check_path(path)
        self.put_content(path, b"".join(source_pieces(fp, self.buffer_size)))

    def list_directory(self, path: str | None = None) -> Iterator[str]:
        folder = None if path is None else check_folder(path)
        return self._children(folder)

    def _children(self, folder: str | None) -> Iterator[str]:
        with self._lock:
            node = self._node(folder)
            names = list(node) if isinstance(node, dict) else []
        if not names:
            raise missing(folder or "")
        yield from names if folder is None else [f"{folder}/{name}" for name in names]

    def exists(self, path: str) -> bool:
        try:
            folder = check_folder(path)
        except ValueError:
            return False
        with self._lock:
            return self._node(folder) is not None

    def remove(self, path: str) -> None:
        path = check_folder(path)
        with self._lock:
            if self._node(path) is None:
                raise missing(path)
            self._take(path)

    def get_size(self, path: str) -> int:
        check_path(path)
        with self._lock:
            return len(self._object(path).content)

    def move(self, source: str, target: str) -> None:
        check_path(source)
        check_path(target)
        with self._lock:
            found = self._object(source)
            if source != target:
                self._place(target, found)
                self._take(source)

    def copy(self, source: str, target: str) -> None:
        check_path(source)
        check_path(target)
        with self._lock:
            self._place(target, _Object(self._final(self._object(source))))

    def link(self, source: str, target: str) -> None:
        self.copy(source, target)

    def walk(self, prefix: str | None = None) -> Iterator[Entry]:
        folder = None if prefix is None else check_folder(prefix)
        return self._entries(folder)

    def _entries(self, folder: str | None) -> Iterator[Entry]:
        with self._lock:
            node = self._node(folder)
            entries: list[Entry] = []
            subfolders: list[str] = []
            for name, child in node.items() if isinstance(node, dict) else ():
                path = name if folder is None else f"{folder}/{name}"
                if isinstance(child, _Object):
                    entries.append(Entry(path, len(child.content), child.modified))
                else:
                    subfolders.append(path)
        yield from entries
        for subfolder in subfolders:
            yield from self._entries(subfolder)

    def sync(self, paths: Iterable[str]) -> None:
        for path in paths:
            check_folder(path)

    def open_writer(self, path: str, *, append: bool = False) -> Writer:
        check_path(path)
        with self._lock:
            found = self._node(path)
            if isinstance(found, _Object) and found.written:
                raise BlockingIOError(errno.EWOULDBLOCK, "another writer has the object", path)
            if append:
                found = self._object(path)
                found.content = bytearray(found.content)
            else:
                found = _Object(bytearray())
                self._place(path, found)
            found.written = True
        return MemoryWriter(found, self._lock)

    def free_space(self) -> Space | None:
        return None

    def close(self) -> None:
        with self._lock:
            self._root = {}

    def _node(self, path: str | None) -> "_Object | _Folder | None":
        node: _Object | _Folder | None = self._root
        for segment in path.split("/") if path else ():
            if not isinstance(node, dict):
                return None
            node = node.get(segment)
        return node

    def _object(self, path: str) -> _Object:
        node = self._node(path)
        if not isinstance(node, _Object):
            raise missing(path)
        return node

    @staticmethod
    def _final(found: _Object) -> bytes:
        """The object's bytes; kept as such once nobody appends to them, so that the next reader copies nothing."""
        content = bytes(found.content)
        if not found.written:
            found.content = content
        return content

    def _place(self, path: str, new: _Object) -> None:
        *parents, leaf = path.split("/")
        folder = self._root
        for segment in parents:
            # Every segment is looked at before a folder is made, so that a refusal changes nothing: below a new folder
            # there can be no object in the way.
            child = folder.setdefault(segment, {})
            if isinstance(child, _Object):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            folder = child
        if isinstance(folder.get(leaf), dict):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        folder[leaf] = new

    def _take(self, path: str) -> None:
        """Take out what is at the path, and the folders that then hold nothing."""
        chain = [self._root]
        *parents, leaf = path.split("/")
        for segment in parents:
            child = chain[-1][segment]
            assert isinstance(child, dict)
            chain.append(child)
        del chain[-1][leaf]
        while parents and not chain.pop():
            del chain[-1][parents.pop()]


class MemoryWriter(Writer):
    """Appends to the object's bytearray."""

    def __init__(self, target: _Object, lock: threading.Lock) -> None:
        self._target = target
        self._lock = lock
        self._open = True

    @property
    def size(self) -> int:
        return len(self._target.content)

    def write(self, data: Buffer) -> None:
        self.writev([data])

    def writev(self, buffers: list[Buffer]) -> None:
        with self._lock:
            content = self._content()
            for data in buffers:
                content += data

    def truncate(self, size: int) -> None:
        with self._lock:
            content = self._content()
            if not 0 <= size <= len(content):
                raise ValueError(f"not within the object: {size}")
            del content[size:]

    def _content(self) -> bytearray:
        content = self._target.content
        if not self._open or not isinstance(content, bytearray):
            raise ValueError("the writer is closed")
        self._target.modified = time.time()
        return content

    def start_writeback(self, offset: int, length: int) -> None:
        pass

    def sync(self) -> None:
        pass

    def close(self) -> None:
        if self._open:
            self._open = False
            self._target.written = False

    def fileno(self) -> int:
        raise NotImplementedError("memory has no descriptors")
