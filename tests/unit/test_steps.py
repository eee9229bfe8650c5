"""Use cases in steps: alone, together, and when one of them fails."""

from collections.abc import Sequence
from typing import Any

import pytest

from orlop.steps import COMMIT, CONTENT, Step, Steps, perform, perform_together


class Disk:
    def __init__(self) -> None:
        self.done: list[tuple[str, list[Any]]] = []

    def put(self, arguments: Sequence[Any]) -> list[Any]:
        self.done.append(("put", list(arguments)))
        return [OSError("full") if argument == "bad" else None for argument in arguments]

    def commit(self, arguments: Sequence[Any]) -> list[Any]:
        self.done.append(("commit", list(arguments)))
        if "broken" in arguments:
            raise ValueError("all of them")
        return [f"{argument} is kept" for argument in arguments]


def push(disk: Disk, name: str) -> Steps[str]:
    yield Step(CONTENT, disk.put, name)
    result: str = yield Step(COMMIT, disk.commit, name)
    return result


def only_commit(disk: Disk, name: str) -> Steps[str]:
    result: str = yield Step(COMMIT, disk.commit, name)
    return result


def test_one_alone() -> None:
    disk = Disk()
    assert perform(push(disk, "a")) == "a is kept"
    assert disk.done == [("put", ["a"]), ("commit", ["a"])]


def test_equal_steps_are_done_together_and_one_that_begins_later_waits_for_the_others() -> None:
    disk = Disk()
    together = [only_commit(disk, "c"), push(disk, "a"), push(disk, "b")]
    assert perform_together(together) == ["c is kept", "a is kept", "b is kept"]
    assert disk.done == [("put", ["a", "b"]), ("commit", ["c", "a", "b"])]


def test_one_that_fails_does_not_stop_the_others() -> None:
    disk = Disk()
    good, bad = perform_together([push(disk, "a"), push(disk, "bad")])
    assert good == "a is kept"
    assert isinstance(bad, OSError)
    with pytest.raises(OSError, match="full"):
        perform(push(disk, "bad"))


def test_a_step_that_fails_as_a_whole_fails_each() -> None:
    answers = perform_together([push(Disk(), "a"), only_commit(Disk(), "broken")])
    assert answers[0] == "a is kept"
    assert isinstance(answers[1], ValueError)
