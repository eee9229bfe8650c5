"""The word to end what is being made."""

from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")


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

    def heeding(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items, until the word. Stopped."""
        for item in items:
            if self.said:
                raise Stopped
            yield item
