"""Makes a registry of a backup.

With content: everything as it was, in an empty place. The tree says from the beginning to the end that a restore is
going on, so that whatever is there after an interruption is refused by everyone but the next restore, which goes on.

Without: the database of a tree that is there and has lost its own, see `reconciliation`.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from orlop.database import snapshot, stores
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.upgrade import prepare
from orlop.domain.errors import BackupRefused, StorageFull, StoreRefused
from orlop.maintenance import identity, rebuild
from orlop.maintenance.aside import put_database_aside, put_store_aside, remove_database, stamp
from orlop.maintenance.backup_folder import BackupFolder, Description, sync_folder
from orlop.maintenance.copying import Copied, Copying, Problem, Progress, Tell
from orlop.maintenance.naming import Naming
from orlop.maintenance.reconciliation import Reconciliation
from orlop.storage.base import Storage
from orlop.storage.local import LocalStorage


class Restored(NamedTuple):
    """The backup that was restored, what was copied, and where what was there before is now."""

    description: Description
    copied: Copied
    aside: list[Path]


class Reconciled(NamedTuple):
    """The backup whose database was taken, and what the tree held."""

    description: Description
    found: rebuild.Summary


class Restore:
    """One run, of the backup in `folder`. Nobody may use the store or the database meanwhile."""

    def __init__(
        self,
        folder: Path,
        open_store: Callable[[], Storage],
        path: Path,
        lease: int,
        tell: Tell,
        *,
        replace: bool = False,
    ) -> None:
        """`path` of the SQLite file; `lease` in milliseconds for all that is restored; `replace` what is there."""
        self._folder = BackupFolder(folder)
        self._open_store = open_store
        self._path = path
        self._lease = lease
        self._tell = tell
        self._replace = replace
        self._begun_at = stamp()

    def description(self) -> Description:
        """What the backup says of itself. BackupRefused: it is none."""
        description = self._folder.read()
        if description is None:
            raise BackupRefused(f"{self._folder.path} holds no backup: name the folder that `orlop backup` was given")
        return description

    def everything(self, description: Description) -> Restored:
        """Everything as of the backup. BackupRefused, StoreRefused, StorageFull: nothing can be served, see above."""
        new = self._path.with_name(f"{self._path.name}.restoring")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._room():
                self._fetch(description, new)
                with self._place_for(description, new) as (storage, aside, mark):
                    copied = self._copy(description, storage, new, mark)
                    mark = self._settle(new, copied.problems, description, mark)
                    if kept := self._put_in_place(new):
                        aside.append(kept)
                    identity.write(storage, _identity(description, mark))
        finally:
            remove_database(new)
        return Restored(description, copied, aside)

    def database_alone(self, description: Description) -> Reconciled:
        """The backup's database for the tree that is there."""
        with contextlib.closing(self._open_store()) as storage, self._room():
            self._check_tree(description, storage)
            found = Reconciliation(
                storage, self._path, self._lease, self._tell_rebuild, self._folder, description
            ).run()
        return Reconciled(description, found)

    def _fetch(self, description: Description, new: Path) -> None:
        """The backup's database, with this version's schema."""
        remove_database(new)
        self._folder.fetch_database(description, new)
        prepare(new)
        for copy in new.parent.glob(f"{new.name}.before-*"):
            copy.unlink()

    @contextlib.contextmanager
    def _place_for(self, description: Description, new: Path) -> Iterator[tuple[Storage, list[Path], int]]:
        """The store, empty or as an interrupted restore has left it; what was put aside; the mark to begin at."""
        aside: list[Path] = []
        mark = description.mark
        storage = self._open_store()
        try:
            occupied = self._is_occupied(description, storage)
            if occupied and not self._replace:
                raise BackupRefused(
                    f"there is a registry in {self._path.parent} already: put it aside with --replace, keep its store"
                    " and take only the database with --keep-store, or choose another folder with --data"
                )
            self._check_room(new, storage, anew=occupied)
            if occupied:
                mark = max(mark, _known_mark(storage) + 1)
                aside.append(self._put_store_aside(storage))
                storage = self._open_store()
            yield storage, aside, mark
        finally:
            storage.close()

    def _is_occupied(self, description: Description, storage: Storage) -> bool:
        try:
            known = identity.read_any(storage)
        except StoreRefused:
            return True
        if known is not None:
            return not known.restoring or known.store_id != description.store_id
        return _is_database(self._path) or identity.holds_content(storage)

    def _check_room(self, new: Path, storage: Storage, *, anew: bool) -> None:
        with snapshot.reading(new) as connection:
            self._copying(connection, storage).check_room(anew=anew)

    def _put_store_aside(self, storage: Storage) -> Path:
        """Closes the store, too. Its database stays until the new store says that a restore is going on: it does not
        start without its store, and an empty place would."""
        if not isinstance(storage, LocalStorage):
            raise StoreRefused("a store that is no folder cannot be put aside: choose another with --storage")
        root = Path(storage.root)
        if self._path.resolve().is_relative_to(root):
            raise StoreRefused(f"the database lies in the store's folder {root}: choose another folder with --data")
        storage.close()
        return put_store_aside(root, "restore", self._begun_at)

    def _copy(self, description: Description, storage: Storage, new: Path, mark: int) -> Copied:
        identity.write(storage, msgspec.structs.replace(_identity(description, mark), restoring=True))
        root = Path(storage.root) if isinstance(storage, LocalStorage) else None
        with snapshot.reading(new) as connection:
            copying = self._copying(connection, storage)
            copied = copying.run()
            naming = Naming(connection, storage, self._tell, root)
            naming.write()
            # What an interrupted restore of another backup has brought.
            naming.remove_others()
            copying.remove_others()
        return copied

    def _copying(self, connection: Connection, storage: Storage) -> Copying:
        return Copying(connection, self._read, storage, self._tell, where="the backup")

    def _read(self, path: str) -> BinaryIO:
        # Not as a store: the backup may be on a disk that cannot be written.
        return (self._folder.store / path).open("rb")

    def _settle(self, new: Path, problems: list[Problem], description: Description, mark: int) -> int:
        """Makes the copied database fit its new place; its mark."""

        def unit(connection: Connection) -> None:
            stores.describe(connection, description.store_id, mark)
            snapshot.keep_all(connection, self._lease)
            for problem in problems:
                snapshot.lose(connection, problem.digest)

        database = Database(new)
        try:
            database.write(unit)
            store = stores.read(database.reader())
        finally:
            database.close()
        assert store is not None
        return store.mark

    def _put_in_place(self, new: Path) -> Path | None:
        """Puts aside what is there: after an interruption nobody knows whose it is."""
        kept = put_database_aside(self._path, "restore", self._begun_at)
        os.replace(new, self._path)
        sync_folder(self._path.parent)
        return kept

    def _check_tree(self, description: Description, storage: Storage) -> None:
        """BackupRefused where the tree is not the one that the backup's database describes."""
        try:
            known = identity.read(storage)
        except (identity.FormatUnknown, identity.RestoreUnfinished):
            raise
        except StoreRefused:
            known = None
        if not identity.holds_content(storage):
            raise BackupRefused(
                f"the database of the backup in {self._folder.path} needs its store, and the store here is empty:"
                " bring back the store first, or restore a backup that was made with --content"
            )
        if known is not None and known.store_id != description.store_id:
            raise BackupRefused(
                f"the store here is not the one that the backup in {self._folder.path} is of: check --data and"
                " storage.url"
            )
        if _is_database(self._path) and not self._replace:
            raise BackupRefused(f"{self._path} is there already: put it aside with --replace")

    def _tell_rebuild(self, progress: rebuild.Progress) -> None:
        self._tell(Progress(progress.stage, progress.stage, progress.done, 0))

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        remedy = "make room, and run this again: it goes on where it was"
        try:
            yield
        except StorageFull as error:
            told = f" ({error})" if str(error) != StorageFull.message else ""
            raise StorageFull(f"what is restored does not fit{told}: {remedy}") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFull(f"what is restored does not fit: {remedy}") from error
            raise


def _identity(description: Description, mark: int) -> identity.Identity:
    return identity.Identity(identity.FORMAT, description.store_id, mark, description.accounts)


def _known_mark(storage: Storage) -> int:
    """How far the registry that is replaced had come, as far as its tree tells."""
    try:
        known = identity.read_any(storage)
    except StoreRefused:
        return 0
    return known.mark if known is not None else 0


def _is_database(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0
