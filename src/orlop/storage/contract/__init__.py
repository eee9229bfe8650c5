"""The contract of storage drivers as tests, which need no test framework.

A driver's own test is a fixture and an import: with a fixture `storage` that gives a fresh, empty store,

    from orlop.storage.contract import StorageContract as TestContract

makes pytest run all of them. `orlop storage test` runs them on a store in use, below a folder of their own.
"""

import secrets
import time
from collections.abc import Callable, Generator
from typing import NamedTuple

from orlop.domain.errors import StoreRefused
from orlop.storage.base import Storage
from orlop.storage.contract.concurrency import Concurrency
from orlop.storage.contract.folders import Folders
from orlop.storage.contract.names import Names
from orlop.storage.contract.objects import Objects
from orlop.storage.contract.ranges import Ranges
from orlop.storage.contract.upstream import Upstream
from orlop.storage.contract.writers import Writers
from orlop.storage.subtree import Subtree

ROOM = 256 << 20
"""Bytes that must be free for the cases; they take less than half of it."""


class StorageContract(Upstream, Objects, Ranges, Folders, Writers, Names, Concurrency):
    """All cases: methods that are called `test_…` and take a fresh, empty store."""


class Verdict(NamedTuple):
    """How one case went."""

    case: str
    seconds: float
    failure: str
    """What the driver did wrong; empty if it kept the contract."""


def cases() -> dict[str, Callable[[Storage], None]]:
    """The cases by their names, in the order in which they are written."""
    contract = StorageContract()
    parts = [part for part in StorageContract.__mro__ if part is not object]
    names = [name for part in parts for name in vars(part) if name.startswith("test_")]
    return {name.removeprefix("test_").replace("_", " "): getattr(contract, name) for name in names}


def run(store: Storage) -> Generator[Verdict, None, None]:
    """Run all cases, each in a fresh folder of the store that goes when the case, or the run, is over.

    What is in the store already is neither read nor changed. StoreRefused: there isn't enough room for the test, which
    must not fill a store that is in use.
    """
    space = store.free_space()
    if space is not None and space.free < ROOM:
        raise StoreRefused(f"the test needs {ROOM >> 20} MiB, and {space.free >> 20} MiB are free: make room first")
    folder = f"storage-test-{secrets.token_hex(8)}"
    try:
        for number, (case, call) in enumerate(cases().items()):
            yield _verdict(case, call, Subtree(store, f"{folder}/{number}"))
            _remove(store, f"{folder}/{number}")
    finally:
        _remove(store, folder)


def _remove(store: Storage, folder: str) -> None:
    try:
        store.remove(folder)
    except FileNotFoundError:
        return  # the case left nothing


def _verdict(case: str, call: Callable[[Storage], None], storage: Storage) -> Verdict:
    started = time.perf_counter()
    failure = ""
    try:
        call(storage)
    except Exception as error:  # noqa: BLE001 a driver may raise anything, and the other cases are still to be run
        failure = str(error) if isinstance(error, AssertionError) else repr(error)
    return Verdict(case, time.perf_counter() - started, failure or "")
