"""What handlers use: the registry's use cases, the thread pools, and transfers."""

import asyncio
import contextlib
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from aiohttp import StreamReader
from aiohttp.web import BaseRequest

from orlop import telemetry
from orlop.app import App
from orlop.contents.stopping import Stopped, Stopping
from orlop.domain.errors import SizeInvalid, Unavailable
from orlop.web.gate import Gate
from orlop.web.pools import Pools, joined
from orlop.web.transfer import Transfer, TransferStalled

Result = TypeVar("Result")

_LOOK = 0.5
"""Seconds from one look whether a client is still there to the next."""
_UNPACKINGS = 4
_PATIENCE = 30.0
"""Seconds that a request waits to be one of those."""

_LENGTH = re.compile(r"[0-9]{1,18}")


def _is_gone(request: BaseRequest) -> bool:
    return request.transport is None or request.transport.is_closing()


class Edge:
    """Shared by all handlers of one server."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.started = time.time()
        self.pools = Pools(app.database.snapshot)
        self.stall = app.settings.limits.transfer_timeout
        self.transfer = Transfer(self.pools, self.stall, self.note_traffic)
        self._unpackings = asyncio.Semaphore(_UNPACKINGS)
        self.gate = Gate(app, self.pools)
        self.call = self.pools.call
        self.perform = self.pools.perform
        self.chores: dict[str, object] = {}
        """How each chore of housekeeping last went."""

    def note_traffic(self) -> None:
        """To be called when a client pushes or pulls: those who look into images rest then."""
        if self.app.index is not None:
            self.app.index.traffic.note(asyncio.get_running_loop().call_later)

    async def maintain(self, function: Callable[[], Result]) -> Result:
        """Runs long work in the thread that is kept for it, after what was given to it before."""
        return await asyncio.get_running_loop().run_in_executor(self.pools.maintenance, function)

    async def look_inside(
        self, request: BaseRequest, function: Callable[[], Result], pool: ThreadPoolExecutor | None = None
    ) -> Result:
        """Runs what looks into images in a thread that is kept for it, or in the pool's; it calls `heed` now and then.

        ConnectionError: the client has gone, and it was ended.
        """
        stopping = Stopping()
        job = asyncio.get_running_loop().run_in_executor(pool or self.pools.contents, stopping.call, function)
        try:
            while not (await asyncio.wait({job}, timeout=_LOOK))[0]:
                if _is_gone(request):
                    stopping.say()
            return job.result()
        except Stopped as error:
            raise ConnectionResetError("the client has gone") from error
        except asyncio.CancelledError:
            stopping.say()
            with contextlib.suppress(Exception):  # that of a caller who has gone is nobody's
                await joined(job)
            raise

    @contextlib.asynccontextmanager
    async def unpacking(self) -> AsyncIterator[ThreadPoolExecutor]:
        """The threads that read what must be unpacked from far before it; for a few requests at a time, as each may
        keep much memory for as long as its client likes. Unavailable: the turn did not come for a while.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._unpackings.acquire()
        except TimeoutError as error:
            raise Unavailable("as many files are being unpacked as memory allows: try again in a moment") from error
        try:
            yield self.pools.unpacking
        finally:
            self._unpackings.release()

    async def look_up(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Runs `function(connection, *arguments)`: on the loop, without a hop, where the database answers at once."""
        try:
            return function(self.app.database.hot(), *arguments)
        except sqlite3.OperationalError:
            return await self.call(lambda: function(self.app.database.reader(), *arguments))

    async def body(self, request: BaseRequest, most: int) -> bytes | None:
        """The whole body, or None where it is larger than `most` bytes; the connection must be closed then."""
        length = content_length(request)
        if length is not None and length > most:
            return None
        await accept_body(request)
        content, pieces, size = request.content, [], 0
        while not content.at_eof():
            piece = content.read_nowait() if content.is_eof() else await self._next_piece(content)
            size += len(piece)
            if size > most:
                return None
            pieces.append(piece)
        telemetry.RECEIVED.inc(size)
        return b"".join(pieces)

    async def _next_piece(self, content: StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self.stall):
                return await content.readany()
        except TimeoutError as error:
            raise TransferStalled from error


def content_length(request: BaseRequest) -> int | None:
    """The declared length of the body: None when it is chunked, 0 when there is none."""
    text = request.headers.get("Content-Length")
    if text is None:
        return None if "Transfer-Encoding" in request.headers else 0
    if _LENGTH.fullmatch(text) is None:
        raise SizeInvalid("Content-Length is not a number of bytes")
    return int(text)


async def accept_body(request: BaseRequest) -> None:
    """Tells a client that asked (`Expect: 100-continue`) to send its body: only after everything else was checked."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
