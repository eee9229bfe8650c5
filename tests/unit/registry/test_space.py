"""Room on the disk: what is promised to uploads never reaches below the floor."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.errors import StorageFull
from orlop.registry.space import Reservation, Room
from orlop.storage.base import Capabilities, Space
from orlop.storage.memory import MemoryStorage

FLOOR = 100


class Disk(MemoryStorage):
    """A store with that much free space."""

    capabilities = Capabilities(free_space=True)

    def __init__(self, free: int) -> None:
        super().__init__()
        self.free = free

    def free_space(self) -> Space:
        return Space(total=10_000, free=self.free)


def test_what_fits_above_the_floor_is_let_in() -> None:
    room = Room(Disk(free=1000), FLOOR)
    with room.reserve(900) as reservation:
        assert reservation.remaining == 900
    with pytest.raises(StorageFull) as refusal, room.reserve(901):
        pass
    assert refusal.value.detail == {"free": 1000, "floor": FLOOR}


def test_what_others_have_yet_to_write_counts() -> None:
    disk = Disk(free=1000)
    room = Room(disk, FLOOR)
    with room.reserve(600) as first:
        with pytest.raises(StorageFull), room.reserve(301):
            pass
        with room.reserve(300):
            pass
        first.used(500)
        disk.free -= 500
        with room.reserve(300):
            pass
        with pytest.raises(StorageFull), room.reserve(301):
            pass
    with room.reserve(400):
        pass


def test_a_refused_or_failed_upload_leaves_no_reservation() -> None:
    room = Room(Disk(free=1000), FLOOR)
    with pytest.raises(StorageFull), room.reserve(1000):
        pass
    with pytest.raises(ZeroDivisionError), room.reserve(900):
        raise ZeroDivisionError
    with room.reserve(900):
        pass


def test_at_the_floor_nothing_more_is_taken() -> None:
    disk = Disk(free=FLOOR)
    room = Room(disk, FLOOR)
    room.check()
    disk.free -= 1
    with pytest.raises(StorageFull):
        room.check()
    with pytest.raises(StorageFull), room.reserve(0):
        pass


def test_a_store_that_cannot_tell_its_space_refuses_nothing() -> None:
    room = Room(MemoryStorage(), FLOOR)
    room.check()
    with room.reserve(1 << 60):
        pass


STEPS = st.tuples(st.sampled_from(["begin", "write", "end"]), st.integers(0, 800), st.integers(0, 5))


@given(st.integers(0, 2000), st.lists(STEPS, max_size=40))
def test_whatever_order_uploads_come_in_the_floor_stays_free(free: int, steps: list[tuple[str, int, int]]) -> None:
    disk = Disk(free)
    room = Room(disk, FLOOR)
    running: list[tuple[contextlib.ExitStack, Reservation]] = []
    for step, size, which in steps:
        if step == "begin":
            stack = contextlib.ExitStack()
            with contextlib.suppress(StorageFull):
                running.append((stack, stack.enter_context(room.reserve(size))))
        elif running and step == "write":
            reservation = running[which % len(running)][1]
            written = min(size, reservation.remaining)
            reservation.used(written)
            disk.free -= written
        elif running:
            running.pop(which % len(running))[0].close()
        promised = sum(reservation.remaining for _, reservation in running)
        assert disk.free - promised >= min(FLOOR, free)
