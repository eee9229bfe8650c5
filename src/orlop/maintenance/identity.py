"""Whether a store and a database belong together: `orlop.json` in the tree, and the database's one row.

A database that is not this store's, or older than it, would take the store's newer content for garbage.
"""

import uuid

import msgspec

from orlop.database import accounts, stores
from orlop.database.engine import Database
from orlop.domain.errors import StoreRefused
from orlop.storage.base import Storage

FORMAT = 1

NEW = 1
"""The mark of a database in which nothing but its own description was committed."""


class FormatUnknown(StoreRefused):
    """A newer version wrote the store. This one must not even rebuild it."""


class RestoreUnfinished(StoreRefused):
    """A restore was interrupted. What is there is a part of a registry, and must not be taken for one."""


class Identity(msgspec.Struct, frozen=True):
    """What `orlop.json` says."""

    format: int
    store_id: str
    mark: int
    """A count of commits that the database had reached when this was written."""
    accounts: bool = False
    """Whether the registry ever had accounts."""
    restoring: bool = False
    """Whether a restore has begun and not ended: parts of the content may be missing."""


def check_unused(storage: Storage) -> None:
    """StoreRefused where the store is in use: it has lost its database, and a new one must not be made beside it."""
    if read(storage) is not None:
        raise StoreRefused(
            "the database is missing, the store is not: run `orlop restore` on a backup, or `orlop rebuild`"
        )
    if holds_content(storage):
        raise StoreRefused("the store holds content and no orlop.json: run `orlop rebuild`")


def check(storage: Storage, database: Database) -> None:
    """Makes both anew where both are empty. StoreRefused: they do not belong together."""
    tree = read(storage)
    row = stores.read(database.reader())
    if row is None:
        check_unused(storage)
        create(storage, database)
        return
    if tree is None:
        if row.mark > NEW or holds_content(storage):
            raise StoreRefused("the database describes another store than this one: check storage.url")
        write(storage, Identity(FORMAT, row.store_id, row.mark))  # the first start ended before it did this
        return
    if tree.store_id != row.store_id:
        raise StoreRefused("the database is another store's: check storage.url, database.url, or run `orlop rebuild`")
    if tree.mark > row.mark:
        raise StoreRefused("the database is older than the store: run `orlop restore` on a backup, or `orlop rebuild`")


def create(storage: Storage, database: Database, mark: int = 0) -> None:
    """A new identity for both. The database first: a store without one is refused only where it holds content."""
    store_id = new_id()
    database.write(lambda connection: stores.create(connection, store_id, mark))
    write(storage, Identity(FORMAT, store_id, mark))


def new_id() -> str:
    return uuid.uuid4().hex


def mark(storage: Storage, database: Database) -> None:
    """Tells the tree how far the database has come."""
    row = stores.read(database.reader())
    tree = read(storage)
    if row is not None and tree is not None and tree.mark != row.mark:
        write(storage, msgspec.structs.replace(tree, mark=row.mark))


def note_accounts(storage: Storage) -> None:
    """Tells the tree that the registry has accounts: whoever finds it without a database must not open it to all."""
    tree = read(storage)
    if tree is not None and not tree.accounts:
        write(storage, msgspec.structs.replace(tree, accounts=True))


def had_accounts(storage: Storage, database: Database) -> bool:
    """Whether the registry ever had accounts."""
    tree = read(storage)
    return (tree is not None and tree.accounts) or not accounts.is_empty(database.reader())


def read(storage: Storage) -> Identity | None:
    """What the tree says of itself, None where it says nothing. StoreRefused: it cannot be read, or not be used."""
    identity = read_any(storage)
    if identity is not None and identity.restoring:
        raise RestoreUnfinished("a restore into this store was not finished: run `orlop restore` again")
    return identity


def read_any(storage: Storage) -> Identity | None:
    """`read`, also of a store into which a restore was not finished."""
    try:
        content = storage.get_content(storage.store_path())
    except FileNotFoundError:
        return None
    try:
        identity = msgspec.json.decode(content, type=Identity)
    except msgspec.DecodeError as error:
        raise StoreRefused(f"orlop.json in the store cannot be read ({error}): run `orlop rebuild`") from error
    if identity.format > FORMAT:
        raise FormatUnknown(
            f"the store has format {identity.format}, this version knows {FORMAT}: install a newer version"
        )
    return identity


def write(storage: Storage, identity: Identity) -> None:
    storage.put_content(storage.store_path(), as_bytes(identity))


def as_bytes(identity: Identity) -> bytes:
    """As it stands in the tree."""
    document = msgspec.to_builtins(identity)
    if not identity.restoring:
        del document["restoring"]
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def holds_content(storage: Storage) -> bool:
    return any(_has_objects(storage, folder) for folder in ("blobs", storage.repositories, storage.images))


def _has_objects(storage: Storage, folder: str) -> bool:
    try:
        return next(storage.walk(folder), None) is not None
    except FileNotFoundError:
        return False
