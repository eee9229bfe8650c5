"""A registry without its edge: the memory driver, a database file, and what is built on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.registry.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path / "orlop.db") as house:
        yield house
