"""A registry without its edge, on files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scrubbing import house_in
from tests.unit.registry.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_in(tmp_path) as house:
        yield house
