"""Big bodies between sockets and objects. Nothing else touches a connection's socket.

Both directions work on a duplicate of the connection's descriptor. A job in the transfer pool moves bytes until the
socket would block, or 8 MiB are through; then the event loop waits for the socket: no thread ever waits for a peer.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

from aiohttp import StreamReader
from aiohttp.web import BaseRequest

from orlop import telemetry
from orlop.domain.errors import SizeInvalid
from orlop.registry.uploads import OpenUpload
from orlop.storage.base import Buffer
from orlop.web.answers import take_body, take_connection
from orlop.web.chunked import Chunks
from orlop.web.pools import Pools, joined

Result = TypeVar("Result")

TURN = 8 * 1024 * 1024
"""Bytes that one job moves at most: others get their turn, and a cancelled request waits no longer than that."""
PIECE = 1024 * 1024
"""Bytes received at a time."""
RAW_LEAST = 256 * 1024
"""A body with fewer bytes to come goes through the HTTP parser: taking the socket costs more than it saves."""


class TransferStalled(ConnectionError):
    """No byte moved for too long."""

    def __init__(self) -> None:
        super().__init__("nothing moved for too long")


class Transfer:
    """Sends objects and receives uploads for one server."""

    def __init__(self, pools: Pools, stall: float, note: Callable[[], None] = lambda: None) -> None:
        """`stall`: seconds without progress that end a transfer; `note` is called while bytes move."""
        self._pools = pools
        self._stall = stall
        self._note = note

    async def send_file(self, request: BaseRequest, head: bytes, descriptor: int, offset: int, count: int) -> None:
        """Writes `head`, then `count` bytes of a file from `offset`, by sendfile where the connection allows it."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        if transport.get_extra_info("sslcontext") is not None:
            await self.send_pieces(request, head, _file_pieces(descriptor, offset, count))
            return
        await self._flushed(request)
        with _cut_on_failure(transport), _Socket(transport, self._note) as peer:
            left = head
            while left or count:
                left, sent = await peer.run(
                    self._pools.transfers, _send_turn, peer.fileno(), left, descriptor, offset, count
                )
                offset, count = offset + sent, count - sent
                if left or count:
                    await peer.writable(self._stall)

    async def send_pieces(
        self, request: BaseRequest, head: bytes, pieces: Iterator[bytes], pool: ThreadPoolExecutor | None = None
    ) -> None:
        """Writes `head`, then all pieces, each read in a pool's thread, by default the transfers': for TLS, and for
        what is no object with a descriptor."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        loop = asyncio.get_running_loop()
        with _cut_on_failure(transport):
            transport.write(head)
            while piece := await joined(loop.run_in_executor(pool or self._pools.transfers, next, pieces, b"")):
                if transport.is_closing():
                    raise ConnectionResetError("the client has gone")
                transport.write(piece)
                self._note()
                await self._drained(request)

    async def receive(self, request: BaseRequest, upload: OpenUpload, length: int | None) -> None:
        """Appends the request's body to the upload; `length` is its Content-Length, None when it is chunked.

        ConnectionError: it was cut. What has arrived is in the upload, hashed.
        """
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        before = upload.size
        try:
            await self._receive(request, transport, upload, length)
        finally:
            telemetry.RECEIVED.inc(max(0, upload.size - before))

    async def _receive(
        self, request: BaseRequest, transport: asyncio.Transport, upload: OpenUpload, length: int | None
    ) -> None:
        plain = transport.get_extra_info("sslcontext") is None
        if plain and length is not None and length - request.content.total_bytes > RAW_LEAST:
            await self._receive_raw(request, transport, upload, length)
            return
        begun = take_body(request) if plain and length is None else None
        if begun is not None:
            await self._receive_chunked(request, transport, upload, begun)
        else:
            await self._receive_parsed(request, upload, length)

    async def _receive_raw(
        self, request: BaseRequest, transport: asyncio.Transport, upload: OpenUpload, length: int
    ) -> None:
        """From the socket itself, past the HTTP parser, which can't be told: the connection ends with the answer."""
        take_connection(request)
        taken = _take_parsed(request.content, transport)
        await self._store(upload, taken)
        left = length - sum(map(len, taken))
        with _Socket(transport, self._note) as peer:
            while left:
                received = await peer.run(
                    self._pools.transfers, _receive_turn, peer.fileno(), upload, left, self._pools.hashing
                )
                left -= received
                if left:
                    await peer.readable(self._stall)
        request.content.feed_eof()
        transport.pause_reading()

    async def _receive_chunked(
        self, request: BaseRequest, transport: asyncio.Transport, upload: OpenUpload, begun: bytes
    ) -> None:
        """Chunks from the socket itself; `begun` is what came of the body, still coded."""
        take_connection(request)
        _take_parsed(request.content, transport)  # the same bytes, decoded: dropped
        chunks = Chunks()
        await self._store(upload, chunks.feed(memoryview(begun)))
        with _Socket(transport, self._note) as peer:
            while not chunks.done:
                await peer.run(self._pools.transfers, _chunked_turn, peer.fileno(), upload, chunks, self._pools.hashing)
                if not chunks.done:
                    await peer.readable(self._stall)
        request.content.feed_eof()
        transport.pause_reading()

    async def _receive_parsed(self, request: BaseRequest, upload: OpenUpload, length: int | None) -> None:
        received = 0
        async for pieces in self._parsed(request.content):
            await self._store(upload, pieces)
            received += sum(map(len, pieces))
        if length is not None and received != length:
            raise SizeInvalid(f"the body has {received} bytes, its Content-Length says {length}")

    async def _parsed(self, content: StreamReader) -> AsyncIterator[list[bytes]]:
        """The body in lists of pieces of about `PIECE` bytes, without joining them: copies are what costs."""
        pieces: list[bytes] = []
        size = 0
        while not content.at_eof():
            try:
                async with asyncio.timeout(self._stall):
                    piece, _ = await content.readchunk()
            except TimeoutError as error:
                raise TransferStalled from error
            if piece:
                pieces.append(piece)
                size += len(piece)
            if size >= PIECE:
                yield pieces
                pieces, size = [], 0
        if pieces:
            yield pieces

    async def _store(self, upload: OpenUpload, pieces: Sequence[Buffer]) -> None:
        """Writes and hashes side by side."""
        if not pieces:
            return
        self._note()
        loop = asyncio.get_running_loop()
        hashed = loop.run_in_executor(self._pools.hashing, upload.hash, pieces)
        written = loop.run_in_executor(self._pools.transfers, upload.write, pieces)
        await joined(asyncio.gather(hashed, written))

    async def _flushed(self, request: BaseRequest) -> None:
        """Waits until everything written before is out: what follows goes past the transport's buffer."""
        transport = request.transport
        while transport is not None and transport.get_write_buffer_size():
            await asyncio.sleep(0)
            if transport.get_write_buffer_size():
                await asyncio.sleep(0.001)
            transport = request.transport

    async def _drained(self, request: BaseRequest) -> None:
        try:
            async with asyncio.timeout(self._stall):
                await request.protocol._drain_helper()
        except TimeoutError as error:
            if request.transport is not None:
                request.transport.abort()
            raise TransferStalled from error


class _Socket:
    """A duplicate of a connection's descriptor, closed at the block's end, after every job on it has ended."""

    def __init__(self, transport: asyncio.Transport, note: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._note = note
        self._socket = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    async def run(self, pool: ThreadPoolExecutor, function: Callable[..., Result], *arguments: object) -> Result:
        """Runs a job. A cancelled caller shuts the socket down, which makes the job return, and waits for it."""
        self._note()
        job = self._loop.run_in_executor(pool, function, *arguments)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            self._shut_down()
            await asyncio.wait([job])
            job.exception()
            raise

    async def writable(self, timeout: float) -> None:
        await self._wait(self._loop.add_writer, self._loop.remove_writer, timeout)

    async def readable(self, timeout: float) -> None:
        await self._wait(self._loop.add_reader, self._loop.remove_reader, timeout)

    async def _wait(self, add: Callable[..., None], remove: Callable[[int], object], timeout: float) -> None:
        ready = self._loop.create_future()
        descriptor = self.fileno()
        add(descriptor, _settle, ready)
        try:
            async with asyncio.timeout(timeout):
                await ready
        except TimeoutError as error:
            self._shut_down()
            raise TransferStalled from error
        finally:
            remove(descriptor)

    def _shut_down(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the peer was faster


class _Buffers(threading.local):
    """Two buffers that take turns: one is hashed while the next is filled.

    They are the thread's, not the transfer's: between its turns a transfer holds no memory.
    """

    def __init__(self) -> None:
        self._buffers: list[bytearray] = []
        self._turn = 0

    def next(self) -> memoryview:
        if not self._buffers:
            self._buffers = [bytearray(PIECE), bytearray(PIECE)]
        self._turn ^= 1
        return memoryview(self._buffers[self._turn])


_buffers = _Buffers()


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


@contextlib.contextmanager
def _cut_on_failure(transport: asyncio.Transport) -> Iterator[None]:
    """Ends the connection where a body can't be sent to its end: an error's answer would be taken for part of it."""
    try:
        yield
    except BaseException:
        transport.abort()
        raise


def _take_parsed(content: StreamReader, transport: asyncio.Transport) -> list[bytes]:
    """Everything that the parser has read of the body, with the transport paused afterwards."""
    taken = []
    while piece := content.read_nowait():
        taken.append(piece)
        transport.pause_reading()  # reading from the stream resumes it
    transport.pause_reading()
    return taken


def _send_turn(peer: int, head: bytes, descriptor: int, offset: int, count: int) -> tuple[bytes, int]:
    """Sends until the socket would block: what is left of the head, and how many bytes of the file went."""
    sent = 0
    try:
        while head:
            head = head[os.write(peer, head) :]
        while sent < min(count, TURN):
            moved = os.sendfile(peer, descriptor, offset + sent, min(count - sent, TURN))
            if not moved:
                raise ConnectionError("the object is shorter than its record says")
            sent += moved
    except BlockingIOError:
        pass
    return head, sent


def _receive_turn(peer: int, upload: OpenUpload, left: int, hashing: ThreadPoolExecutor) -> int:
    """Receives until the socket would block: how many bytes were written and hashed."""
    received = 0
    hashed = None
    try:
        with socket.socket(fileno=os.dup(peer)) as source:
            while received < min(left, TURN):
                buffer = _buffers.next()
                filled, blocked, closed = _fill(source, buffer[: left - received])
                if filled:
                    piece: list[bytes | bytearray | memoryview] = [buffer[:filled]]
                    if hashed is not None:
                        hashed.result()
                    hashed = hashing.submit(upload.hash, piece)
                    upload.write(piece)
                    received += filled
                if closed:
                    raise ConnectionResetError("the client has gone")
                if blocked:
                    break
    finally:
        if hashed is not None:
            hashed.result()
    return received


def _chunked_turn(peer: int, upload: OpenUpload, chunks: Chunks, hashing: ThreadPoolExecutor) -> None:
    """Receives chunks until the socket would block; what they hold is written and hashed."""
    received = 0
    hashed = None
    try:
        with socket.socket(fileno=os.dup(peer)) as source:
            while received < TURN and not chunks.done:
                buffer = _buffers.next()
                filled, blocked, closed = _fill(source, buffer)
                pieces = _joined(buffer, chunks.feed(buffer[:filled]))
                if hashed is not None:
                    hashed.result()
                if pieces:
                    hashed = hashing.submit(upload.hash, pieces)
                    upload.write(pieces)
                received += filled
                if closed and not chunks.done:
                    raise ConnectionResetError("the client has gone")
                if blocked:
                    break
    finally:
        if hashed is not None:
            hashed.result()


def _joined(buffer: memoryview, pieces: list[memoryview]) -> list[memoryview]:
    """The pieces of a buffer, moved together at its front.

    Docker's chunks have 32 KiB: to hash them one by one hands the interpreter's lock around thirty times for each MiB,
    which costs several times as much as moving them.
    """
    if len(pieces) < 2:
        return pieces
    end = 0
    for piece in pieces:
        buffer[end : end + len(piece)] = piece  # never forward, so nothing is overwritten that is still to be moved
        end += len(piece)
    return [buffer[:end]]


def _fill(source: socket.socket, buffer: memoryview) -> tuple[int, bool, bool]:
    """Receives until the buffer is full: how much came, whether the socket would block, whether the peer has gone."""
    filled = 0
    while filled < len(buffer):
        try:
            count = source.recv_into(buffer[filled:])
        except BlockingIOError:
            return filled, True, False
        except OSError:
            return filled, False, True
        if count == 0:
            return filled, False, True
        filled += count
    return filled, False, False


def _file_pieces(descriptor: int, offset: int, count: int) -> Iterator[bytes]:
    while count:
        piece = os.pread(descriptor, min(count, PIECE), offset)
        if not piece:
            raise ConnectionError("the object is shorter than its record says")
        offset, count = offset + len(piece), count - len(piece)
        yield piece
