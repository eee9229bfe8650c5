"""Makes the database again from the tree.

What only the database knew is not in the tree and does not come back: who pushed what, the history of tags, pulls,
leases, open uploads, and which repository holds a blob that none of its manifests names (it is pushed again then).
"""

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from orlop.database import blobs, manifests, stores, tags
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.upgrade import prepare
from orlop.domain.caller import SYSTEM
from orlop.domain.digest import Digest
from orlop.domain.errors import DigestInvalid, NameInvalid, StoreRefused, TagInvalid
from orlop.domain.name import RepositoryName, Tag
from orlop.maintenance import identity
from orlop.maintenance.aside import put_database_aside, remove_database, stamp
from orlop.maintenance.entries import UNREADABLE, Entries, Found
from orlop.maintenance.image_entries import ImageEntries
from orlop.storage.base import Entry, Storage
from orlop.storage.layout import join_name, tag_from_segment

Item = TypeVar("Item")

BATCH = 500
"""Rows in one commit."""


class Summary(NamedTuple):
    """What was found, and what of it could not be taken over (a line for each)."""

    blobs: int
    manifests: int
    tags: int
    images: int
    """Of v1."""
    problems: list[str]


class Progress(NamedTuple):
    stage: str
    done: int


class Rebuild:
    """One run. `run` makes a new database beside the old one and then takes its place."""

    reason = "rebuild"
    """What the old database is kept for, in its new name."""

    def __init__(self, storage: Storage, path: Path, lease: int, progress: Callable[[Progress], None]) -> None:
        """`path` of the SQLite file; `lease` in milliseconds for everything that is found."""
        self._storage = storage
        self._path = path
        self._lease = lease
        self._tell = progress
        self._problems: list[str] = []

    def run(self) -> Summary:
        """Rebuilds. The old database is kept beside the new one, under a name that says when."""
        described = self._identity()
        new = self._path.with_name(f"{self._path.name}.rebuilding")
        remove_database(new)
        self._lay_basis(new)
        prepare(new)
        database = Database(new)
        try:
            self._describe(database, described)
            summary = Summary(
                self._blobs(database),
                self._manifests(database),
                self._tags(database),
                self._images(database),
                self._problems,
            )
            self._drop_rest(database)
            self._drop_uploads()
            identity.write(self._storage, described)
        finally:
            database.close()
        self._replace(new)
        return summary

    def _lay_basis(self, new: Path) -> None:
        """Puts the database there that the tree's content is added to; by default there is none."""

    def _describe(self, database: Database, described: identity.Identity) -> None:
        """Makes it the database of this store."""
        database.write(lambda connection: stores.create(connection, described.store_id, described.mark))

    def _drop_rest(self, database: Database) -> None:
        """Drops what the tree does not have."""

    def _identity(self) -> identity.Identity:
        """The store keeps its id; its mark goes on from where it was, so that an older database stays refused."""
        try:
            known = identity.read(self._storage)
        except (identity.FormatUnknown, identity.RestoreUnfinished):
            raise
        except StoreRefused:
            known = None
        if known is None:
            return identity.Identity(identity.FORMAT, identity.new_id(), 0)
        return msgspec.structs.replace(known, mark=known.mark + 1)

    def _blobs(self, database: Database) -> int:
        total = 0
        for batch in _batches(self._blob_objects()):

            def unit(connection: Connection, batch: list[tuple[Digest, int, int]] = batch) -> None:
                for digest, size, generation in batch:
                    known = blobs.record(connection, digest)
                    if known is None or not known.changed_at or known.generation < generation:
                        blobs.rebuild(connection, digest, size, generation)

            database.write(unit)
            total += len(batch)
            self._tell(Progress("blobs", total))
        return total

    def _blob_objects(self) -> Iterator[tuple[Digest, int, int]]:
        for entry in _walk(self._storage, self._storage.blobs):
            key = self._storage.blob_of_path(entry.path)
            try:
                if key is None:
                    raise DigestInvalid("no blob has this name")
                yield Digest.parse(f"{key.algorithm}:{key.hex}"), entry.size, key.generation
            except DigestInvalid as error:
                self._problems.append(f"{entry.path}: {error}")

    def _manifests(self, database: Database) -> int:
        entries = Entries(self._storage, database, self._lease)
        total = 0
        for batch in _batches(self._found(entries)):

            def unit(connection: Connection, batch: list[Found] = batch) -> None:
                for found in batch:
                    entries.record(connection, found)

            database.write(unit)
            total += len(batch)
            self._tell(Progress("manifests", total))
        return total

    def _found(self, entries: Entries) -> Iterator[Found]:
        for entry in _walk(self._storage, self._storage.repositories):
            try:
                name = entries.name_of(entry.path)
                if name is not None:
                    yield entries.read(*name, entry)
            except UNREADABLE as error:
                self._problems.append(f"{entry.path}: {error}")

    def _tags(self, database: Database) -> int:
        total = 0
        for batch in _batches(self._tag_objects()):

            def unit(connection: Connection, batch: list[tuple[str, RepositoryName, Tag, Digest, int]] = batch) -> int:
                return sum(self._point(connection, *item) for item in batch)

            total += database.write(unit)
            self._tell(Progress("tags", total))
        return total

    def _point(
        self, connection: Connection, path: str, name: RepositoryName, tag: Tag, digest: Digest, at: int
    ) -> bool:
        found = manifests.by_digest(connection, name, digest)
        if found is None:
            self._problems.append(f"{path}: it names {digest}, which the repository does not hold")
            return False
        tags.point(connection, SYSTEM, found.repository_id, tag, found.id, digest, at)
        return True

    def _tag_objects(self) -> Iterator[tuple[str, RepositoryName, Tag, Digest, int]]:
        for entry in _walk(self._storage, self._storage.repositories):
            _, namespace, repository, *rest = entry.path.split("/")
            text = tag_from_segment(rest[0]) if len(rest) == 1 else None
            if text is None:
                continue
            try:
                name = RepositoryName.parse(join_name(namespace, repository))
                digest = Digest.parse(self._storage.get_content(entry.path).decode())
                yield entry.path, name, Tag.parse(text), digest, int(entry.modified * 1000)
            except (NameInvalid, TagInvalid, DigestInvalid, UnicodeDecodeError, FileNotFoundError) as error:
                self._problems.append(f"{entry.path}: {error}")

    def _images(self, database: Database) -> int:
        entries = ImageEntries(self._storage, database, self._lease, self._problems)
        total = 0
        for name, folder in entries.folders():
            total += entries.record(name, folder)
            self._tell(Progress("images", total))
        for entry in _walk(self._storage, self._storage.repositories):
            _, namespace, repository, *rest = entry.path.split("/")
            if rest == [self._storage.images_list]:
                try:
                    entries.record_list(RepositoryName.parse(join_name(namespace, repository)), entry.path)
                except NameInvalid as error:
                    self._problems.append(f"{entry.path}: {error}")
        return total

    def _drop_uploads(self) -> None:
        """Their sessions are forgotten, so nobody can finish them."""
        try:
            self._storage.remove(self._storage.uploads)
        except FileNotFoundError:
            return

    def _replace(self, new: Path) -> None:
        put_database_aside(self._path, self.reason, stamp())
        os.replace(new, self._path)
        remove_database(new)


def _walk(storage: Storage, folder: str) -> Iterable[Entry]:
    try:
        yield from storage.walk(folder)
    except FileNotFoundError:
        return


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
