"""Whether the clock by which ages are told can be trusted.

Leases end by the wall clock. One that is set two days forward would end all of them at once, and collection would take
what clients have just been told is there. So the wall clock is compared with the time since the machine was started:
where the two have moved apart by a minute, somebody has set the clock, and nothing is taken for old until one lease has
passed by the clock that nobody can set. After that, whoever was promised anything before has had the time for it.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from orlop.database import progress
from orlop.database.engine import Database
from orlop.domain.errors import Unavailable

NAME = "clock"
DRIFT = 60_000
"""Milliseconds."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Reading(msgspec.Struct, frozen=True):
    """What was seen of the clocks, in milliseconds."""

    boot: str
    """Names the run of the machine."""
    offset: int
    """How far the wall clock was ahead of the time since the start."""
    steady_at: int = 0
    """Until when, in time since the start, nothing is taken for old."""


class ClockWasSet(Unavailable):
    """`pause`: milliseconds until the clock is trusted again."""

    def __init__(self, pause: int) -> None:
        super().__init__(f"the machine's clock was set: nothing is taken for old for {math.ceil(pause / 1000)} s yet")
        self.pause = pause


class Clock:
    def __init__(
        self,
        database: Database,
        lease: int,
        wall: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        since_start: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
        boot: Callable[[], str] = lambda: _boot_id(),
    ) -> None:
        """`lease` in milliseconds."""
        self._database = database
        self._lease = lease
        self._wall = wall
        self._since_start = since_start
        self._boot = boot

    def now(self) -> int:
        """The wall clock, in milliseconds since 1970. ClockWasSet: nothing may be taken for old by it yet."""
        now, boot = self._since_start(), self._boot()
        wall = self._wall()
        if pause := self._pause(now, wall - now, boot):
            raise ClockWasSet(pause)
        return wall

    def _pause(self, now: int, offset: int, boot: str) -> int:
        """For how many milliseconds more the clock is not trusted."""
        known = self._known()
        if known is None:
            self._save(Reading(boot, offset))
            return 0
        if known.boot != boot:
            # A pause that the machine's end cut short begins anew.
            reading = Reading(boot, offset, now + self._lease if known.steady_at else 0)
            self._save(reading)
        elif abs(offset - known.offset) > DRIFT:
            reading = Reading(boot, offset, now + self._lease)
            self._save(reading)
        else:
            reading = known
        if reading.steady_at and reading.steady_at <= now:
            reading = Reading(boot, reading.offset)
            self._save(reading)
        return max(0, reading.steady_at - now)

    def _known(self) -> Reading | None:
        document = progress.read(self._database.reader(), NAME)
        return msgspec.json.decode(document, type=Reading) if document is not None else None

    def _save(self, reading: Reading) -> None:
        self._database.write(lambda connection: progress.save(connection, NAME, reading))


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
