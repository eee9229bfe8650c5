"""What is replaced is kept aside, under a name that says why and when."""

import os
import time
from itertools import chain, count
from pathlib import Path

from orlop.domain.errors import StoreRefused

BESIDE = ("-wal", "-shm")
"""Files that belong to a SQLite database of the same name."""


def stamp() -> str:
    return time.strftime("%Y%m%dT%H%M%S")


def put_database_aside(path: Path, reason: str, at: str) -> Path | None:
    """Renames a database that nobody has open to `NAME.before-REASON-AT`; None where there is none."""
    kept = _free_name(path, reason, at)
    found = False
    # The database first: without its log it would be taken for an older one.
    for suffix in ("", *BESIDE):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(kept.with_name(kept.name + suffix))
            found = True
    return kept if found else None


def put_store_aside(root: Path, reason: str, at: str) -> Path:
    """Renames the folder of a store that nobody has open. StoreRefused: it can't be."""
    kept = _free_name(root, reason, at)
    try:
        root.rename(kept)
    except OSError as error:
        raise StoreRefused(
            f"{root} cannot be renamed ({error.strerror}): move what is in it elsewhere by hand, or choose another"
            " folder with --data"
        ) from error
    descriptor = os.open(root.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return kept


def remove_database(path: Path) -> None:
    for suffix in ("", *BESIDE, "-journal", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _free_name(path: Path, reason: str, at: str) -> Path:
    """One that nothing has yet, also when two are made in one second."""
    suffixes = (f"-{number}" for number in count(2))
    names = (f"{path.name}.before-{reason}-{at}{more}" for more in chain([""], suffixes))
    return next(kept for kept in map(path.with_name, names) if not kept.exists())
