"""What becomes of use cases that run in threads, for those who wait on the event loop."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from typing import Any


class Outcome:
    """What becomes of a use case that was given to a thread."""

    __slots__ = ("ended", "future", "watcher")

    def __init__(self) -> None:
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.ended = False
        self.watcher: asyncio.Future[None] | None = None

    async def wait(self) -> Any:
        """The result, at the use case's end.

        A caller that is cancelled, as when its client hangs up, waits for it all the same: a case that is half done,
        or that was dropped before it began, would leave uploads open that nobody closes.
        """
        try:
            return await self.future
        except asyncio.CancelledError:
            while not self.ended:
                self.watcher = self.future.get_loop().create_future()
                with contextlib.suppress(asyncio.CancelledError):
                    await self.watcher
            raise

    def tell(self, result: Any, error: BaseException | None) -> None:
        """Called on the loop."""
        self.ended = True
        if self.watcher is not None and not self.watcher.done():
            self.watcher.set_result(None)
        if self.future.done():
            return  # cancelled: the error of a caller who has gone is nobody's
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Outcomes:
    """Brings what threads have done to the loop. What is ready together wakes it once."""

    def __init__(self) -> None:
        self._ready: deque[tuple[Outcome, Any, BaseException | None]] = deque()
        self._waking = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def new(self, outcome: Outcome) -> None:
        """Called on the loop, before a thread gets what `outcome` is of."""
        self._loop = outcome.future.get_loop()

    def tell(self, ready: Iterable[tuple[Outcome, Any, BaseException | None]]) -> None:
        """Called in a thread: outcomes with their results or errors."""
        self._ready.extend(ready)
        # The loop clears the mark before it looks: who finds it set has put its outcomes where the loop will look.
        if self._ready and not self._waking:
            self._waking = True
            assert self._loop is not None
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._waking = False
        while self._ready:
            outcome, result, error = self._ready.popleft()
            outcome.tell(result, error)
