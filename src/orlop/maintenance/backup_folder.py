"""The folder of a backup: what it says of itself, and how a backup takes the place of the one before.

`backup.json` names the digest of its database, and to replace it is the one step that makes a backup the valid one. The
new database lies beside the old one by then, under a name of its own that it loses only afterwards: whatever stops the
work, the database that `backup.json` names is there. `docs/formats/backup.md` says what the files hold.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from orlop.domain.errors import BackupRefused, Busy
from orlop.maintenance.turn import turn

FORMAT = 1

DESCRIPTION = "backup.json"
DATABASE = "orlop.db"
NEW_DATABASE = "orlop.db.new"
STORE = "store"
_LOCK = "backup"
_MEANINGLESS = (f"{_LOCK}.lock", f"{DESCRIPTION}.new", "lost+found")
"""What may be in a folder that a backup is to be made in."""

_PIECE = 1 << 20


class DatabaseFile(msgspec.Struct, frozen=True):
    """How the database is known. `size` in bytes."""

    sha256: str
    size: int


class Description(msgspec.Struct, frozen=True):
    """What `backup.json` says."""

    format: int
    orlop: str
    """The version that made it."""
    store_id: str
    mark: int = 0
    """Of the database."""
    made_at: str = ""
    """When the database was copied: RFC 3339."""
    content: bool = False
    """Whether `store` holds the content, too."""
    accounts: bool = False
    """Whether the registry ever had accounts."""
    repositories: int = 0
    manifests: int = 0
    tags: int = 0
    blobs: int = 0
    bytes: int = 0
    """Of the blobs."""
    left_out: int = 0
    """Blobs that were damaged or missing in the store, and are not in the backup."""
    database: DatabaseFile | None = None
    """None while the first backup in the folder is being made."""


class BackupFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / DATABASE
        self.new_database = path / NEW_DATABASE
        self.store = path / STORE

    def check_apart(self, live: Iterable[Path]) -> None:
        """BackupRefused where the folder and one of these lie in one another."""
        own = self.path.resolve()
        for path in live:
            other = path.resolve()
            if own.is_relative_to(other) or other.is_relative_to(own):
                raise BackupRefused(
                    f"{self.path} and {path} lie in one another: keep backups elsewhere, best on another disk"
                )

    def read(self) -> Description | None:
        """What the folder says of itself, None where it says nothing. BackupRefused: it cannot be read."""
        try:
            content = (self.path / DESCRIPTION).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BackupRefused(f"{error.filename} cannot be read ({error.strerror})") from error
        try:
            description = msgspec.json.decode(content, type=Description)
        except msgspec.DecodeError as error:
            raise BackupRefused(f"{self.path / DESCRIPTION} cannot be read ({error}): use another backup") from error
        if description.format > FORMAT:
            raise BackupRefused(
                f"the backup in {self.path} has format {description.format}, this version knows {FORMAT}: "
                "install a newer version"
            )
        return description

    @contextlib.contextmanager
    def opened(self, store_id: str, version: str) -> Iterator[Description | None]:
        """The folder, made if it is missing, for one backup of that store; the valid backup that is in it.

        BackupRefused: it is something else's.
        """
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
        except FileNotFoundError as error:
            raise BackupRefused(f"{self.path.parent} is not there: make it, or mount the disk") from error
        except FileExistsError as error:
            raise BackupRefused(f"{self.path} is not a folder: choose another") from error
        self._check_own()
        try:
            with turn(self.path, _LOCK):
                yield self._begun(store_id, version)
        except Busy as error:
            raise BackupRefused(f"{error} in {self.path}: let it end") from error

    def _check_own(self) -> None:
        names = {path.name for path in self.path.iterdir()}
        if DESCRIPTION not in names and (others := sorted(names.difference(_MEANINGLESS))):
            raise BackupRefused(f"{self.path} holds something else ({others[0]}): choose an empty folder")

    def _begun(self, store_id: str, version: str) -> Description | None:
        description = self.read()
        if description is None:
            self._write(Description(FORMAT, version, store_id))
            return None
        if description.store_id != store_id:
            raise BackupRefused(f"{self.path} holds the backup of another store: choose another folder")
        if description.database is None:
            return None
        self._end_switch(description.database)
        return description

    def switch(self, description: Description) -> None:
        """Makes this the valid backup. Its database is in `new_database`, durable."""
        assert description.database is not None
        self._write(description)
        self._end_switch(description.database)

    def fetch_database(self, description: Description, target: Path) -> None:
        """A copy of the backup's database. BackupRefused: it is damaged, or there is none."""
        if description.database is None:
            raise BackupRefused(f"the backup in {self.path} was never finished: make it again, or use another")
        for candidate in (self.new_database, self.database):
            if _is_like(candidate, description.database):
                copied = _copy(candidate, target)
                if copied == description.database.sha256:
                    return
        target.unlink(missing_ok=True)
        remedy = "use another backup"
        if description.content:
            remedy += f", or copy {self.store} into the data folder and run `orlop rebuild`: that has no accounts"
        raise BackupRefused(f"the database in {self.path} is damaged or missing: {remedy}")

    def _end_switch(self, named: DatabaseFile) -> None:
        if _is_like(self.new_database, named) and sha256(self.new_database) == named.sha256:
            # A log beside the old one, left by whoever has opened it, would be taken for the new one's.
            for suffix in ("-wal", "-shm", "-journal"):
                self.database.with_name(f"{DATABASE}{suffix}").unlink(missing_ok=True)
            os.replace(self.new_database, self.database)
            sync_folder(self.path)

    def _write(self, description: Description) -> None:
        content = msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n"
        new = self.path / f"{DESCRIPTION}.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(new, self.path / DESCRIPTION)
        sync_folder(self.path)
        sync_folder(self.path.parent)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_like(path: Path, named: DatabaseFile) -> bool:
    try:
        return path.stat().st_size == named.size
    except FileNotFoundError:
        return False


def _copy(source: Path, target: Path) -> str:
    """A durable copy; the SHA-256 of what was read."""
    hasher = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with source.open("rb") as read, open(descriptor, "wb") as written:
        while piece := read.read(_PIECE):
            hasher.update(piece)
            written.write(piece)
        written.flush()
        os.fsync(descriptor)
    return hasher.hexdigest()
