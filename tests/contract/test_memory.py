"""The memory driver keeps the contract."""

import pytest

from orlop.storage.base import Storage
from orlop.storage.contract import StorageContract as TestContract  # noqa: F401
from orlop.storage.memory import MemoryStorage


@pytest.fixture
def storage() -> Storage:
    return MemoryStorage()
