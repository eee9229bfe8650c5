"""A registry on a folder, without a server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.maintenance.upkeep import Upkeep


@pytest.fixture
def upkeep(tmp_path: Path) -> Iterator[Upkeep]:
    with Upkeep(tmp_path / "data") as upkeep:
        yield upkeep
