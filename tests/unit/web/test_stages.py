"""The stages of use cases: answers, errors, sharing, and callers that are cancelled."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from orlop.steps import COMMIT, CONTENT, Step, Steps
from orlop.web.stages import Stages


def run(body: Callable[[Stages], Awaitable[None]]) -> None:
    async def main() -> None:
        stages = Stages(nullcontext)
        try:
            await body(stages)
        finally:
            stages.close()

    asyncio.run(main())


class Disk:
    """Counts groups, and fails where it is at work twice at once."""

    def __init__(self, pause: float = 0.01) -> None:
        self.groups = 0
        self.pause = pause
        self._working = threading.Lock()

    def put(self, arguments: Sequence[Any]) -> list[Any]:
        assert self._working.acquire(blocking=False)
        self.groups += 1
        time.sleep(self.pause)
        self._working.release()
        return [ValueError(argument) if argument < 0 else argument for argument in arguments]


def doubled(disk: Disk, number: int) -> Steps[int]:
    first: int = yield Step(CONTENT, disk.put, number)
    second: int = yield Step(COMMIT, _same, first)
    return first + second


def _same(arguments: Sequence[Any]) -> Sequence[Any]:
    return arguments


def test_many_share_few_groups_and_each_gets_its_answer() -> None:
    async def body(stages: Stages) -> None:
        disk = Disk()
        answers = await asyncio.gather(*[stages.perform(doubled(disk, number)) for number in range(300)])
        assert answers == [2 * number for number in range(300)]
        assert disk.groups < 30

    run(body)


def test_errors_reach_their_callers_alone() -> None:
    async def body(stages: Stages) -> None:
        disk = Disk()
        answers = await asyncio.gather(
            stages.perform(doubled(disk, -1)), stages.perform(doubled(disk, 4)), return_exceptions=True
        )
        assert isinstance(answers[0], ValueError)
        assert answers[1] == 8

    run(body)


def test_a_caller_that_is_cancelled_waits_for_the_end() -> None:
    async def body(stages: Stages) -> None:
        disk = Disk(0.2)
        task = asyncio.create_task(stages.perform(doubled(disk, 1)))
        await asyncio.sleep(0.05)
        task.cancel()
        begun = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begun > 0.1
        assert disk.groups == 1

    run(body)


def test_after_the_end_nothing_is_taken() -> None:
    async def body(stages: Stages) -> None:
        stages.close()
        with pytest.raises(RuntimeError):
            await stages.perform(doubled(Disk(), 1))

    run(body)


@pytest.mark.parametrize("fails_at", ["begin", "end"])
def test_a_database_that_cannot_be_read_for_a_while_ends_no_stage(fails_at: str) -> None:
    broken = True

    @contextmanager
    def reading() -> Iterator[None]:
        if broken and fails_at == "begin":
            raise OSError("no disk")
        yield
        if broken and fails_at == "end":
            raise OSError("no disk")

    async def main() -> None:
        nonlocal broken
        stages = Stages(reading)
        try:
            disk = Disk()
            answers = await asyncio.wait_for(
                asyncio.gather(*[stages.perform(doubled(disk, 1)) for _ in range(5)], return_exceptions=True), 5
            )
            # What was read before the end counts.
            assert all(answer == 2 if fails_at == "end" else isinstance(answer, OSError) for answer in answers)
            broken = False
            assert await asyncio.wait_for(stages.perform(doubled(disk, 3)), 5) == 6
        finally:
            stages.close()

    asyncio.run(main())
