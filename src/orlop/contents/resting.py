"""Rests for work that nobody waits for, while clients push and pull.

The lowest priority alone does not do: where all processors are at work, small pushes beside a parser that had it kept
four fifths of their speed. So the server holds a lock while clients use it, and who works looks at that now and then.
It is a lock and no time in a file, since the event loop would wait there for a disk that is busy.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from orlop.contents.giving_way import RESTS

Item = TypeVar("Item")

SLICE = 0.02
"""Seconds of work from one look to the next."""
LONGEST = 0.25
"""Seconds of one rest."""
HOLD = 2 * SLICE
"""Seconds from a client's last sign to the end of the lock: no slice passes without somebody seeing it."""

_SOME = 100
"""Items from one look at the clock to the next."""


class Traffic:
    """The lock: a file without content beside contents.db, which any number of processes have open.

    `note` is the server's event loop's, `is_there` one worker's: of another process or, beside a registry in memory,
    another thread. Where the file cannot be made, nobody rests.
    """

    def __init__(self, index: Path) -> None:
        """`index`: the file of contents.db."""
        self._path = index.with_name(f"{index.name}.traffic")
        self._file = -1
        self._opening = threading.Lock()
        self._noted = 0.0
        self._is_held = False

    def note(self, later: Callable[[float, Callable[[], None]], object]) -> None:
        """A client pushes or pulls. Cheap: called for each request, and for each piece of a large one.

        `later` calls a function after so many seconds, in the same thread.
        """
        self._noted = time.monotonic()
        if not self._is_held:
            with contextlib.suppress(OSError):
                fcntl.flock(self._opened(), fcntl.LOCK_SH | fcntl.LOCK_NB)
                self._is_held = True
                later(HOLD, lambda: self._end(later))

    def is_there(self) -> bool:
        """Whether clients push or pull just now, at whatever server of this registry."""
        if self._is_held:
            return True  # and flock would take the lock from whoever has it by the same descriptor
        try:
            file = self._opened()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _end(self, later: Callable[[float, Callable[[], None]], object]) -> None:
        left = self._noted + HOLD - time.monotonic()
        if left > 0:
            later(left, lambda: self._end(later))
            return
        self._is_held = False
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _opened(self) -> int:
        """The file's descriptor; of another one after it was deleted, as it may be with contents.db."""
        with self._opening:
            if self._file < 0 or not os.fstat(self._file).st_nlink:
                self.close()
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            return self._file


class Resting:
    """When one worker is to rest. Used by one thread."""

    def __init__(
        self, is_busy: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._is_busy = is_busy
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """It works from now on."""
        self._since = self._clock()

    def due(self) -> float:
        """Seconds that it is to rest now, and to `begin` after them; mostly none."""
        worked = self._clock() - self._since
        if worked < SLICE:
            return 0.0
        if self._is_busy():
            return min(RESTS * worked, LONGEST)
        self.begin()
        return 0.0

    def rest(self) -> None:
        """Where it is due."""
        if pause := self.due():
            time.sleep(pause)
            self.begin()

    def heeding(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items, with rests between them."""
        for number, item in enumerate(items):
            if not number % _SOME:
                self.rest()
            yield item
