"""The tree's names, brought after each commit to what the database says.

Tags and manifest entries are committed first, with an outbox entry in the same commit. Their objects follow before the
answer, and become durable in batches; only then the outbox entry goes. Whatever stops a process in between, the next
one finds the entry and brings the object to its row's current value.

No lock serialises two writers of one name. Each reads the row again after it has written, and writes again when the row
has changed: whoever writes the object last has, after that, seen the row that it wrote.
"""

import threading
from collections.abc import Iterable

import structlog

from orlop.database import manifests, outbox, tags
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.outbox import Entry
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName, Tag
from orlop.storage.base import Storage
from orlop.storage.layout import split_name

log = structlog.get_logger("orlop.names")

BATCH = 1000

Change = tuple[Entry, str | None]
"""An outbox entry, and the value that its name was committed with: none where it was deleted."""


class Names:
    """Writes tags and manifest entries to the tree."""

    def __init__(self, storage: Storage, database: Database) -> None:
        self._storage = storage
        self._database = database
        # Ids of entries whose object this process has written: all that is left to do is to sync it.
        self._written: set[int] = set()
        # Ids of those that it could not write.
        self._failed: set[int] = set()
        self._drain = threading.Lock()

    def publish(self, changes: Iterable[Change]) -> None:
        """Brings the objects of committed changes to their rows' current value.

        An object that can't be written now is left to `drain`: its name is committed and holds.
        """
        for entry, value in changes:
            self._write(entry, value)

    def drain(self, *, foreign: bool = False) -> int:
        """Makes written objects durable and takes their entries off the outbox; how many.

        `foreign`: deal also with entries that this process has not written itself, as at start-up.
        """
        with self._drain:
            total = 0
            while entries := self._batch(foreign):
                finished = self._finish(entries)
                total += finished
                if finished < BATCH:
                    break
            return total

    def _batch(self, foreign: bool) -> list[Entry]:
        pending = outbox.pending(self._database.reader(), BATCH)
        if foreign:
            return pending
        return [entry for entry in pending if entry.id in self._written or entry.id in self._failed]

    def _finish(self, entries: list[Entry]) -> int:
        written = [entry for entry in entries if entry.id in self._written or self._write(entry, self._current(entry))]
        if written:
            self._storage.sync({self._path(entry) for entry in written})
            self._database.write(lambda connection: outbox.done(connection, written))
            self._written.difference_update(entry.id for entry in written)
        return len(written)

    def _write(self, entry: Entry, value: str | None) -> bool:
        try:
            self._bring(entry, value)
        except OSError as error:
            self._failed.add(entry.id)
            log.error("a name could not be written to the tree yet", path=self._path(entry), reason=str(error))
            return False
        self._failed.discard(entry.id)
        self._written.add(entry.id)
        return True

    def _bring(self, entry: Entry, value: str | None) -> None:
        """Writes `value`, then looks whether the row still has it."""
        path = self._path(entry)
        while True:
            if value is not None:
                self._storage.put_content(path, value.encode(), durable=False)
            else:
                self._remove(path)
            current = self._current(entry)
            if current == value:
                return
            value = current

    def _remove(self, path: str) -> None:
        try:
            self._storage.remove(path)
        except FileNotFoundError:
            return

    def _current(self, entry: Entry) -> str | None:
        connection: Connection = self._database.reader()
        name = RepositoryName(entry.repository)
        if entry.kind == "tag":
            return tags.current(connection, name, Tag(entry.name))
        found = manifests.by_digest(connection, name, Digest(entry.name))
        return found.media_type if found else None

    def _path(self, entry: Entry) -> str:
        namespace, repository = split_name(entry.repository)
        if entry.kind == "tag":
            return self._storage.tag_path(namespace, repository, entry.name)
        return self._storage.manifest_entry_path(namespace, repository, Digest(entry.name))
