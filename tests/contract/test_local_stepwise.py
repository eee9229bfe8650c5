"""The local driver keeps the contract also where there is no openat2: on old kernels and in sandboxes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop.storage import kernel
from orlop.storage.base import Storage
from orlop.storage.contract import StorageContract as TestContract  # noqa: F401
from orlop.storage.local import LocalStorage


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    monkeypatch.setattr(kernel, "_without_openat2", True)
    with LocalStorage(tmp_path / "store") as store:
        yield store
