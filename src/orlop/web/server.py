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
from aiohttp import web

from orlop import telemetry
from orlop.app import App
from orlop.config import ConfigurationError, Settings
from orlop.domain.caller import Caller
from orlop.domain.errors import Denied, OrlopError, StoreRefused, Unauthorized
from orlop.web import health, tokens
from orlop.web.answers import Answer
from orlop.web.api import routes as api
from orlop.web.connection import READ_BUFFER, Connections
from orlop.web.edge import Edge
from orlop.web.gate import is_cross_site
from orlop.web.housekeeping import Housekeeping, Worker
from orlop.web.ui import page
from orlop.web.v1 import routes as v1
from orlop.web.v2 import routes as v2

log = structlog.get_logger("orlop.web")

# Tokens are long; the default of 8 KiB is too small for them.
LONGEST_HEADER = 32 * 1024
LONGEST_TARGET = 16 * 1024
MOST_HEADERS = 200
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
CANCEL_TIMEOUT = 1.0
"""Seconds that a request gets to end once it is told to."""


class Server:
    """Serves one app until it is told to stop."""

    def __init__(
        self,
        app: App,
        access: telemetry.AccessLog,
        read_settings: Callable[[], Settings],
        worker: Worker | None = None,
    ) -> None:
        """`read_settings` is called on SIGHUP; `worker` does the jobs, where the server has one of its own."""
        self._app = app
        self._read_settings = read_settings
        self._tls = _tls(app.settings)
        self._access = access
        self._edge = Edge(app)
        self._worker = worker
        self._run_id = secrets.token_hex(4)
        self._count = itertools.count(1)
        self.stopping = False

    def _reload(self) -> None:
        """Rules and certificate, as the configuration has them now. What is wrong with it leaves all as it was."""
        try:
            settings = self._read_settings()
            if self._tls is not None:
                _load(self._tls, settings)
        except (OrlopError, ConfigurationError, OSError) as error:
            log.error("the configuration stays as it was", reason=str(error))
            return
        if self._app.access is not None:
            self._app.access.use(settings.access.rules)
        self._app.collection.use(settings.retention)
        self._app.reasons.rules = settings.retention
        log.info("read the configuration again: rules and certificate are as it says")

    async def serve(self, ready: Callable[[str], None]) -> None:
        """Listens and answers until SIGTERM or SIGINT. `ready` gets the address once it listens. OSError: it can't."""
        limits = self._app.settings.limits
        connections = Connections(
            self.handle,  # answers are no StreamResponse, but act as one
            at_once=self.at_once,
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
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        housekeeping = Housekeeping(self._edge, connections.cut_slow_headers, self._worker)
        async with self._listening(connections) as url, housekeeping:
            ready(url)
            await stop.wait()
            self.stopping = True
            log.info("stopping: running requests may finish", seconds=limits.drain_timeout)
        await _ended(asyncio.all_tasks() - {asyncio.current_task()})
        self._edge.pools.close()

    @contextlib.asynccontextmanager
    async def _listening(self, connections: Connections) -> AsyncIterator[str]:
        settings = self._app.settings
        runner = web.ServerRunner(connections, shutdown_timeout=CANCEL_TIMEOUT)
        await runner.setup()
        try:
            address = settings.address
            site = web.TCPSite(runner, address.host, address.port, ssl_context=self._tls, backlog=1024)
            await site.start()
            async with self._metrics_site(), self._v1_site(connections):
                yield _url(runner.addresses[0], secure=bool(settings.tls.cert))
            await site.stop()
            await connections.drain(settings.limits.drain_timeout)
        finally:
            await runner.cleanup()

    @contextlib.asynccontextmanager
    async def _v1_site(self, connections: Connections) -> AsyncIterator[None]:
        """v1 on an address of its own, without v2, which its clients would take first."""
        address = self._app.settings.v1_address
        if address is None:
            yield
            return

        async def handle(request: web.BaseRequest) -> Answer:
            if request.raw_path.startswith(v1.PATHS):
                return await self.handle(request)
            return health.absent()

        alone = connections.beside(handle)
        runner = web.ServerRunner(alone, shutdown_timeout=CANCEL_TIMEOUT)
        await runner.setup()
        try:
            await web.TCPSite(runner, address.host, address.port, ssl_context=self._tls, backlog=1024).start()
            host, port = runner.addresses[0][:2]
            log.info("v1 alone", listens=f"{host}:{port}")
            yield
            await alone.drain(self._app.settings.limits.drain_timeout)
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

        connections = Connections(handle, access_log=None)
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
        caller = self._newcomer(request)
        route, status, size, error = "none", 499, 0, ""
        try:
            dispatch = self._dispatcher(request.raw_path)
            if dispatch in (v2, v1):
                self._edge.note_traffic()
            if dispatch is None:
                route, answer = self._small(request, request.raw_path.partition("?")[0])
            else:
                caller, refused = await self._identified(request, caller)
                if refused is None:
                    route, answer = await dispatch.dispatch(self._edge, request, caller)
                else:
                    if not isinstance(refused, Unauthorized):  # wrong credentials are noted where they were found wrong
                        self._edge.gate.note(caller, refused, "", "")
                    route, answer = "refused", dispatch.refuse(self._edge, request, caller, refused)
            status, size = answer.status, answer.size
            if status >= 400:
                answer.headers = (*answer.headers, ("X-Request-Id", caller.request_id))
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
            self._note(request, caller, route, status, size, started, error)

    def at_once(self, request: web.BaseRequest) -> Answer | None:
        """`handle` for what is at hand; None where something must be waited for, or refused."""
        started = time.perf_counter()
        if not request.raw_path.startswith("/v2/"):
            return None
        gate = self._edge.gate
        caller = gate.known(request, self._newcomer(request))
        if caller is None or not gate.admits(caller):
            return None
        found = v2.dispatch_at_once(self._edge, request, caller)
        if found is None:
            return None
        self._edge.note_traffic()
        gate.throttle(caller)
        route, answer = found
        self._note(request, caller, route, answer.status, answer.size, started, "")
        return answer

    def _newcomer(self, request: web.BaseRequest) -> Caller:
        return self._edge.gate.newcomer(request, f"{self._run_id}-{next(self._count):x}")

    async def _identified(self, request: web.BaseRequest, caller: Caller) -> tuple[Caller, OrlopError | None]:
        """The caller with what they may do, or why they get no further."""
        try:
            self._edge.gate.throttle(caller)
            caller = await self._edge.gate.identify(request, caller)
            if is_cross_site(request):
                return caller, Denied("a page of another site may change nothing here")
        except OrlopError as error:
            return caller, error
        return caller, None

    def _dispatcher(self, path: str) -> Any:
        """The module that answers what begins so: with `dispatch`, and with `refuse` for who gets no further."""
        if path.startswith(("/v2/", "/v2?")) or path == "/v2":
            return v2
        if path.startswith("/api/"):
            return api
        if path.startswith(v1.PATHS) and self._app.settings.v1.mode != "off":
            return v1
        if path.partition("?")[0] in (tokens.TOKEN_PATH, tokens.KEYS_PATH):
            return tokens
        return None

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

    def _note(
        self, request: web.BaseRequest, caller: Caller, route: str, status: int, size: int, started: float, error: str
    ) -> None:
        seconds = time.perf_counter() - started
        method = request.method
        requests = telemetry.REQUESTS
        if method != "HEAD":
            requests.sent += size
        # A client may send any method: only those of HTTP are told apart, so that the number of labels is bounded.
        requests.note(route, method if method in METHODS else "other", status, seconds)
        path = request.raw_path.partition("?")[0]
        self._access.write(
            caller.request_id, caller.address, caller.account, method, path, route, status, size, seconds, error
        )


async def _ended(requests: set[asyncio.Task[Any]]) -> None:
    """Waits for requests that were cancelled: what they have open they close in the pools' threads."""
    if requests:
        await asyncio.wait(requests, timeout=10 * CANCEL_TIMEOUT)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.tls.cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load(context, settings)
    return context


def _load(context: ssl.SSLContext, settings: Settings) -> None:
    """The certificate for connections from now on. StoreRefused: there is none, or the key is another's."""
    cert, key = settings.tls.cert, settings.tls.key
    try:
        if not cert:
            raise StoreRefused("tls.cert is not set any more: restart to serve plain HTTP")
        # A context that took the new certificate and refused the key would serve neither.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        told = error.strerror or str(error)
        raise StoreRefused(f"tls.cert = {cert}, tls.key = {key}: cannot be used ({told})") from error


def _url(address: object, *, secure: bool) -> str:
    assert isinstance(address, tuple)
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{'https' if secure else 'http'}://{host}:{address[1]}"
