"""Connections: what is answered where its bytes arrive, what goes the usual way, and clients that do not read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from orlop.web import answers
from orlop.web.answers import Answer
from orlop.web.connection import Connections

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = bytes(1 << 20)


class Site:
    """Says `at once` at `/hot`, and `later` elsewhere; `/large` is 1 MiB at once."""

    def __init__(self) -> None:
        self.cut: list[BaseException] = []
        self.reading = asyncio.Event()
        self.reading.set()

    def at_once(self, request: web.BaseRequest) -> Answer | None:
        if request.raw_path == "/large":
            return Answer(200, (), LARGE)
        return Answer(200, (), b"at once") if request.raw_path == "/hot" else None

    async def handle(self, request: web.BaseRequest) -> Answer:
        body = LARGE if request.raw_path == "/large" else b"later"
        await self.reading.wait()
        await request.read()
        return Counted(self, body)


class Counted(Answer):
    """Notes when its client is given up."""

    __slots__ = ("site",)

    def __init__(self, site: Site, body: bytes) -> None:
        super().__init__(200, (), body)
        self.site = site

    async def prepare(self, request: web.BaseRequest) -> None:
        try:
            await super().prepare(request)
        except ConnectionError as error:
            self.site.cut.append(error)
            raise


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(site: Site) -> AsyncIterator[Callable[[], "asyncio.Future[Pair]"]]:
    runner = web.ServerRunner(Connections(site.handle, at_once=site.at_once, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield lambda: asyncio.ensure_future(asyncio.open_connection(host, port, limit=1 << 12))
    finally:
        await runner.cleanup()


async def body(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return await reader.readexactly(size)


async def _bodies(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    return [await body(reader) for _ in range(count)]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([GET % b"hot"], [b"at once"]),
        ([GET % b"cold"], [b"later"]),
        ([b"POST /hot HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"], [b"later"]),
        ([b"GET /hot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"], [b"later"]),
        ([b"GET /hot HTTP/1.0\r\n\r\n"], [b"later"]),
        ([b"GET /hot HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", b"ab"], [b"later"]),
        ([GET % b"hot" * 2], [b"later", b"later"]),  # pipelined: in order, by whoever does the first
        ([(GET % b"hot")[:9], (GET % b"hot")[9:]], [b"at once"]),
        ([GET % b"hot", GET % b"cold", GET % b"hot"], [b"at once", b"later", b"at once"]),
    ],
)
def test_only_what_is_asked_alone_and_plainly_is_answered_at_once(sent: list[bytes], expected: list[bytes]) -> None:
    asyncio.run(_ask(sent, expected))


async def _ask(sent: list[bytes], expected: list[bytes]) -> None:
    async with serving(Site()) as connect:
        reader, writer = await connect()
        await asyncio.sleep(0.02)  # aiohttp's task for the connection waits now
        found = []
        for number, piece in enumerate(sent):
            writer.write(piece)
            await asyncio.sleep(0.02)
            if len(sent) == len(expected) and number < len(sent):
                found.append(await body(reader))
        while len(found) < len(expected):
            found.append(await body(reader))
        assert found == expected
        writer.close()


@pytest.mark.parametrize("size", [0, 200_000, 700_000, 900_000])
def test_the_end_of_a_chunked_body_may_come_before_anybody_reads_it(size: int) -> None:
    asyncio.run(_send_chunked(size))


async def _send_chunked(size: int) -> None:
    site = Site()
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    async with serving(site) as connect:
        reader, writer = await connect()
        for _ in range(3):
            site.reading.clear()
            writer.write(b"POST /cold HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            await asyncio.sleep(0.02)  # its handler waits
            if size:
                writer.write(b"%x\r\n%b\r\n" % (size, bytes(size)))
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.write(b"0\r\n\r\n")
            await asyncio.sleep(0.02)
            site.reading.set()
            async with asyncio.timeout(5):
                assert await body(reader) == b"later"
        writer.close()
    assert failures == []


def test_a_client_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it asks for meanwhile is not answered into memory without end."""
    monkeypatch.setattr(answers, "MOST_UNREAD", 0.3)
    asyncio.run(_ask_without_reading(Site()))


async def _ask_without_reading(site: Site) -> None:
    async with serving(site) as connect:
        reader, writer = await connect()
        for _ in range(64):
            writer.write(GET % b"large")
            await asyncio.sleep(0.005)
        async with asyncio.timeout(5):
            while not site.cut:
                await asyncio.sleep(0.02)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await _bodies(reader, 64)
        writer.close()


def test_a_client_that_reads_late_gets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MOST_UNREAD", 5.0)
    asyncio.run(_read_late())


async def _read_late() -> None:
    async with serving(Site()) as connect:
        reader, writer = await connect()
        for _ in range(24):
            writer.write(GET % b"large")
            await asyncio.sleep(0.005)
        assert await _bodies(reader, 24) == [LARGE] * 24
        writer.close()
