"""A meter is told of every call, once, with the driver's own seconds."""

import io
import time
from collections.abc import Iterator

import pytest

from orlop.storage.base import Storage
from orlop.storage.memory import MemoryStorage
from orlop.storage.metered import MeteredStorage


class Slow(MemoryStorage):
    def stream_read(self, path: str, bytes_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        for piece in super().stream_read(path, bytes_range):
            time.sleep(0.01)
            yield piece


@pytest.fixture
def told() -> list[tuple[str, float, BaseException | None]]:
    return []


@pytest.fixture
def storage(told: list[tuple[str, float, BaseException | None]]) -> Storage:
    return MeteredStorage(Slow(), lambda method, seconds, error: told.append((method, seconds, error)))


def test_each_method_is_told(storage: Storage, told: list[tuple[str, float, BaseException | None]]) -> None:
    storage.put_content("a/b", b"content")
    storage.put_contents([("a/b", b"content"), ("a/x", b"x")])
    storage.stream_write("a/c", io.BytesIO(b"content"))
    storage.get_content("a/b")
    list(storage.stream_read("a/b"))
    storage.stream_read_file("a/b").close()
    list(storage.list_directory("a"))
    storage.exists("a/b")
    storage.get_size("a/b")
    storage.copy("a/b", "a/d")
    storage.link("a/b", "a/e")
    storage.move("a/e", "a/f")
    storage.remove("a/f")
    list(storage.walk())
    storage.sync(["a/b"])
    storage.open_writer("a/g").close()
    storage.free_space()
    with pytest.raises(NotImplementedError):
        storage.open_descriptor("a/b")
    methods = {name for name in vars(Storage) if not name.startswith("_") and callable(getattr(Storage, name))}
    assert sorted(name for name, _, _ in told) == sorted(methods - {"close"})
    assert all(seconds >= 0 for _, seconds, _ in told)
    assert [name for name, _, error in told if error] == ["open_descriptor"]


def test_errors_are_told_and_passed_on(storage: Storage, told: list[tuple[str, float, BaseException | None]]) -> None:
    for name, call in (
        ("get_content", lambda: storage.get_content("missing")),
        ("stream_read", lambda: next(storage.stream_read("missing"))),
        ("list_directory", lambda: next(storage.list_directory("missing"))),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            call()
        method, _, error = told.pop()
        assert (method, error) == (name, caught.value)
        assert told == []


def test_the_consumers_seconds_do_not_count(
    storage: Storage, told: list[tuple[str, float, BaseException | None]]
) -> None:
    storage.put_content("a", b"content")
    for _ in storage.stream_read("a"):
        time.sleep(0.3)
    _, seconds, _ = told[-1]
    assert 0.01 <= seconds < 0.3


def test_a_stream_that_is_left_is_told(storage: Storage, told: list[tuple[str, float, BaseException | None]]) -> None:
    storage.put_content("a", b"x" * storage.buffer_size * 2)
    stream = storage.stream_read("a")
    next(stream)
    assert told[-1][0] == "put_content"
    del stream
    method, _, error = told[-1]
    assert (method, error) == ("stream_read", None)
