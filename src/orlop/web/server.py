"""The HTTP server: connections, dispatch by a path's first part, logs and metrics of each request, and its end."""

import asyncio
import contextlib
import itertools
import secrets
import signal
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import structlog
from aiohttp import StreamReader, web
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from orlop import telemetry
from orlop.app import App
from orlop.domain.caller import Caller
from orlop.web import health
from orlop.web.answers import Answer
from orlop.web.api import routes as api
from orlop.web.edge import Edge, caller_of
from orlop.web.housekeeping import Housekeeping
from orlop.web.ui import page
from orlop.web.v2 import errors
from orlop.web.v2 import routes as v2

log = structlog.get_logger("orlop.web")

# With aiohttp's default of 64 KiB, reading stops and starts for ever during large uploads.
READ_BUFFER = 1 << 20
# Tokens are long; the default of 8 KiB is too small for them.
LONGEST_HEADER = 32 * 1024
LONGEST_TARGET = 16 * 1024
MOST_HEADERS = 200
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
CANCEL_TIMEOUT = 1.0
"""Seconds that a request gets to end once it is told to."""


class Connection(RequestHandler):
    """A client's connection, with a deadline for headers and answers of our own to what can't be parsed."""

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
        # Before its first request, a connection may have no waiter yet.
        between_requests = not self._messages and (self._waiter is not None or self._request_count == 0)
        if between_requests and self._in_chunked:
            self._forget_begun()
        if between_requests or self._in_chunked:
            self._begun.append(data)
        requests = self._request_count
        super().data_received(data)
        if between_requests:
            self._look_at_message()
        elif self._in_chunked:
            self._begun_size += len(data)
            # Another request has come behind the one whose bytes these were, or somebody reads the body by the parser.
            if self._request_count != requests or self._begun_size > 2 * READ_BUFFER:
                self._forget_begun()
        if self._messages:
            self._look_for_broken_body()

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


class _Connections(web.Server):
    """aiohttp's low-level server, making our connections."""

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


class Server:
    """Serves one app until it is told to stop."""

    def __init__(self, app: App, access: telemetry.AccessLog) -> None:
        self._app = app
        self._access = access
        self._edge = Edge(app)
        self._run_id = secrets.token_hex(4)
        self._count = itertools.count(1)
        self._counters: dict[tuple[str, str, int], Callable[[], None]] = {}
        self._durations: dict[str, Callable[[float], None]] = {}
        self.stopping = False

    async def serve(self, ready: Callable[[str], None]) -> None:
        """Listens and answers until SIGTERM or SIGINT. `ready` gets the address once it listens. OSError: it can't."""
        limits = self._app.settings.limits
        connections = _Connections(
            self.handle,  # type: ignore[arg-type]  # answers are no StreamResponse, but act as one
            handler_cancellation=True,
            keepalive_timeout=limits.idle_timeout,
            read_bufsize=READ_BUFFER,
            max_field_size=LONGEST_HEADER,
            max_line_size=LONGEST_TARGET,
            max_headers=MOST_HEADERS,
            auto_decompress=False,
            access_log=None,
            lingering_time=2.0,
        )
        telemetry.CONNECTIONS.set_function(lambda: len(connections.connections))
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with self._listening(connections) as url, Housekeeping(self._edge, connections.cut_slow_headers):
            ready(url)
            await stop.wait()
            self.stopping = True
            log.info("stopping: running requests may finish", seconds=limits.drain_timeout)
        await _ended(asyncio.all_tasks() - {asyncio.current_task()})
        self._edge.pools.close()

    @contextlib.asynccontextmanager
    async def _listening(self, connections: _Connections) -> AsyncIterator[str]:
        settings = self._app.settings
        runner = web.ServerRunner(connections, shutdown_timeout=CANCEL_TIMEOUT)
        await runner.setup()
        try:
            address = settings.address
            site = web.TCPSite(
                runner, address.host, address.port, ssl_context=_tls(settings.tls.cert, settings.tls.key), backlog=1024
            )
            await site.start()
            async with self._metrics_site():
                yield _url(runner.addresses[0], secure=bool(settings.tls.cert))
            await site.stop()
            await connections.drain(settings.limits.drain_timeout)
        finally:
            await runner.cleanup()

    @contextlib.asynccontextmanager
    async def _metrics_site(self) -> AsyncIterator[None]:
        address = self._app.settings.metrics_address
        if address is None:
            yield
            return

        async def handle(request: web.BaseRequest) -> Answer:
            return health.metrics(self._edge) if request.raw_path == "/metrics" else health.absent()

        connections = _Connections(handle, access_log=None)  # type: ignore[arg-type]
        runner = web.ServerRunner(connections, shutdown_timeout=CANCEL_TIMEOUT)
        await runner.setup()
        try:
            await web.TCPSite(runner, address.host, address.port).start()
            yield
        finally:
            await runner.cleanup()

    async def handle(self, request: web.BaseRequest) -> Answer:
        """Answers one request, and notes it in the log and the metrics."""
        started = time.perf_counter()
        request_id = f"{self._run_id}-{next(self._count):x}"
        caller = caller_of(request, request_id)
        route, status, size, error = "none", 499, 0, ""
        try:
            route, answer = await self._dispatch(request, caller)
            status, size = answer.status, answer.size
            if status >= 400:
                answer.headers = (*answer.headers, ("X-Request-Id", request_id))
            return answer
        except (ConnectionError, TimeoutError, asyncio.CancelledError) as cut:
            error = str(cut) or "the client has gone"
            if request.transport is not None:
                request.transport.abort()  # an answer may have begun: its end must not look like one
            raise
        except Exception:
            status = 500
            raise
        finally:
            seconds = time.perf_counter() - started
            if request.method != "HEAD":
                telemetry.SENT.inc(size)
            self._note(route, request.method, status, seconds)
            path = request.raw_path.partition("?")[0]
            self._access.write(
                request_id, caller.address, caller.account, request.method, path, route, status, size, seconds, error
            )

    async def _dispatch(self, request: web.BaseRequest, caller: Caller) -> tuple[str, Answer]:
        path = request.raw_path
        if path.startswith(("/v2/", "/v2?")) or path == "/v2":
            return await v2.dispatch(self._edge, request, caller)
        if path.startswith("/api/"):
            return await api.dispatch(self._edge, request, caller)
        return self._small(request, path.partition("?")[0])

    def _small(self, request: web.BaseRequest, path: str) -> tuple[str, Answer]:
        small: dict[str, Callable[[], Answer]] = {
            "/": lambda: page.home(self._edge, request),
            "/livez": health.live,
            "/readyz": lambda: health.ready(self._edge, stopping=self.stopping),
        }
        if self._app.settings.metrics_address is None:
            small["/metrics"] = lambda: health.metrics(self._edge)
        handler = small.get(path)
        if handler is None:
            return "none", health.absent()
        if request.method not in ("GET", "HEAD"):
            return path.strip("/") or "home", health.not_allowed()
        return path.strip("/") or "home", handler()

    def _note(self, route: str, method: str, status: int, seconds: float) -> None:
        # A client may send any method: only those of HTTP are told apart, so that the number of labels is bounded.
        key = (route, method if method in METHODS else "other", status)
        count = self._counters.get(key)
        if count is None:
            count = self._counters[key] = telemetry.REQUESTS.labels(key[0], key[1], str(status)).inc
            self._durations.setdefault(route, telemetry.DURATION.labels(route).observe)
        count()
        self._durations[route](seconds)


async def _ended(requests: set[asyncio.Task[Any]]) -> None:
    """Waits for requests that were cancelled: what they have open they close in the pools' threads."""
    if requests:
        await asyncio.wait(requests, timeout=10 * CANCEL_TIMEOUT)


def _tls(cert: str, key: str) -> ssl.SSLContext | None:
    if not cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


def _url(address: object, *, secure: bool) -> str:
    assert isinstance(address, tuple)
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{'https' if secure else 'http'}://{host}:{address[1]}"
