"""Who sends a request: looked up once for each Authorization header, throttled, and told how to sign in."""

import asyncio

from aiohttp.web import BaseRequest

from orlop import telemetry
from orlop.app import App
from orlop.auth.throttle import Throttle, origin
from orlop.domain.caller import Authority, Caller
from orlop.domain.errors import Denied, OrlopError, TooManyRequests, Unauthorized
from orlop.web.pools import Pools
from orlop.web.proxies import Proxies

MOST_WAITING = 64
"""Passwords that wait to be checked. More would only be answered too late."""
BURST = 10
EVERYONE = Authority()
"""Where there are no accounts."""


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
        self._sign_in = app.access.sign_in if app.access is not None else None

    def newcomer(self, request: BaseRequest, request_id: str) -> Caller:
        """The caller before it is known who that is: nobody, who may do what anyone may."""
        authority = EVERYONE if self._sign_in is None else self._sign_in.anonymous
        return Caller("", self.proxies.address(request), request_id, authority)

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
            self._app.refusals.note(caller, "refused.access", repository, object_)
        elif isinstance(error, Unauthorized):
            telemetry.REFUSALS.labels("challenged").inc()

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
        self._app.refusals.note(caller._replace(account=name[:255]), "refused.sign-in")


def is_cross_site(request: BaseRequest) -> bool:
    """Whether a page of another site makes a browser send this, with what the browser remembers of its user."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    page = request.headers.get("Origin")
    return page is not None and page.partition("://")[2] != request.headers.get("Host")
