"""Rests for work that nobody waits for, while clients push and pull.

The lowest priority alone does not do: where all processors are at work, small pushes beside a parser that had it kept
four fifths of their speed. So the server stamps a file when clients use it, and who works looks at it now and then.
"""

import contextlib
import math
import os
import struct
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

_STAMP = struct.Struct("=Q")
_OFTEN = SLICE / 4
_LOOK = 1.0
_SOME = 100
"""Items from one look at the clock to the next."""


class Traffic:
    """The stamp: a small file beside contents.db, which any number of processes have open. Safe to use from any thread.

    Where it cannot be made or written nothing is told, and nobody rests.
    """

    def __init__(self, index: Path) -> None:
        """`index`: the file of contents.db."""
        self._path = index.with_name(f"{index.name}.traffic")
        self._file = -1
        self._looked = self._noted = -math.inf
        self._guard = threading.Lock()

    def note(self) -> None:
        """A client pushes or pulls. Cheap: called for each request, and for each piece of a large one."""
        now = time.monotonic()
        if now - self._noted > _OFTEN:
            self._noted = now
            with contextlib.suppress(OSError):
                os.pwrite(self._opened(now), _STAMP.pack(time.monotonic_ns()), 0)

    def stamp(self) -> bytes:
        """Another one where `note` was called meanwhile, by whatever process."""
        try:
            return os.pread(self._opened(time.monotonic()), _STAMP.size, 0)
        except OSError:
            return b""

    def close(self) -> None:
        with self._guard:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _opened(self, now: float) -> int:
        """The file's descriptor; after it was deleted, as it may be with contents.db, soon that of another."""
        if now - self._looked > _LOOK:
            with self._guard:
                self._looked = now
                if self._file < 0 or not os.fstat(self._file).st_nlink:
                    opened = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
                    if self._file < 0:
                        self._file = opened
                    else:
                        # The number stays: another thread may be about to use it.
                        os.dup2(opened, self._file, inheritable=False)
                        os.close(opened)
        return self._file


class Resting:
    """When one worker is to rest. Used by one thread."""

    def __init__(self, stamp: Callable[[], bytes] = bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self._stamp = stamp
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """It works from now on."""
        self._since = self._clock()
        self._seen = self._stamp()

    def due(self) -> float:
        """Seconds that it is to rest now, and to `begin` after them; mostly none."""
        worked = self._clock() - self._since
        if worked < SLICE:
            return 0.0
        if self._stamp() != self._seen:
            return min(RESTS * worked, LONGEST)
        self._since += worked
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
