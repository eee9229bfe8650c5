"""The pool of use cases: answers, errors, and callers that are cancelled."""

import asyncio
import threading
import time

import pytest

from orlop.web.pools import CasePool


def run(body) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        pool = CasePool(4)
        try:
            await body(pool)
        finally:
            pool.close()

    asyncio.run(main())


def test_answers_reach_their_callers() -> None:
    async def body(pool: CasePool) -> None:
        assert await asyncio.gather(*[pool.call(lambda n: n * n, n) for n in range(500)]) == [n * n for n in range(500)]

    run(body)


def test_errors_reach_their_callers() -> None:
    async def body(pool: CasePool) -> None:
        for error in (ValueError("no"), KeyError(1), SystemExit(3)):
            with pytest.raises(type(error)):
                await pool.call(_raise, error)

    run(body)


def _raise(error: BaseException) -> None:
    raise error


def test_more_callers_than_threads_wait_their_turn() -> None:
    async def body(pool: CasePool) -> None:
        names = await asyncio.gather(*[pool.call(_name_slowly) for _ in range(12)])
        assert len(set(names)) == 4

    run(body)


def _name_slowly() -> str:
    time.sleep(0.02)
    return threading.current_thread().name


def test_a_cancelled_caller_waits_for_its_case() -> None:
    async def body(pool: CasePool) -> None:
        began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

        def case() -> None:
            began.set()
            may_end.wait(10)
            ended.set()

        task = asyncio.create_task(pool.call(case))
        while not began.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.sleep(0.02)
        assert not task.done(), "it left its case behind"
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    run(body)


def test_a_case_whose_caller_was_cancelled_before_it_began_runs_all_the_same() -> None:
    async def body(pool: CasePool) -> None:
        blockers = [asyncio.create_task(pool.call(time.sleep, 0.1)) for _ in range(4)]
        await asyncio.sleep(0.01)
        ran = threading.Event()
        task = asyncio.create_task(pool.call(ran.set))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ran.is_set()
        await asyncio.gather(*blockers)

    run(body)
