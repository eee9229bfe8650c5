"""Counts what a driver is asked, how long that takes and how often it fails."""

from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter
from types import TracebackType
from typing import BinaryIO, Protocol, TypeVar

from orlop.storage.base import Buffer, Entry, Space, Storage, Writer

T = TypeVar("T")


class Meter(Protocol):
    """Told of each call when it is over; from many threads."""

    def __call__(self, method: str, seconds: float, error: BaseException | None, /) -> None:
        """The driver took `seconds` and raised `error`, or None; to find nothing is FileNotFoundError."""


class MeteredStorage(Storage):
    """A driver with a meter; it gives what the driver gives.

    Writers, descriptors and files are the driver's own: what is done with them later isn't told. An iteration is told
    when it ends, with the seconds that the driver took, without its consumer's.
    """

    def __init__(self, driver: Storage, meter: Meter) -> None:
        self._driver = driver
        self._meter = meter
        self.capabilities = driver.capabilities
        self.buffer_size = driver.buffer_size

    def get_content(self, path: str) -> bytes:
        with _Call(self._meter, "get_content"):
            return self._driver.get_content(path)

    def put_content(self, path: str, content: Buffer, *, durable: bool = True) -> str:
        with _Call(self._meter, "put_content"):
            return self._driver.put_content(path, content, durable=durable)

    def put_contents(self, contents: Sequence[tuple[str, Buffer]], *, durable: bool = True) -> list[OSError | None]:
        with _Call(self._meter, "put_contents"):
            return self._driver.put_contents(contents, durable=durable)

    def stream_read(self, path: str, bytes_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        return self._metered("stream_read", self._driver.stream_read(path, bytes_range))

    def stream_read_file(self, path: str) -> BinaryIO:
        with _Call(self._meter, "stream_read_file"):
            return self._driver.stream_read_file(path)

    def stream_write(self, path: str, fp: BinaryIO) -> None:
        with _Call(self._meter, "stream_write"):
            self._driver.stream_write(path, fp)

    def list_directory(self, path: str | None = None) -> Iterator[str]:
        return self._metered("list_directory", self._driver.list_directory(path))

    def exists(self, path: str) -> bool:
        with _Call(self._meter, "exists"):
            return self._driver.exists(path)

    def remove(self, path: str) -> None:
        with _Call(self._meter, "remove"):
            self._driver.remove(path)

    def get_size(self, path: str) -> int:
        with _Call(self._meter, "get_size"):
            return self._driver.get_size(path)

    def move(self, source: str, target: str) -> None:
        with _Call(self._meter, "move"):
            self._driver.move(source, target)

    def copy(self, source: str, target: str) -> None:
        with _Call(self._meter, "copy"):
            self._driver.copy(source, target)

    def link(self, source: str, target: str) -> None:
        with _Call(self._meter, "link"):
            self._driver.link(source, target)

    def walk(self, prefix: str | None = None) -> Iterator[Entry]:
        return self._metered("walk", self._driver.walk(prefix))

    def sync(self, paths: Iterable[str]) -> None:
        with _Call(self._meter, "sync"):
            self._driver.sync(paths)

    def open_writer(self, path: str, *, append: bool = False) -> Writer:
        with _Call(self._meter, "open_writer"):
            return self._driver.open_writer(path, append=append)

    def open_descriptor(self, path: str) -> int:
        with _Call(self._meter, "open_descriptor"):
            return self._driver.open_descriptor(path)

    def free_space(self) -> Space | None:
        with _Call(self._meter, "free_space"):
            return self._driver.free_space()

    def close(self) -> None:
        self._driver.close()

    def _metered(self, method: str, items: Iterator[T]) -> Iterator[T]:
        seconds = 0.0
        failure: BaseException | None = None
        try:
            while True:
                started = perf_counter()
                try:
                    item = next(items)
                except StopIteration:
                    return
                except BaseException as error:
                    failure = error
                    raise
                finally:
                    seconds += perf_counter() - started
                yield item
        finally:
            self._meter(method, seconds, failure)


class _Call:
    """One call; a class, for a generator in its place would cost five times as much."""

    __slots__ = ("_meter", "_method", "_started")

    def __init__(self, meter: Meter, method: str) -> None:
        self._meter = meter
        self._method = method

    def __enter__(self) -> None:
        self._started = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._meter(self._method, perf_counter() - self._started, error)
