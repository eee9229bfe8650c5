"""Answers to requests, written to the connection as they are.

aiohttp's own response objects build and check every header anew. Most answers here are short and alike, and are sent
thousands of times a second; writing head and body in one piece takes a quarter of the time (measured).
"""

import asyncio
import time
from collections.abc import Iterable
from http import HTTPStatus

import msgspec
from aiohttp.web import BaseRequest

Headers = Iterable[tuple[str, str]]

MOST_UNREAD = 60.0
"""Seconds that an answer waits for a client that does not read it."""

JSON = "application/json"

_REASONS = {status.value: status.phrase for status in HTTPStatus}
# Digests and names are subclasses of str, which the encoder knows only by its hook.
_encoder = msgspec.json.Encoder(enc_hook=str)


class Answer:
    """Status, headers and body. aiohttp's protocol calls `prepare` and `write_eof` and reads `keep_alive`."""

    __slots__ = ("body", "headers", "keep_alive", "size", "status")

    def __init__(self, status: int, headers: Headers = (), body: bytes = b"", *, size: int | None = None) -> None:
        """`size`: the Content-Length where there is no body to count, as for HEAD."""
        self.status = status
        self.headers = headers
        self.body = body
        self.size = len(body) if size is None else size
        self.keep_alive = True

    async def prepare(self, request: BaseRequest) -> None:
        """Writes the answer to the request's connection. ConnectionError: the client has gone."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        self.keep_alive = self.keep_alive and may_reuse(request)
        transport.write(self.head(request) + self.body if request.method != "HEAD" else self.head(request))
        if request.protocol.writing_paused:
            await self._until_read(request, transport)

    async def _until_read(self, request: BaseRequest, transport: asyncio.Transport) -> None:
        try:
            async with asyncio.timeout(MOST_UNREAD):
                await request.protocol._drain_helper()
        except TimeoutError as error:
            transport.abort()
            raise ConnectionResetError("the client has stopped reading") from error

    async def write_eof(self) -> None:
        """All was written by `prepare`."""

    def head(self, request: BaseRequest) -> bytes:
        """The status line and all headers."""
        lines = [f"HTTP/1.1 {self.status} {_REASONS[self.status]}\r\nDate: {_date()}\r\n"]
        if self.status not in (204, 304):
            lines.append(f"Content-Length: {self.size}\r\n")
        for name, value in self.headers:
            lines.append(f"{name}: {value}\r\n")
        if not self.keep_alive:
            lines.append("Connection: close\r\n")
        elif request.version < (1, 1):
            lines.append("Connection: keep-alive\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1")


class Sent(Answer):
    """An answer that its handler has sent already, with `size` bytes of body."""

    __slots__ = ()

    async def prepare(self, request: BaseRequest) -> None:
        return


def take_connection(request: BaseRequest) -> None:
    """Notes that the body goes past the HTTP parser: no other request can come on this connection."""
    setattr(request.protocol, "last", True)  # noqa: B010  # an attribute of our own connections only


def take_body(request: BaseRequest) -> bytes | None:
    """What has come of a chunked body, still coded, where nobody has read of it yet; its caller reads on then."""
    take = getattr(request.protocol, "take_body", None)
    if take is None or request.content.is_eof():
        return None
    line = f"{request.method} {request.raw_path} HTTP/".encode("utf-8", "surrogateescape")
    taken: bytes | None = take(line)
    return taken


def may_reuse(request: BaseRequest) -> bool:
    """Whether another request may come on this connection.

    Not before a body has come to its end: a client that has its answer may send the next request in place of the rest.
    """
    return request.keep_alive and request.content.is_eof() and not getattr(request.protocol, "last", False)


def json_answer(status: int, document: object, headers: Headers = (), *, content_type: str = JSON) -> Answer:
    return Answer(status, (("Content-Type", content_type), *headers), _encoder.encode(document))


_date_second = 0
_date_text = ""


def _date() -> str:
    global _date_second, _date_text
    now = int(time.time())
    if now != _date_second:
        _date_second = now
        # Not strftime: its names of days and months follow the locale.
        fields = time.gmtime(now)
        day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[fields.tm_wday]
        month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[fields.tm_mon - 1]
        _date_text = f"{day}, {fields.tm_mday:02} {month} {fields.tm_year} {time.strftime('%H:%M:%S', fields)} GMT"
    return _date_text
