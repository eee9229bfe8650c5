"""Thread pools, one for each kind of work, so that none can keep the others waiting."""

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from orlop.web.outcomes import Outcome, Outcomes
from orlop.web.stages import Stages

Result = TypeVar("Result")


class Pools:
    def __init__(self, reading: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext) -> None:
        """`reading` is entered in a thread while use cases that run together look things up."""
        # Use cases wait for the database's writer and for the disk; many wait together and share a commit.
        self.cases = CasePool(24)
        self.stages = Stages(reading)
        self.perform = self.stages.perform
        # Transfers copy bytes and never wait for a peer: few threads move as much as many.
        self.transfers = ThreadPoolExecutor(8, thread_name_prefix="transfer")
        self.hashing = ThreadPoolExecutor(4, thread_name_prefix="hash")
        # At most half of the processors check passwords: the others go on serving.
        self.passwords = ThreadPoolExecutor(max(1, min(4, (os.cpu_count() or 1) // 2)), thread_name_prefix="password")
        # Long work goes one after the other, and takes no thread from requests.
        self.maintenance = ThreadPoolExecutor(1, thread_name_prefix="maintenance")
        # What is inside images: some of it takes seconds, which blobs and use cases need not wait for.
        self.contents = ThreadPoolExecutor(8, thread_name_prefix="contents")
        # Two threads unpack what lies far inside a layer that must be read from its beginning, which takes minutes.
        self.unpacking = ThreadPoolExecutor(2, thread_name_prefix="unpacking")
        self.call = self.cases.call

    def close(self) -> None:
        """Ends the threads, once they have done what they were given."""
        self.stages.close()
        self.cases.close()
        for pool in (self.transfers, self.hashing, self.passwords, self.maintenance, self.contents, self.unpacking):
            pool.shutdown(wait=True, cancel_futures=True)


class _Case(Outcome):
    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., Any], arguments: tuple[object, ...]) -> None:
        super().__init__()
        self.function = function
        self.arguments = arguments


class CasePool:
    """Runs use cases for the event loop.

    An executor's future, the loop's future around it and a shield around both take 20 µs of the interpreter's lock for
    each call, and wake the loop for each answer; here a call takes 5 µs, and answers that are ready together wake the
    loop once (measured with 16 callers).
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._cases: queue.SimpleQueue[_Case | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._outcomes = Outcomes()
        self._closed = False

    async def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Runs a use case in the pool, to its end, also when the caller is cancelled."""
        if self._closed:
            raise RuntimeError("the server has stopped")
        case = _Case(function, arguments)
        self._outcomes.new(case)
        self._cases.put(case)
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._size:
            self._grow()
        result: Result = await case.wait()
        return result

    def close(self) -> None:
        self._closed = True
        for _ in self._threads:
            self._cases.put(None)
        for thread in self._threads:
            thread.join()

    def _grow(self) -> None:
        thread = threading.Thread(target=self._run, name=f"case_{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self) -> None:
        while (case := self._cases.get()) is not None:
            result, error = None, None
            try:
                result = case.function(*case.arguments)
            except BaseException as raised:  # noqa: BLE001  # it is the caller's
                error = raised
            self._outcomes.tell([(case, result, error)])
            del case, result, error
            self._idle.release()


async def joined(job: asyncio.Future[Result]) -> Result:
    """Waits for work in threads to the end, also when cancelled: it uses what the caller is about to close."""
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        while not job.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([job])
        if not job.cancelled():
            job.exception()  # that of a caller who has gone is nobody's
        raise
