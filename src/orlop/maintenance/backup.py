"""Backs up a registry into a folder, while it is served or not.

The database is copied first, and then what that copy names: content is in the tree before the database names it, and
nothing is removed from the tree meanwhile. Names are not copied but written from the copied database, so that they are
of the same moment. What the folder had of an earlier backup goes last: until `backup.json` is replaced the earlier one
is whole, and afterwards the new one is.
"""

import contextlib
import errno
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from orlop import __version__
from orlop.database import snapshot, stores
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.errors import BackupRefused, Busy, StorageFull
from orlop.maintenance import identity
from orlop.maintenance.backup_folder import FORMAT, BackupFolder, DatabaseFile, Description, sha256
from orlop.maintenance.copying import Copied, Copying, Problem, Tell
from orlop.maintenance.naming import Naming
from orlop.maintenance.turn import COLLECTION, turn
from orlop.storage.base import Storage
from orlop.storage.local import LocalStorage

NOTHING = Copied(0, 0, 0, 0, 0.0, [])


class Summary(NamedTuple):
    """The backup that is in the folder now, and what was done for it."""

    description: Description
    copied: Copied
    removed: int
    """Blobs of the backup before it that it does not name."""

    @property
    def problems(self) -> list[Problem]:
        return self.copied.problems


class Backup:
    """One run."""

    def __init__(
        self,
        storage: Storage,
        database: Database,
        data: Path,
        folder: Path,
        tell: Tell,
        wait: Callable[[str], None],
        *,
        content: bool,
        verify: bool = False,
    ) -> None:
        """Of the registry whose data folder is `data`, into `folder`. `wait` is told what is being waited for."""
        self._storage = storage
        self._database = database
        self._data = data
        self._folder = BackupFolder(folder)
        self._tell = tell
        self._wait = wait
        self._content = content
        self._verify = verify

    def run(self) -> Summary:
        """BackupRefused, StorageFull: the folder is not fit or has no room; the backup that was in it still is."""
        store_id = self._store_id()
        with self._room(), self._folder.opened(store_id, __version__) as before:
            if before is not None and before.content and not self._content:
                raise BackupRefused(
                    f"the backup in {self._folder.path} has the content, too: pass --content, or choose another folder"
                )
            try:
                return self._backed_up() if self._content else self._database_alone()
            finally:
                self._discard()

    def _database_alone(self) -> Summary:
        described = self._copy_database()
        self._folder.switch(described)
        return Summary(described, NOTHING, 0)

    def _backed_up(self) -> Summary:
        with LocalStorage(self._folder.store, allow_network_filesystem=True) as target:
            with self._no_removal():
                described = self._copy_database()
                with snapshot.reading(self._folder.new_database) as connection:
                    copying = self._copying(connection, target)
                    copying.check_room()
                    copied = copying.run()
            described = msgspec.structs.replace(
                described, content=True, blobs=copied.blobs, bytes=copied.bytes, left_out=len(copied.problems)
            )
            self._folder.switch(described)
            with snapshot.reading(self._folder.database) as connection:
                return Summary(described, copied, self._tidy(connection, target, described))

    def _copying(self, connection: Connection, target: Storage) -> Copying:
        return Copying(connection, self._storage.stream_read_file, target, self._tell, verify=self._verify)

    def _tidy(self, connection: Connection, target: Storage, described: Description) -> int:
        """Makes the folder's tree the one that the database describes; how many blobs went."""
        naming = Naming(connection, target, self._tell, self._folder.store)
        naming.write()
        naming.remove_others()
        about = identity.Identity(identity.FORMAT, described.store_id, described.mark, described.accounts)
        identity.write(target, about)
        return self._copying(connection, target).remove_others()

    def _copy_database(self) -> Description:
        made_at = datetime.now(UTC)
        path = self._folder.new_database
        snapshot.take(self._database.path, path)
        with snapshot.reading(path) as connection:
            store = stores.read(connection)
            counts = snapshot.counts(connection)
        assert store is not None
        return Description(
            FORMAT,
            __version__,
            store.store_id,
            store.mark,
            made_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            accounts=identity.had_accounts(self._storage, self._database),
            repositories=counts.repositories,
            manifests=counts.manifests,
            tags=counts.tags,
            database=DatabaseFile(sha256(path), path.stat().st_size),
        )

    def _store_id(self) -> str:
        store = stores.read(self._database.reader())
        assert store is not None
        return store.store_id

    @contextlib.contextmanager
    def _no_removal(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(turn(self._data, COLLECTION))
            except Busy as error:
                self._wait(str(error))
                stack.enter_context(turn(self._data, COLLECTION, wait=True))
            yield

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        remedy = f"make room on the disk of {self._folder.path}, and run this again: what was backed up before is whole"
        try:
            yield
        except StorageFull as error:
            told = f" ({error})" if str(error) != StorageFull.message else ""
            raise StorageFull(f"the backup does not fit{told}: {remedy}") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(f"the backup does not fit: {remedy}") from error
            raise

    def _discard(self) -> None:
        """A database that did not become the backup's only takes room."""
        if not self._is_awaited():
            for suffix in ("", ".partial", "-journal", ".partial-journal"):
                path = self._folder.new_database
                path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)

    def _is_awaited(self) -> bool:
        """Whether `backup.json` names the new database: then it must stay."""
        described = self._folder.read()
        named = described.database if described is not None else None
        path = self._folder.new_database
        return named is not None and path.exists() and sha256(path) == named.sha256
