"""When manifests and tags were last pulled: noted in memory, written now and then, never in a request."""

import threading
import time

from orlop.database import manifests, tags
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.manifests import Found
from orlop.domain.digest import Digest
from orlop.domain.name import Tag

HOUR = 3_600_000
MOST = 100_000
"""Noted pulls between two writings; more are dropped rather than kept in memory without end."""


class Pulls:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._noted: set[tuple[int, int, str]] = set()

    def note(self, found: Found, reference: Tag | Digest) -> None:
        """Notes a pull. Cheap: called on the event loop for every pull."""
        if len(self._noted) < MOST:
            self._noted.add((found.repository_id, found.id, reference if type(reference) is Tag else ""))

    def flush(self) -> int:
        """Writes what was noted, to the hour; how many manifests and tags."""
        with self._lock:
            noted, self._noted = self._noted, set()
            if not noted:
                return 0
            hour = time.time_ns() // 1_000_000 // HOUR * HOUR
            ids = sorted({manifest_id for _, manifest_id, _ in noted})
            by_tag = sorted((repository, tag, manifest, hour) for repository, manifest, tag in noted if tag)

            def unit(connection: Connection) -> None:
                manifests.pulled(connection, [(manifest_id, hour) for manifest_id in ids])
                tags.pulled(connection, by_tag)

            self._database.write(unit)
            return len(noted)
