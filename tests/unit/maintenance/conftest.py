"""Registries on a folder, without a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scrubbing import house_in
from tests.unit.maintenance.upkeep import Upkeep
from tests.unit.registry.house import House


@pytest.fixture
def upkeep(tmp_path: Path) -> Iterator[Upkeep]:
    with Upkeep(tmp_path / "data") as upkeep:
        yield upkeep


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_in(tmp_path) as house:
        yield house
