"""Who sends a request: looked up once for each Authorization header, throttled, and told how to sign in."""

import asyncio
import threading
import time
from typing import NamedTuple

from aiohttp.web import BaseRequest

from orlop import telemetry
from orlop.app import App
from orlop.auth.throttle import Throttle, origin
from orlop.database import audit
from orlop.database.connection import Connection
from orlop.domain.caller import Caller
from orlop.domain.errors import Denied, OrlopError, TooManyRequests, Unauthorized
from orlop.web.pools import Pools
from orlop.web.proxies import Proxies

MOST_WAITING = 64
"""Passwords that wait to be checked. More would only be answered too late."""
MOST_REFUSALS = 10_000
"""Kinds of refusals that are remembered until they are written down."""
BURST = 10


class Refusal(NamedTuple):
    """What refusals are counted by; with the particulars of the first of them."""

    account: str
    address: str
    action: str
    minute: int


class Gate:
    def __init__(self, app: App, pools: Pools) -> None:
        self._app = app
        self._pools = pools
        self.proxies = Proxies(app.settings.trusted_proxies)
        requests = app.settings.limits.requests
        self._requests = (
            Throttle(requests, requests * BURST, "too many requests from this address") if requests else None
        )
        self._checking: dict[str, asyncio.Future[Caller]] = {}
        self._waiting = 0
        self._refusals: dict[Refusal, tuple[Caller, str, str, int]] = {}
        self._lock = threading.Lock()
        self._sign_in = app.access.sign_in if app.access is not None else None

    def newcomer(self, request: BaseRequest, request_id: str) -> Caller:
        """The caller before it is known who that is."""
        return Caller("", self.proxies.address(request), request_id)

    def throttle(self, caller: Caller) -> None:
        """One more request of this address. TooManyRequests, where there were too many."""
        if self._requests is not None:
            self._requests.check(origin(caller.address))
            self._requests.take(origin(caller.address))

    def admits(self, caller: Caller) -> bool:
        """Whether `throttle` would let another request through."""
        return self._requests is None or self._requests.has_room(origin(caller.address))

    def known(self, request: BaseRequest, caller: Caller) -> Caller | None:
        """The caller with what they may do, where that is at hand."""
        sign_in = self._sign_in
        if sign_in is None:
            return caller
        header = request.headers.get("Authorization")
        grants = sign_in.anonymous if header is None else sign_in.known(header)
        if grants is None:
            return None
        return Caller(grants.subject.name, caller.address, caller.request_id, grants)

    async def identify(self, request: BaseRequest, caller: Caller) -> Caller:
        """The caller with what they may do. Unauthorized, TooManyRequests."""
        found = self.known(request, caller)
        if found is not None:
            return found
        return await self.identify_by(request.headers["Authorization"], caller)

    async def identify_by(self, header: str, caller: Caller) -> Caller:
        """`identify` by credentials that may have come in another way, as a header would hold them."""
        try:
            return await self._look_up(header, caller)
        except Unauthorized as error:
            self._note_wrong(header, caller, error)
            raise

    def challenge(self, request: BaseRequest, error: Unauthorized, *, basic: bool = False) -> tuple[str, str]:
        """The header that says how to sign in: for what was refused, in the way that the configuration asks for."""
        settings = self._app.settings
        if basic or settings.access.challenge == "basic":
            return "WWW-Authenticate", f'Basic realm="{settings.service}", charset="UTF-8"'
        told = f'Bearer realm="{self.base(request)}/token",service="{settings.service}"'
        if error.scope:
            told += f',scope="{error.scope}"'
        if error.error:
            told += f',error="{error.error}"'
        return "WWW-Authenticate", told

    def base(self, request: BaseRequest) -> str:
        """Where the client reaches this registry, as an absolute address without a path."""
        settings = self._app.settings
        if settings.public_url:
            return settings.public_url
        host = self.proxies.host(request) or str(settings.address)
        return f"{self.proxies.scheme(request)}://{host}"

    def note(self, caller: Caller, error: OrlopError, repository: str, object_: str) -> None:
        """Counts a refusal, and remembers those of signed-in callers for the audit log."""
        if isinstance(error, TooManyRequests):
            telemetry.REFUSALS.labels("throttled").inc()
        elif isinstance(error, Denied) or (isinstance(error, Unauthorized) and caller.authority.signed_in):
            telemetry.REFUSALS.labels("denied").inc()
            self._remember(caller, "refused.access", repository, object_)
        elif isinstance(error, Unauthorized):
            telemetry.REFUSALS.labels("challenged").inc()

    def flush(self) -> None:
        """Writes down what was refused since the last time."""
        with self._lock:
            refusals, self._refusals = self._refusals, {}
        if not refusals:
            return
        try:
            self._app.database.write(lambda connection: _write(connection, refusals))
        except Exception:
            with self._lock:
                for kind, found in refusals.items():
                    more = self._refusals.get(kind)
                    self._refusals[kind] = (*found[:3], found[3] + (more[3] if more else 0))
            raise

    async def _look_up(self, header: str, caller: Caller) -> Caller:
        """One look-up for all requests that come with one header at one time."""
        running = self._checking.get(header)
        if running is None:
            running = self._checking[header] = asyncio.ensure_future(self._check(header, caller))
            running.add_done_callback(lambda done: self._checked(header, done))
        found = await asyncio.shield(running)
        return caller._replace(account=found.account, authority=found.authority)

    def _checked(self, header: str, done: "asyncio.Future[Caller]") -> None:
        del self._checking[header]
        if not done.cancelled():
            done.exception()  # whoever waited has it; they may all have gone

    async def _check(self, header: str, caller: Caller) -> Caller:
        from orlop.auth.sign_in import parse_header

        assert self._sign_in is not None
        credentials = parse_header(header)
        if not credentials.is_password:
            grants = await self._pools.call(self._sign_in.check, credentials, header, caller.address)
        else:
            if self._waiting >= MOST_WAITING:
                raise TooManyRequests("too many sign-ins at once", 1)
            self._waiting += 1
            try:
                loop = asyncio.get_running_loop()
                grants = await loop.run_in_executor(
                    self._pools.passwords, self._sign_in.check, credentials, header, caller.address
                )
            finally:
                self._waiting -= 1
        return Caller(grants.subject.name, caller.address, caller.request_id, grants)

    def _note_wrong(self, header: str, caller: Caller, error: Unauthorized) -> None:
        from orlop.auth.sign_in import parse_header

        telemetry.REFUSALS.labels("credentials").inc()
        if error.error:
            return  # a token of the token service whose time is over, as they all are now and then
        try:
            name = parse_header(header).name or ""
        except Unauthorized:
            name = ""
        self._remember(caller._replace(account=name[:255]), "refused.sign-in", "", "")

    def _remember(self, caller: Caller, action: str, repository: str, object_: str) -> None:
        minute = int(time.time()) // 60
        kind = Refusal(caller.account, caller.address, action, minute)
        with self._lock:
            if kind not in self._refusals and len(self._refusals) >= MOST_REFUSALS:
                kind = Refusal("(others)", "", action, minute)
                caller = Caller("(others)")
            first = self._refusals.get(kind, (caller, repository[:255], object_[:255], 0))
            self._refusals[kind] = (*first[:3], first[3] + 1)


def _write(connection: Connection, refusals: dict[Refusal, tuple[Caller, str, str, int]]) -> None:
    for kind, (caller, repository, object_, times) in refusals.items():
        audit.count(connection, caller, kind.action, repository, object_, times)


def is_cross_site(request: BaseRequest) -> bool:
    """Whether a page of another site makes a browser send this, with what the browser remembers of its user."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("Host")
