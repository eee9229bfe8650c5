"""Refusals for the audit log: noted in memory, written now and then, never in a request.

Those of one account, action and minute, from one address or IPv6 network, are one entry with the first's particulars.
A flood of them must neither fill the log nor keep the database's writer from those who push.
"""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from orlop.database import audit
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.caller import Caller

MOST = 10_000
"""Kinds of refusals in a minute; what is beyond them is counted together."""
BATCH = 500
"""Entries that go in one transaction."""
OTHERS = Caller("(others)")


class Kind(NamedTuple):
    """What refusals are counted by."""

    account: str
    origin: str
    action: str
    minute: int


class Refused(NamedTuple):
    """The first of a kind, and how many there were since the last writing."""

    caller: Caller
    repository: str
    object: str
    times: int


class Refusals:
    def __init__(
        self, database: Database, origin: Callable[[str], str], clock: Callable[[], float] = time.time
    ) -> None:
        """`origin`: what an address is counted by."""
        self._database = database
        self._origin = origin
        self._clock = clock
        self._lock = threading.Lock()
        self._noted: dict[Kind, Refused] = {}
        self._entries: dict[Kind, int] = {}  # that are written: their ids

    def note(self, caller: Caller, action: str, repository: str = "", object_: str = "") -> None:
        """Cheap: called on the event loop."""
        minute = int(self._clock()) // 60
        kind = Kind(caller.account, self._origin(caller.address), action, minute)
        with self._lock:
            known = kind in self._noted or kind in self._entries
            if not known and len(self._noted) + len(self._entries) >= MOST:
                kind, caller = Kind(OTHERS.account, "", action, minute), OTHERS
            first = self._noted.get(kind) or Refused(caller, repository[:255], object_[:255], 0)
            self._noted[kind] = first._replace(times=first.times + 1)

    def flush(self) -> int:
        """Writes what was noted; how many kinds. What can't be written stays noted."""
        with self._lock:
            minute = int(self._clock()) // 60
            self._entries = {kind: entry for kind, entry in self._entries.items() if kind.minute >= minute}
            noted, self._noted = self._noted, {}
        count = len(noted)
        for batch in _batches(noted):
            try:
                written = self._database.write(lambda connection, batch=batch: self._write(connection, batch))  # type: ignore[misc]
            except Exception:
                self._take_back(noted)
                raise
            for kind, _ in batch:
                del noted[kind]
            with self._lock:
                self._entries.update(written)
        return count

    def _write(self, connection: Connection, batch: tuple[tuple[Kind, Refused], ...]) -> dict[Kind, int]:
        written: dict[Kind, int] = {}
        for kind, (caller, repository, object_, times) in batch:
            entry = self._entries.get(kind)
            if entry is None or not audit.count(connection, entry, times):
                entry = audit.add(connection, caller, kind.action, repository, object_, times=times)
            written[kind] = entry
        return written

    def _take_back(self, noted: dict[Kind, Refused]) -> None:
        with self._lock:
            for kind, refused in noted.items():
                more = self._noted.get(kind)
                self._noted[kind] = refused._replace(times=refused.times + (more.times if more else 0))


def _batches(noted: dict[Kind, Refused]) -> list[tuple[tuple[Kind, Refused], ...]]:
    items = list(noted.items())
    return [tuple(items[start : start + BATCH]) for start in range(0, len(items), BATCH)]
