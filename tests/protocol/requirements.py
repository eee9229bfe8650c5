"""Which requirement a test shows: the ids of the table in docs/protocol.md."""

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])


def meets(*ids: str) -> Callable[[Test], Test]:
    """Names the requirements that a test shows. `test_requirements.py` compares them with the table."""

    def mark(test: Test) -> Test:
        return test

    return mark
