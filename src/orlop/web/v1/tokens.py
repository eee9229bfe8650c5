"""What the index answers beside its data: a token for the registry, and where the registry is.

The token is one of the token service's, in the words of v1: `Token signature=…,repository="…",access=…`. A registry
without accounts gives one too, which says nothing but the repository: clients send it with requests that name none.
"""

from orlop.auth.grants import Grants
from orlop.domain.access import DELETE, PULL, PUSH
from orlop.web.v1.calls import COOKIE, Call

ACCESS = {"read": (PULL,), "write": (PULL, PUSH), "delete": (PULL, DELETE)}
"""What each kind of access comes to: who may write may read."""

OPEN = "open"
"""The signature of a registry without accounts."""


async def headers(call: Call, access: str) -> list[tuple[str, str]]:
    """The headers of an index's answer."""
    host = call.edge.gate.base(call.request).partition("://")[2]
    found = [
        ("X-Docker-Endpoints", host),
        ("Set-Cookie", f"{COOKIE}={call.name}; Path=/v1; HttpOnly; SameSite=Strict"),
    ]
    if call.request.headers.get("X-Docker-Token", "").lower() in ("true", "1"):
        signature = await _signature(call, access)
        token = f'Token signature={signature},repository="{call.name}",access={access}'
        found += [("WWW-Authenticate", token), ("X-Docker-Token", token)]
    return found


async def _signature(call: Call, access: str) -> str:
    service, grants = call.edge.app.access, call.caller.authority
    if service is None or not isinstance(grants, Grants):
        return OPEN
    from orlop.auth.sign_in import parse_header

    if grants.derived:  # it came by a token, and is told that again
        return parse_header(call.request.headers.get("Authorization", "")).secret
    from orlop.auth.token_service import Asked

    asked = Asked({call.name: frozenset(ACCESS[access])}, catalog=False)
    return (await call.edge.call(service.tokens.issue, grants, asked)).token
