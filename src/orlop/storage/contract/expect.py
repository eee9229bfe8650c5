"""What the cases say when a driver doesn't keep the contract: an operator reads it, without pytest's help."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orlop.storage.base import Storage


def equal(actual: object, wanted: object) -> None:
    """AssertionError unless both are equal; long values are shown in part."""
    if actual != wanted:
        raise AssertionError(f"got {_shown(actual)} instead of {_shown(wanted)}")


def true(condition: object, otherwise: str) -> None:
    """AssertionError with `otherwise` unless the condition holds."""
    if not condition:
        raise AssertionError(otherwise)


@contextmanager
def raises(kind: type[Exception], what: str = "the call") -> Iterator[None]:
    """AssertionError unless the block raises an error of this kind."""
    try:
        yield
    except kind:
        return
    except Exception as error:
        raise AssertionError(f"{what} raised {error!r} instead of {kind.__name__}") from error
    raise AssertionError(f"{what} raised no {kind.__name__}")


def holds(storage: Storage, path: str, content: bytes) -> None:
    """AssertionError unless the object is there, whole, by whatever way it is read."""
    true(storage.exists(path), f"{path} doesn't exist")
    equal(storage.get_content(path), content)
    equal(b"".join(storage.stream_read(path)), content)
    equal(storage.get_size(path), len(content))


def absent(storage: Storage, path: str) -> None:
    """AssertionError unless nothing is at the path, by whatever way it is asked for."""
    true(not storage.exists(path), f"{path} exists")
    with raises(FileNotFoundError, "get_content"):
        storage.get_content(path)
    with raises(FileNotFoundError, "get_size"):
        storage.get_size(path)
    with raises(FileNotFoundError, "list_directory"):
        next(storage.list_directory(path))


def paths(storage: Storage, prefix: str | None = None) -> list[str]:
    """All objects below the folder, sorted."""
    return sorted(entry.path for entry in storage.walk(prefix))


class Source(io.RawIOBase):
    """A source for `stream_write` that runs `at_end` when all was read, which may raise."""

    def __init__(self, content: bytes, at_end: Callable[[], None] = lambda: None) -> None:
        self._content = io.BytesIO(content)
        self._at_end = at_end
        self.asked: set[int] = set()

    def read(self, size: int = -1) -> bytes:
        self.asked.add(size)
        piece = self._content.read(size)
        if not piece:
            self._at_end()
        return piece


def _shown(value: object) -> str:
    text = repr(value)
    length = f" ({len(value)} bytes)" if isinstance(value, bytes) else ""
    return text if len(text) <= 200 else f"{text[:150]}…{length}"
