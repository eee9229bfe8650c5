"""Room on the disk: uploads stop at a floor, so that pulls, deletes and the database go on."""

import contextlib
import threading
from collections.abc import Iterator

from orlop.domain.errors import StorageFull
from orlop.storage.base import Storage


class Room:
    """Refuses what would take the free space below `floor` bytes. Counts what running uploads have yet to write."""

    def __init__(self, storage: Storage, floor: int) -> None:
        self.floor = floor
        self._storage = storage
        self._open: dict[int, Reservation] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def reserve(self, size: int) -> "Iterator[Reservation]":
        """Room for `size` bytes while the block lasts, else StorageFull."""
        reservation = Reservation(self, size)
        with self._lock:
            self._demand(size + sum(other.remaining for other in self._open.values()))
            self._open[id(reservation)] = reservation
        try:
            yield reservation
        finally:
            with self._lock:
                del self._open[id(reservation)]

    def check(self) -> None:
        """StorageFull where the floor is reached."""
        with self._lock:
            self._demand(0)

    def _demand(self, size: int) -> None:
        if not self._storage.capabilities.free_space:
            return
        space = self._storage.free_space()
        if space is not None and space.free - size < self.floor:
            raise StorageFull(detail={"free": space.free, "floor": self.floor})


class Reservation:
    """What an upload has yet to write of the bytes that it declared: 0 where it declared none."""

    def __init__(self, room: Room, size: int) -> None:
        self.remaining = size
        self._room = room

    def used(self, size: int) -> None:
        """Notes that so much is being written. StorageFull: the disk has come to the floor, whoever took the room."""
        self._room.check()
        self.remaining = max(0, self.remaining - size)
