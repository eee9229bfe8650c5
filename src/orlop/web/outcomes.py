"""What becomes of use cases that run in threads, for those who wait on the event loop."""

import asyncio
import contextlib
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
