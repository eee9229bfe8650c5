"""The contract's cases see what a driver does wrong, and leave a store that is in use alone."""

import io
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from orlop.domain.errors import StoreRefused
from orlop.storage.base import Buffer, Entry, Space, Storage, Writer
from orlop.storage.contract import cases, run
from orlop.storage.local import LocalStorage
from orlop.storage.memory import MemoryStorage


class Truncating(MemoryStorage):
    """Takes a source's failure for its end."""

    def stream_write(self, path: str, fp: BinaryIO) -> None:
        pieces = []
        try:
            while piece := fp.read(self.buffer_size):
                pieces.append(piece)
        except Exception:
            pass
        super().stream_write(path, io.BytesIO(b"".join(pieces)))


class Exclusive(MemoryStorage):
    """Ends a range before its last byte."""

    def stream_read(self, path: str, bytes_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        if bytes_range and bytes_range[1] > bytes_range[0]:
            bytes_range = (bytes_range[0], bytes_range[1] - 1)
        return super().stream_read(path, bytes_range)


class Torn(MemoryStorage):
    """Replaces an object piece by piece."""

    def put_content(self, path: str, content: Buffer, *, durable: bool = True) -> str:
        half = len(content) // 2
        super().put_content(path, bytes(content)[:half])
        time.sleep(0.001)
        return super().put_content(path, content)


class Shared(MemoryStorage):
    """Lets two write one object."""

    def open_writer(self, path: str, *, append: bool = False) -> Writer:
        try:
            return super().open_writer(path, append=append)
        except BlockingIOError:
            return super().open_writer(f"{path}.2")


class Climbing(MemoryStorage):
    """Takes any path for one."""

    def get_content(self, path: str) -> bytes:
        return b"" if ".." in path else super().get_content(path)


class Forgetful(MemoryStorage):
    """Walks past what is nested."""

    def walk(self, prefix: str | None = None) -> Iterator[Entry]:
        return (entry for entry in super().walk(prefix) if entry.path.count("/") < 5)


@pytest.mark.parametrize(
    ("driver", "case"),
    [
        (Truncating, "a source that fails leaves nothing"),
        (Exclusive, "ranges are inclusive"),
        (Exclusive, "21 a stream and its range"),
        (Torn, "readers see whole objects only"),
        (Shared, "there is one writer at a time"),
        (Climbing, "invalid paths are refused by all that makes or reads"),
        (Forgetful, "walk yields every object with its size and time"),
    ],
)
def test_a_wrong_driver_is_caught(driver: type[Storage], case: str) -> None:
    failures = {verdict.case: verdict.failure for verdict in run(driver()) if verdict.failure}
    assert case in failures
    assert failures[case]


def test_all_upstream_cases_are_there() -> None:
    names = " ".join(cases())
    for number in (1, 2, 3, 8, 9, *range(14, 29)):
        assert f"{number:02} " in names
    assert names.count("2013 ") == 3


def test_each_method_is_every_drivers_own() -> None:
    methods = [name for name in vars(Storage) if not name.startswith("_") and callable(getattr(Storage, name))]
    assert [name for name in methods if name not in vars(LocalStorage)] == []
    assert [name for name in methods if name not in vars(MemoryStorage)] == ["put_contents", "open_descriptor"]


def test_a_nearly_full_store_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalStorage, "free_space", lambda self: Space(1 << 40, 200 << 20))
    with LocalStorage(tmp_path) as storage:
        with pytest.raises(StoreRefused, match="the test needs 256 MiB, and 200 MiB are free"):
            next(run(storage))
        assert list(storage.walk()) == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_store_in_use_is_left_alone(tmp_path: Path, whole: bool) -> None:
    with LocalStorage(tmp_path) as storage:
        storage.put_content("blobs/sha256/ab/abcd", b"content")
        before = list(storage.walk())
        with closing(run(storage)) as verdicts:
            assert next(verdicts).failure == ""
            assert len(list(storage.list_directory())) <= 2
            if whole:
                assert [verdict for verdict in verdicts if verdict.failure] == []
        assert list(storage.walk()) == before
        assert list(storage.list_directory()) == ["blobs"]
