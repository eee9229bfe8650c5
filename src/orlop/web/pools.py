"""Thread pools, one for each kind of work, so that none can keep the others waiting."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Pools:
    def __init__(self) -> None:
        # Use cases wait for the database's writer and for the disk; many wait together and share a commit.
        self.cases = ThreadPoolExecutor(24, thread_name_prefix="case")
        # Transfers copy bytes and never wait for a peer: few threads move as much as many.
        self.transfers = ThreadPoolExecutor(8, thread_name_prefix="transfer")
        self.hashing = ThreadPoolExecutor(4, thread_name_prefix="hash")

    async def call(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Runs a use case in its pool, to its end.

        A caller that is cancelled, as when its client hangs up, waits for it all the same: a case that is half done,
        or that was dropped before it began, would leave uploads open that nobody closes.
        """
        return await joined(asyncio.get_running_loop().run_in_executor(self.cases, function, *arguments))

    def close(self) -> None:
        for pool in (self.cases, self.transfers, self.hashing):
            pool.shutdown(wait=True, cancel_futures=True)


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
