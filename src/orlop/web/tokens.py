"""`/token` and `/.well-known/jwks.json`: the token service.

Sources: the distribution project's documents `auth/token` (GET) and `auth/oauth` (POST).
"""

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from aiohttp.web import BaseRequest

from orlop.auth.grants import Grants
from orlop.domain.caller import Caller
from orlop.domain.errors import OrlopError, ParameterInvalid, Unauthorized
from orlop.web.answers import Answer, json_answer
from orlop.web.edge import Edge
from orlop.web.refusals import refusal_of
from orlop.web.targets import Target
from orlop.web.v2 import errors

TOKEN_PATH, KEYS_PATH = "/token", "/.well-known/jwks.json"
LARGEST_FORM = 64 * 1024
NO_STORE = [("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")]


def refuse(edge: Edge, request: BaseRequest, caller: Caller, error: OrlopError) -> Answer:
    answer = errors.render(error, NO_STORE)
    if isinstance(error, Unauthorized):
        answer.headers = (*answer.headers, edge.gate.challenge(request, error, basic=True))
    return answer


async def dispatch(edge: Edge, request: BaseRequest, caller: Caller) -> tuple[str, Answer]:
    """The route's name, for logs and metrics, and the answer."""
    path = request.raw_path.partition("?")[0]
    route = "token" if path == TOKEN_PATH else "keys"
    if edge.app.access is None:
        return route, errors.body(404, [("UNSUPPORTED", "this registry has no accounts", None)])
    allowed = ("GET", "POST") if path == TOKEN_PATH else ("GET", "HEAD")
    if request.method not in allowed:
        return route, errors.body(
            405, [("UNSUPPORTED", "this method is not supported here", None)], [("Allow", ", ".join(allowed))]
        )
    try:
        if path == KEYS_PATH:
            return route, json_answer(200, edge.app.access.tokens.keys(), [("Cache-Control", "max-age=300")])
        if request.method == "GET":
            return route, await _by_get(edge, request, caller)
        return route, await _by_post(edge, request, caller)
    except Exception as error:  # noqa: BLE001  # what is no refusal is raised again
        refusal = refusal_of(error)
        if not isinstance(refusal, Unauthorized):  # wrong credentials are noted where they were found wrong
            edge.gate.note(caller, refusal, "", "")
        return route, refuse(edge, request, caller, refusal)


async def _by_get(edge: Edge, request: BaseRequest, caller: Caller) -> Answer:
    """By Basic, or by nothing: then for what anyone may do."""
    target = Target(request.raw_path)
    wants_refresh = target.first("offline_token") == "true"
    return await _answer(edge, caller, target.every("scope"), wants_refresh, target.first("client_id") or "")


async def _by_post(edge: Edge, request: BaseRequest, caller: Caller) -> Answer:
    """OAuth 2: by a password, or by a refresh token that an earlier answer held."""
    content = await edge.body(request, LARGEST_FORM)
    if content is None:
        raise ParameterInvalid("the form is too large")
    try:
        form = dict(parse_qsl(content.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=50))
    except ValueError as error:
        raise ParameterInvalid("the form cannot be read") from error
    kind = form.get("grant_type", "")
    if kind == "refresh_token":
        secret = form.get("refresh_token", "")
        header = f"Bearer {secret}"
    elif kind == "password":
        secret = ""
        pair = f"{form.get('username', '')}:{form.get('password', '')}"
        header = "Basic " + base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
    else:
        raise ParameterInvalid("grant_type must be password or refresh_token")
    caller = await edge.gate.identify_by(header, caller)
    wants_refresh = form.get("access_type") == "offline" and not secret
    return await _answer(
        edge, caller, [form.get("scope", "")], wants_refresh, form.get("client_id", ""), refresh_token=secret
    )


async def _answer(
    edge: Edge, caller: Caller, scopes: list[str], wants_refresh: bool, client: str, refresh_token: str = ""
) -> Answer:
    from orlop.auth.token_service import parse_scopes

    access, grants = edge.app.access, caller.authority
    assert access is not None
    assert isinstance(grants, Grants)
    if grants.derived:
        raise Unauthorized("sign in by a password, an access token or a refresh token")
    asked = parse_scopes(scopes)
    issued = await edge.call(access.tokens.issue, grants, asked)
    document: dict[str, Any] = {
        "token": issued.token,
        "access_token": issued.token,
        "expires_in": issued.lifetime,
        "issued_at": datetime.fromtimestamp(issued.at, UTC).isoformat().replace("+00:00", "Z"),
    }
    # Who signs in by a token has what a refresh token would be: one that can be taken back.
    if wants_refresh and grants.signed_in and not grants.token_id:
        refresh_token = await edge.call(access.tokens.refresh_token, caller, grants, client)
    if refresh_token:
        document["refresh_token"] = refresh_token
    return json_answer(200, document, NO_STORE)
