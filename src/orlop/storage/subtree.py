"""A folder of a store as a store of its own."""

from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from orlop.storage.base import Buffer, Entry, Space, Storage, Writer
from orlop.storage.paths import check_folder


class Subtree(Storage):
    """The objects below `folder`, by their paths from there. No path leads out of it."""

    def __init__(self, store: Storage, folder: str) -> None:
        self._store = store
        self._folder = check_folder(folder)
        self.capabilities = store.capabilities
        self.buffer_size = store.buffer_size

    def get_content(self, path: str) -> bytes:
        return self._store.get_content(self._below(path))

    def put_content(self, path: str, content: Buffer, *, durable: bool = True) -> str:
        return self._store.put_content(self._below(path), content, durable=durable)

    def put_contents(self, contents: Sequence[tuple[str, Buffer]], *, durable: bool = True) -> list[OSError | None]:
        return self._store.put_contents([(self._below(path), data) for path, data in contents], durable=durable)

    def stream_read(self, path: str, bytes_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        return self._store.stream_read(self._below(path), bytes_range)

    def stream_read_file(self, path: str) -> BinaryIO:
        return self._store.stream_read_file(self._below(path))

    def stream_write(self, path: str, fp: BinaryIO) -> None:
        self._store.stream_write(self._below(path), fp)

    def list_directory(self, path: str | None = None) -> Iterator[str]:
        return map(self._inside, self._store.list_directory(self._below_or_all(path)))

    def exists(self, path: str) -> bool:
        return self._store.exists(self._below(path))

    def remove(self, path: str) -> None:
        self._store.remove(self._below(path))

    def get_size(self, path: str) -> int:
        return self._store.get_size(self._below(path))

    def move(self, source: str, target: str) -> None:
        self._store.move(self._below(source), self._below(target))

    def copy(self, source: str, target: str) -> None:
        self._store.copy(self._below(source), self._below(target))

    def link(self, source: str, target: str) -> None:
        self._store.link(self._below(source), self._below(target))

    def walk(self, prefix: str | None = None) -> Iterator[Entry]:
        entries = self._store.walk(self._below_or_all(prefix))
        return (entry._replace(path=self._inside(entry.path)) for entry in entries)

    def sync(self, paths: Iterable[str]) -> None:
        self._store.sync([self._below(path) for path in paths])

    def open_writer(self, path: str, *, append: bool = False) -> Writer:
        return self._store.open_writer(self._below(path), append=append)

    def open_descriptor(self, path: str) -> int:
        return self._store.open_descriptor(self._below(path))

    def free_space(self) -> Space | None:
        return self._store.free_space()

    def close(self) -> None:
        """Leaves the store open."""

    def _below(self, path: str) -> str:
        # An empty path, `/x` and `../x` become `folder/`, `folder//x` and `folder/../x`: the store refuses all but the
        # first, which would be this folder.
        return f"{self._folder}/{path or '.'}"

    def _below_or_all(self, folder: str | None) -> str:
        return self._folder if folder is None else self._below(folder)

    def _inside(self, path: str) -> str:
        return path.removeprefix(f"{self._folder}/")
