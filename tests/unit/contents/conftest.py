"""A registry with an index of contents, as its use cases see them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.contents.known import Known
from tests.unit.registry.house import House
from tests.unit.registry.v1_house import V1House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path / "orlop.db") as house:
        yield house


@pytest.fixture
def known(house: House, tmp_path: Path) -> Iterator[Known]:
    known = Known(house, tmp_path / "contents.db")
    yield known
    known.close()


@pytest.fixture
def v1(house: House) -> V1House:
    return V1House(house)
