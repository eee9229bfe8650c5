"""A storage URL opens the driver that it names; any other is refused with what is known."""

from pathlib import Path

import pytest

from orlop.domain.errors import StoreRefused
from orlop.storage.local import LocalStorage
from orlop.storage.location import open_storage
from orlop.storage.memory import MemoryStorage


def test_memory() -> None:
    with open_storage("memory:") as storage:
        assert isinstance(storage, MemoryStorage)
        assert storage.put_content("a", b"") == "memory:a"


@pytest.mark.parametrize("form", ["file:{}", "file://{}", "file:///{}"])
def test_absolute_path(tmp_path: Path, form: str) -> None:
    with open_storage(form.format(tmp_path / "a b%20c")) as storage:
        assert isinstance(storage, LocalStorage)
        storage.put_content("x", b"content")
    assert (tmp_path / "a b%20c" / "x").read_bytes() == b"content"


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_storage("file:data/store") as storage:
        monkeypatch.chdir("/")
        assert storage.put_content("x", b"") == f"{tmp_path}/data/store/x"


@pytest.mark.parametrize(
    "url",
    ["", "file", "file:", "file://host/path", "file:a\0b", "memory:x", "s3://key:secret@bucket", "/srv", "FILE:/x"],
)
def test_others_are_refused(url: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        open_storage(url)
    assert "file:PATH, file:///PATH or memory:" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
