"""What lies in the store's folder."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

PATIENCE = 10.0


def wait_until_tidy(store: Path, locations: Iterable[str] = (), *, unheard: int = 0) -> None:
    """Soon no unfinished file is left, and of uploads only those at these locations.

    `unheard`: as many more may be there of which no client was told before the server died; they expire.
    """
    expected = {location.rpartition("/")[2] for location in locations}
    deadline = time.monotonic() + PATIENCE
    while unfinished(store) or len(uploads(store) - expected) > unheard:
        assert time.monotonic() < deadline, f"left over: {unfinished(store)}, {uploads(store) - expected}"
        time.sleep(0.05)


def unfinished(store: Path) -> list[Path]:
    return _files(store / ".tmp")


def uploads(store: Path) -> set[str]:
    """The ids of those that hold something."""
    return {path.parent.name for path in _files(store / "uploads")}


def _files(folder: Path) -> list[Path]:
    """Also while a server removes some."""
    return [Path(where) / name for where, _, names in os.walk(folder) for name in names]
