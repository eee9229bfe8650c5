"""The word to end what is being made."""

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_current: "ContextVar[Stopping | None]" = ContextVar("stopping", default=None)


class Stopped(Exception):
    """Whoever asked for it has called it off."""


class Stopping:
    """Said by any thread, heard by those that work."""

    def __init__(self) -> None:
        self.said = False

    def __call__(self) -> bool:
        return self.said

    def say(self) -> None:
        self.said = True

    def call(self, function: Callable[[], Result]) -> Result:
        """Calls it; what it does meanwhile in this thread, and asks `heed`, ends by Stopped at the word."""
        token = _current.set(self)
        try:
            heed()
            return function()
        finally:
            _current.reset(token)

    def heeding(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items, until the word. Stopped."""
        for item in items:
            if self.said:
                raise Stopped
            yield item


def heed() -> None:
    """To be called now and then by what may take long. Stopped: nobody waits for it any more."""
    stopping = _current.get()
    if stopping is not None and stopping.said:
        raise Stopped
