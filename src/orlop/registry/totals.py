"""Totals: how many there are of what takes long to count."""

import threading
import time
from collections.abc import Callable

PATIENCE = 20
"""A total may be this many times older than it takes to count it, so that counting keeps no processor busy."""
QUICK = 0.005
"""Seconds. What is counted faster than this is counted anew every time."""
MOST = 100


class Totals:
    """Remembers totals that were slow to count. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, float]] = {}

    def of(self, key: str, count: Callable[[], int]) -> int:
        """What `count` returns now, or returned under this key a short while ago."""
        started = self._clock()
        with self._lock:
            known = self._known.get(key)
        if known is not None and started < known[1]:
            return known[0]
        number = count()
        took = self._clock() - started
        with self._lock:
            self._known.pop(key, None)
            if took >= QUICK:
                self._known[key] = (number, started + took * PATIENCE)
                while len(self._known) > MOST:
                    del self._known[next(iter(self._known))]
        return number
