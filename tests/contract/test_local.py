"""The local driver keeps the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop.storage.base import Storage
from orlop.storage.contract import StorageContract as TestContract  # noqa: F401
from orlop.storage.local import LocalStorage


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with LocalStorage(tmp_path / "store") as store:
        yield store
