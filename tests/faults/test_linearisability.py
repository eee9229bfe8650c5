"""A tag that many push and read at once behaves like one value that changes at one moment."""

import pytest

from tests.faults.linearisability import Request, contradiction
from tests.faults.one_tag import WRITERS, push_and_pull
from tests.servers import OrlopServer


@pytest.mark.parametrize(
    ("history", "told"),
    [
        ("w a 0 1, r a 2 3", ""),
        ("w a 0 1, w b 2 3, r b 4 5", ""),
        ("w a 0 1, w b 2 6, r a 3 4, r b 5 7", ""),
        ("w a 0 9, r a 1 2, w b 3 4, r b 5 6", ""),
        ("w a 0 1, w b 0 1, r a 2 3, r a 4 5", ""),
        ("w a 0 1, w b 2 3, r a 4 5", "written while"),
        ("w a 0 1, w b 2 6, r b 3 4, r a 5 7", "written while"),
        ("w a 0 1, w b 0 9, r b 2 3, r a 4 5, r b 6 7", "was seen after"),
        ("w a 4 5, r a 1 2", "before it was written"),
    ],
)
def test_the_check_tells_possible_from_impossible(history: str, told: str) -> None:
    requests = []
    for item in history.split(", "):
        kind, value, started, ended = item.split()
        requests.append(Request(value, float(started), float(ended), kind == "w"))
    found = contradiction(requests)
    assert told in found
    assert bool(told) == bool(found)


@pytest.mark.parametrize("storage", ["local", "memory"])
@pytest.mark.parametrize("pushes", [40, pytest.param(1250, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
def test_pushes_and_pulls_of_one_tag_are_linearisable(storage: str, pushes: int) -> None:
    """B44."""
    with OrlopServer(storage=storage, LOG_LEVEL="warning") as server:
        requests = push_and_pull(server, "one/tag", pushes)
    assert sum(request.wrote for request in requests) == WRITERS * pushes
    assert sum(not request.wrote for request in requests) >= pushes
    assert contradiction(requests) == ""
