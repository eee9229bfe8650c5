"""Use cases in steps, so that many of them share the disk's syncs and the database's commits.

A use case that changes something is a generator. It yields each step that takes long, and goes on with its outcome. One
alone is performed step by step; of several together, in one thread, equal steps are done for all at once. Where sixteen
threads had a use case each, four tenths of the processor went into handing the interpreter's lock around (measured).
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, TypeVar

from orlop.combining import result_of

Result = TypeVar("Result")


class Step(NamedTuple):
    """One argument for `do`, which takes those of many use cases, and returns an outcome for each, in their order.

    An outcome that is an exception is raised in its use case.
    """

    order: int
    """Steps of a lower order are done first, so that use cases that began at different places come together."""
    do: Callable[[Sequence[Any]], Sequence[Any]]
    argument: Any


CONTENT, COMMIT, NAMES = range(3)
"""The orders of steps, as writes follow one another."""

Steps = Generator[Step, Any, Result]


class Case:
    """A use case on its way through its steps."""

    __slots__ = ("answer", "step", "steps")

    def __init__(self, steps: Steps[Any]) -> None:
        self.steps = steps
        self.step: Step | None = None
        self.answer: Any = None

    def advance(self, outcome: Any) -> None:
        """To the next step, or to the answer."""
        try:
            if isinstance(outcome, BaseException):
                self.step = self.steps.throw(outcome)
            else:
                self.step = self.steps.send(outcome)
        except StopIteration as end:
            self.step, self.answer = None, end.value
        except BaseException as error:  # noqa: BLE001  # it is the caller's, and the others go on
            self.step, self.answer = None, error


def perform(steps: Steps[Result]) -> Result:
    """One use case alone."""
    (answer,) = perform_together([steps])
    return result_of(answer)


def perform_together(
    use_cases: Sequence[Steps[Result]], reading: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> list[Result | BaseException]:
    """Several use cases; for each its result or what it raised. `reading` is entered while they look things up."""
    cases = [Case(steps) for steps in use_cases]
    outcomes: Sequence[Any] = [None] * len(cases)
    group = cases
    while group:
        with reading():
            for case, outcome in zip(group, outcomes, strict=True):
                case.advance(outcome)
        waiting = [(case, case.step) for case in cases if case.step is not None]
        if not waiting:
            break
        _, first = min(waiting, key=lambda pair: pair[1].order)
        group = [case for case, step in waiting if step.do == first.do]
        try:
            outcomes = first.do([step.argument for _, step in waiting if step.do == first.do])
        except BaseException as error:  # noqa: BLE001  # whoever waits must be told
            outcomes = [error] * len(group)
    return [case.answer for case in cases]
