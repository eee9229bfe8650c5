"""The pace of long work: so much a second, and an end when it is told to stop."""

import threading
import time
from collections.abc import Callable


class Stopped(Exception):
    """The work was told to stop; what it had done so far holds, and it goes on there the next time."""


class Pace:
    """Slows one worker down to `rate` units a second; 0 for any number. Safe to stop from any thread."""

    def __init__(
        self, rate: float, stop: threading.Event | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._stop = stop or threading.Event()
        self._clock = clock
        self._free_at = clock()

    def spend(self, units: float) -> None:
        """Notes that so much was done, and waits until the next may be. Stopped."""
        pause = 0.0
        if self._rate:
            now = self._clock()
            # What was not used before is gone, so that a pause is not followed by a rush.
            self._free_at = max(self._free_at, now) + units / self._rate
            pause = self._free_at - now
        if self._stop.wait(pause) if pause > 0 else self._stop.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Waits. Stopped."""
        if self._stop.wait(seconds):
            raise Stopped

    def stop(self) -> None:
        self._stop.set()
