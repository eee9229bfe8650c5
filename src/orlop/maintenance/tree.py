"""Sweeps the tree for objects that the database does not know: a push that was cut between the two left them.

An object without a row gets one, in no repository, and dies as every blob does that nothing keeps: so a push that is
on its way to its commit finds the row and takes it over, at whatever moment. Manifests that the tree holds and the
database does not are recorded before that, with what they name.
"""

from collections.abc import Iterator

import structlog

from orlop.database import blobs, garbage, manifests, outbox
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import DigestInvalid
from orlop.maintenance.entries import UNREADABLE, Entries
from orlop.storage.base import Entry, Storage

log = structlog.get_logger("orlop.collection")


class Tree:
    """Goes through the tree folder by folder, in order, so that it can go on where it stopped."""

    def __init__(self, storage: Storage, database: Database, lease: int) -> None:
        """`lease` in milliseconds, for manifests that are recorded again."""
        self._storage = storage
        self._database = database
        self._entries = Entries(storage, database, lease)

    def folders(self, after: str) -> Iterator[str]:
        """The folders of blobs and then those of manifests, after that one."""
        for top in (self._storage.blobs, self._storage.repositories):
            for above in self._children(top):
                for folder in self._children(above):
                    if folder > after:
                        yield folder

    def sweep(self, folder: str, now: int) -> Iterator[int]:
        """Brings rows and objects of one folder together; for each object how many rows or objects that took."""
        blob = folder.startswith(f"{self._storage.blobs}/")
        for entry in self._storage.walk(folder):
            yield self._blob(entry, now) if blob else self._manifest(entry)

    def _children(self, folder: str) -> list[str]:
        try:
            return sorted(self._storage.list_directory(folder))
        except FileNotFoundError:
            return []

    def _blob(self, entry: Entry, now: int) -> int:
        key = self._storage.blob_of_path(entry.path)
        try:
            digest = Digest.parse(f"{key.algorithm}:{key.hex}") if key is not None else None
        except DigestInvalid:
            digest = None
        if key is None or digest is None:
            return 0  # no object of the registry's: a scrub tells of it
        record = blobs.record(self._database.reader(), digest)
        if record is None:
            return self._database.write(
                lambda connection: garbage.adopt(connection, digest, entry.size, key.generation)
            )
        if key.generation == record.generation + 1 and record.state == "removed":
            blob = garbage.Blob(record.id, digest, entry.size, record.generation, False, False)
            return self._database.write(lambda connection: garbage.raise_generation(connection, blob, now))
        given_up = key.generation < record.generation or (
            key.generation == record.generation and record.state == "removed"
        )
        if not given_up:
            return 0
        # No push comes to record this key any more: its row is past it, and only collection, which this is, drops rows.
        try:
            self._storage.remove(entry.path)
        except FileNotFoundError:
            return 0
        return 1

    def _manifest(self, entry: Entry) -> int:
        try:
            named = self._entries.name_of(entry.path)
            if named is None:
                return 0
            name, digest = named
            with self._database.snapshot() as connection:
                if manifests.by_digest(connection, name, digest) is not None:
                    return 0
                if outbox.holds(connection, "manifest", name, digest):
                    return 0
            # Had it been deleted since it was listed, its entry would be gone before the outbox had forgotten it.
            found = self._entries.read(name, digest, entry)
        except UNREADABLE as error:
            log.warning("an entry in the tree stands for no manifest", path=entry.path, reason=str(error))
            return 0

        def unit(connection: Connection) -> None:
            self._entries.record(connection, found)
            outbox.add(connection, "manifest", name, digest)

        self._database.write(unit)
        log.warning("a manifest was in the tree alone, and is recorded again", repository=name, digest=digest)
        return 1
