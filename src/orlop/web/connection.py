"""Clients' connections: aiohttp's HTTP protocol, with a deadline for headers and a short way for what is at hand."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import StreamReader, web
from aiohttp.http import StreamWriter
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from orlop.web.answers import Answer
from orlop.web.v2 import errors

log = structlog.get_logger("orlop.web")

AtOnce = Callable[[web.BaseRequest], Answer | None]
"""Answers a request whose answer is at hand, or returns None."""

# With aiohttp's default of 64 KiB, reading stops and starts for ever during large uploads.
READ_BUFFER = 1 << 20
ENOUGH_BEGUN = 1 << 19
"""Bytes of a chunked body that come before its handler takes the connection over."""


class Connection(RequestHandler):
    """A client's connection, with a deadline for headers and answers of our own to what can't be parsed.

    What is at hand is answered as soon as its request has come: aiohttp's task for each request, and the wake-ups
    around it, take longer than all that a look-up of a manifest needs (measured: 107 µs a request with, 80 without).
    """

    __slots__ = ("_begun", "_begun_size", "_body", "_in_chunked", "headers_since", "last")

    def __init__(self, *arguments: object, **keywords: object) -> None:
        super().__init__(*arguments, **keywords)  # type: ignore[arg-type]
        self.headers_since = 0.0
        """When the first byte of a request came whose headers are not whole yet; 0 while there is none."""
        self.last = False
        """Whether no request comes after the running one: its body went past the HTTP parser, or the server stops."""
        self._begun: list[bytes] = []  # a request as it came, while it may turn out to have a chunked body
        self._begun_size = 0
        self._in_chunked = False
        self._body: StreamReader | None = None  # of the request that came last

    def data_received(self, data: bytes) -> None:
        waiter = self._waiter
        # Before its first request, a connection may have no waiter yet.
        between_requests = not self._messages and (waiter is not None or self._request_count == 0)
        if between_requests and self._in_chunked:
            self._forget_begun()
        if between_requests or self._in_chunked:
            self._begun.append(data)
        requests = self._request_count
        if between_requests and waiter is not None:
            self._waiter = None  # so that the task which waits is woken only where it has something to do
            super().data_received(data)
            self._waiter = waiter
            self._look_at_message()
            if self._messages and not waiter.done() and not self._answered_at_once():
                waiter.set_result(None)
        else:
            super().data_received(data)
            if between_requests:
                self._look_at_message()
            elif self._in_chunked:
                self._begun_size += len(data)
                # Another request has come behind the one whose bytes these were, or somebody reads the body by the
                # parser.
                if self._request_count != requests or self._begun_size > 2 * READ_BUFFER:
                    self._forget_begun()
                elif self._begun_size > ENOUGH_BEGUN and self._body is not None and self._may_wait(self._body):
                    self.pause_reading()  # more would only be parsed for nothing
        if self._messages:
            self._look_for_broken_body()

    @staticmethod
    def _may_wait(body: StreamReader) -> bool:
        """Whether whoever reads the body by the parser comes to resume it: not with nothing of it to read, and a body
        that has ended may not be held back (aiohttp's parser has none then)."""
        return bool(body._buffer) and not body.is_eof()

    def _answered_at_once(self) -> bool:
        """Whether the one request that has come is answered; aiohttp's task for this connection sees nothing of it."""
        manager, transport, parser = self._manager, self.transport, self._parser
        if not isinstance(manager, Connections) or manager.at_once is None or transport is None or parser is None:
            return False
        message, payload = self._messages[0]
        if (
            len(self._messages) > 1
            or isinstance(message, _ErrInfo)
            or message.method not in ("GET", "HEAD")
            or message.should_close
            or message.upgrade
            or not payload.is_eof()
            or self.last
            or transport.get_write_buffer_size()  # the client reads more slowly than it asks
        ):
            return False
        request = manager.request_factory(
            message,
            payload,
            self,
            StreamWriter(self, self._loop),
            self._task_handler,  # type: ignore[arg-type]
        )
        answer = manager.at_once(request)
        if answer is None:
            return False
        transport.write(answer.head(request) + answer.body if message.method == "GET" else answer.head(request))
        self._messages.clear()
        parser.message_consumed()
        manager.requests_count += 1
        self._next_keepalive_close_time = closes_at = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(closes_at, self._process_keepalive)
        return True

    def _look_for_broken_body(self) -> None:
        """Where the parser meets what is no body, only the next request is told, and this one would wait for more."""
        newest, payload = self._messages[-1]
        if not isinstance(newest, _ErrInfo):
            self._body = payload
        elif self._body is not None and not self._body.is_eof() and self._body.exception() is None:
            self._body.set_exception(web.RequestPayloadError("the body's coding is wrong"))
            self.last = True
            self._lingering_time = 0.0  # what else comes is not worth reading

    def end_with_request(self) -> bool:
        """Ends the connection once its running request is answered, now where there is none; whether it has ended."""
        self.last = True
        if self._waiter is None or self._messages:
            return False  # aiohttp waits for a request only when it has none
        self.force_close()
        return True

    def take_body(self, request_line: bytes) -> bytes | None:
        """What has come of a chunked body, as it came. None where that isn't known any more.

        `request_line` is how the request must begin: its first bytes may have come while the one before was answered.
        """
        if not self._in_chunked:
            return None
        head, ended, body = b"".join(self._begun).partition(b"\r\n\r\n")
        self._forget_begun()
        return body if ended and head.startswith(request_line) else None

    def _look_at_message(self) -> None:
        if not self._messages:
            self.headers_since = self.headers_since or time.monotonic()
            return
        self.headers_since = 0.0
        self._in_chunked = len(self._messages) == 1 and getattr(self._messages[0][0], "chunked", False)
        if not self._in_chunked:
            self._begun.clear()

    def _forget_begun(self) -> None:
        self._begun = []
        self._begun_size = 0
        self._in_chunked = False

    def handle_error(  # type: ignore[override]
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> Answer:
        """What the HTTP parser refuses (status 400), and what no handler expected."""
        if isinstance(exc, ConnectionError | TimeoutError):
            answer = Answer(408)  # for a connection that is closed already
        elif status >= 500:
            log.error("request failed", path=request.raw_path, exc_info=exc)
            answer = errors.body(500, [(errors.INTERNAL.code, "the registry failed: its log says why", None)])
        else:
            answer = errors.body(400, [("UNSUPPORTED", "the request is not valid HTTP", None)])
        answer.keep_alive = False
        return answer


class Connections(web.Server):
    """aiohttp's low-level server, making our connections."""

    def __init__(self, handler: Any, *, at_once: AtOnce | None = None, **settings: Any) -> None:
        super().__init__(handler, **settings)
        self.at_once = at_once

    def beside(self, handler: Any) -> "Connections":
        """Connections like these, to another address, with another handler."""
        settings = {name: value for name, value in self._kwargs.items() if name != "loop"}
        return Connections(handler, **settings)

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)

    def cut_slow_headers(self, timeout: float) -> None:
        deadline = time.monotonic() - timeout
        for connection in self.connections:
            since = getattr(connection, "headers_since", 0.0)
            if since and since < deadline:
                connection.force_close()

    async def drain(self, timeout: float) -> None:
        """Lets running requests end, for so many seconds, and closes every connection that has none.

        aiohttp's own shutdown throws away what comes of the bodies of running requests.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            ended = [connection.end_with_request() for connection in self._own()]
            if all(ended):
                return
            await asyncio.sleep(0.02)

    def _own(self) -> list[Connection]:
        return [connection for connection in self.connections if isinstance(connection, Connection)]
