"""The audit log, as it is read and kept within bounds."""

from orlop.database import audit
from orlop.database.audit import Entry, Filter
from orlop.database.engine import Database
from orlop.domain.caller import Caller


class Audit:
    def __init__(self, database: Database, most: int) -> None:
        """`most`: entries that are kept."""
        self._database = database
        self._most = most

    def page(self, caller: Caller, filter_: Filter, *, before: int, count: int) -> list[Entry]:
        """Up to `count` entries older than the one of id `before`, the latest first."""
        return audit.page(self._database.reader(), filter_, before=before, count=count)

    def trim(self) -> int:
        """Drops the oldest entries beyond the bound; how many."""
        dropped = 0
        while more := self._database.write(lambda connection: audit.trim(connection, self._most)):
            dropped += more
        return dropped
