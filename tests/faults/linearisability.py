"""Whether what clients saw of one register could have happened one after the other.

After P. Gibbons and E. Korach, "Testing Shared Memories" (1997): where every value is written once, each value has a
zone, between the first end and the last start among the requests that wrote or read it. Where that end comes before
that start, the register must have held the value all the while: no two such zones may overlap, and none may cover the
zone of another value.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple


class Request(NamedTuple):
    """One that wrote the value or read it."""

    value: str
    started: float
    ended: float
    wrote: bool


class _Zone(NamedTuple):
    value: str
    first_end: float
    last_start: float

    @property
    def is_held(self) -> bool:
        return self.first_end < self.last_start


def contradiction(requests: Iterable[Request]) -> str:
    """Why the history is impossible, empty where it is possible."""
    by_value: dict[str, list[Request]] = {}
    for request in requests:
        by_value.setdefault(request.value, []).append(request)
    for value, found in by_value.items():
        (write,) = (request for request in found if request.wrote)
        if any(request.ended < write.started for request in found):
            return f"{value} was read before it was written"
    zones = [
        _Zone(value, min(request.ended for request in found), max(request.started for request in found))
        for value, found in by_value.items()
    ]
    held = sorted((zone for zone in zones if zone.is_held), key=lambda zone: zone.first_end)
    for before, after in pairwise(held):
        if after.first_end < before.last_start:
            return f"{before.value} was seen after {after.value} had been, and before"
    for zone in zones:
        for other in held if not zone.is_held else ():
            if other.first_end < zone.last_start and zone.first_end < other.last_start:
                return f"{zone.value} was written while {other.value} was there before and after"
    return ""
