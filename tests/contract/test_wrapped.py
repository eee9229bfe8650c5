"""What wraps a driver keeps the contract: a meter, and a folder as a store of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop.storage.base import Storage
from orlop.storage.contract import StorageContract as TestContract  # noqa: F401
from orlop.storage.local import LocalStorage
from orlop.storage.metered import MeteredStorage
from orlop.storage.subtree import Subtree


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with LocalStorage(tmp_path / "store") as store:
        yield MeteredStorage(Subtree(store, "a/folder"), lambda method, seconds, error: None)
