"""Room on the disk for what looks into images makes: up to the floor that uploads have, too.

`contents.db` lies beside the registry's database, and a small layer may name very many files: all that can be made
again leaves the rest of the disk to what cannot.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from orlop.domain.errors import StorageFull

Item = TypeVar("Item")

_OFTEN = 2_000
"""Rows from one look to the next: of long paths, some MiB."""


class Space:
    def __init__(self, index: Path, floor: Callable[[int], int] = lambda total: 0) -> None:
        """`index`: the file of contents.db; `floor`: bytes that stay free on a disk of so many."""
        self._folder = index.parent
        self._log = index.with_name(f"{index.name}-wal")
        self._floor = floor

    def demand(self) -> None:
        """StorageFull where the floor is reached, or would be once the index's log is in the index."""
        status = os.statvfs(self._folder)
        free, floor = status.f_bavail * status.f_frsize, self._floor(status.f_blocks * status.f_frsize)
        if free - (self._log.stat().st_size if self._log.exists() else 0) < floor:
            raise StorageFull(detail={"free": free, "floor": floor})

    def heeding(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items, while there is room. StorageFull."""
        for number, item in enumerate(items):
            if not number % _OFTEN:
                self.demand()
            yield item
