"""Commands that act on the store's own database, beside a server that may be running on it."""

import contextlib
import getpass
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from orlop.app import database_path
from orlop.auth.accounts import Accounts
from orlop.auth.htpasswd import read
from orlop.config import Settings
from orlop.database import stores
from orlop.database.engine import Database
from orlop.database.upgrade import prepare
from orlop.domain.caller import Caller
from orlop.domain.errors import AccountInvalid, StoreRefused
from orlop.maintenance import identity
from orlop.storage.base import Storage
from orlop.storage.location import open_storage

COMMAND_LINE = Caller(account="", address="command line", request_id="command")
"""Who does it, in the audit log: whoever may write the database's file."""


@contextlib.contextmanager
def open_database(settings: Settings, *, make: bool = False) -> Iterator[Database]:
    """The registry's database. StoreRefused: there is none, and none is to be made, or it is not the store's."""
    if settings.storage_url == "memory:":
        raise StoreRefused("a registry in memory has nothing beside its server: set storage.url or --data")
    with database_path(settings) as path:
        if not path.exists() or not path.stat().st_size:
            if not make:
                raise StoreRefused(
                    f"there is no registry in {Path(settings.data).absolute()}: name its folder by --data"
                )
            Path(settings.data).mkdir(parents=True, exist_ok=True)
            _make(settings, path)
            click.echo(f"made a registry in {Path(settings.data).absolute()}", err=True)
        prepare(path)
        database = Database(path)
        try:
            yield database
        finally:
            database.close()


@contextlib.contextmanager
def open_store(settings: Settings, *, make: bool = False) -> Iterator[tuple[Storage, Database]]:
    """The registry's store and its database, also while a server runs on them.

    StoreRefused: there is none, and none is to be made, or the two do not belong together.
    """
    with open_database(settings, make=make) as database:
        storage = open_storage(settings.storage_url, allow_network_filesystem=settings.storage.allow_network_filesystem)
        try:
            identity.check(storage, database)
            yield storage, database
        finally:
            storage.close()


@contextlib.contextmanager
def open_accounts(settings: Settings, *, make: bool = False) -> Iterator[Accounts]:
    """See `open_database`."""
    listed = read(Path(settings.access.htpasswd)) if settings.access.htpasswd else {}
    with open_database(settings, make=make) as database:
        yield Accounts(database, listed.__contains__)


def note_accounts(settings: Settings) -> None:
    """Tells the tree that there are accounts now."""
    storage = open_storage(settings.storage_url, allow_network_filesystem=settings.storage.allow_network_filesystem)
    try:
        identity.note_accounts(storage)
    finally:
        storage.close()


def hint_mode(settings: Settings) -> None:
    """Says so where accounts decide nothing yet."""
    if settings.access.mode == "open":
        click.echo("accounts count once access.mode is accounts: set it in the configuration", err=True)


def time_text(milliseconds: int | None) -> str | None:
    """A time of the database as RFC 3339, None for none."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def read_password(file: str | None) -> str:
    """From a file, from standard input where it is `-`, else asked for twice at the terminal."""
    if file == "-":
        return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    if file is not None:
        return Path(file).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    if not os.isatty(0):
        raise AccountInvalid("there is no terminal to ask for the password: use --password-file FILE, or - for input")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise AccountInvalid("the two passwords differ")
    return password


def _make(settings: Settings, path: Path) -> None:
    """The store and its database, as the first start of a server makes them."""
    storage = open_storage(settings.storage_url, allow_network_filesystem=settings.storage.allow_network_filesystem)
    try:
        identity.check_unused(storage)
        prepare(path)
        database = Database(path)
        try:
            if stores.read(database.reader()) is None:
                identity.create(storage, database)
        finally:
            database.close()
    finally:
        storage.close()
