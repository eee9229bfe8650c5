"""Which handler answers which path of `/v2/`.

A repository's name may itself hold parts such as `blobs` or `manifests`, so paths are read from their end.
"""

from collections.abc import Callable

from aiohttp.web import BaseRequest

from orlop.domain.access import DELETE, PULL, PUSH
from orlop.domain.caller import Caller
from orlop.domain.errors import NameInvalid, OrlopError, Unauthorized, Unsupported
from orlop.domain.name import RepositoryName
from orlop.web.answers import Answer
from orlop.web.edge import Edge
from orlop.web.refusals import refusal_of
from orlop.web.targets import Target
from orlop.web.v2 import base, blobs, errors, manifests, referrers, tags, uploads
from orlop.web.v2.calls import Call, Handler

ROUTES: dict[str, dict[str, Handler]] = {
    "manifests": {
        "GET": manifests.get, "HEAD": manifests.get, "PUT": manifests.put, "DELETE": manifests.delete,
    },
    "blobs": {"GET": blobs.get, "HEAD": blobs.head, "DELETE": blobs.delete},
    "uploads": {"POST": uploads.start},
    "upload": {
        "GET": uploads.status, "HEAD": uploads.status,
        "PATCH": uploads.patch, "PUT": uploads.put, "DELETE": uploads.cancel,
    },
    "tags": {"GET": tags.listing, "HEAD": tags.listing},
    "referrers": {"GET": referrers.listing, "HEAD": referrers.listing},
}  # fmt: skip

ACTIONS = {"GET": PULL, "HEAD": PULL, "POST": PUSH, "PUT": PUSH, "PATCH": PUSH, "DELETE": DELETE}
"""What one must be allowed to do for each method. What is done to an upload, also its end, is a part of a push."""

AT_ONCE: dict[tuple[str, str], Callable[[Call], Answer | None]] = {
    ("GET", "manifests"): manifests.at_once,
    ("HEAD", "manifests"): manifests.at_once,
    ("GET", "blobs"): blobs.get_at_once,
    ("HEAD", "blobs"): blobs.head_at_once,
}
"""What is asked for most, and answered from memory where it can be."""


async def dispatch(edge: Edge, request: BaseRequest, caller: Caller) -> tuple[str, Answer]:
    """The route's name, for logs and metrics, and the answer."""
    route = "v2"
    handlers: dict[str, Handler] | None = None
    named = ("", "")
    try:
        target = Target(request.raw_path)
        kind, name, item = _match(target.segments)
        named = (name, item)
        route = f"v2.{kind}"
        if kind == "base":
            return route, base.version(request, caller)
        if kind == "catalog":
            if request.method not in ("GET", "HEAD"):
                return route, _not_allowed(("GET", "HEAD"))
            caller.authority.demand_catalog()
            return route, await tags.catalog(Call(edge, request, caller, target, RepositoryName(), ""))
        handlers = ROUTES.get(kind)
        if handlers is None:
            return route, errors.body(404, [("NAME_UNKNOWN", "there is nothing at this address", None)])
        handler = handlers.get(request.method)
        if handler is None:
            return route, _not_allowed(tuple(handlers))
        call = Call(edge, request, caller, target, RepositoryName.parse(name), item)
        # Before anything is looked up: whether a repository is there is told to nobody who may not know.
        _demand(edge, call, kind)
        answer = await handler(call)
    except Exception as error:  # noqa: BLE001  # what is no refusal is raised again
        refusal = refusal_of(error)
        edge.gate.note(caller, refusal, *named)
        answer = refuse(edge, request, caller, refusal)
        if answer.status == 405:  # the method is refused just now: RFC 9110 demands to name the others
            others = [method for method in handlers or () if method != request.method]
            answer.headers = (*answer.headers, ("Allow", ", ".join(others)))
    return route, answer


def dispatch_at_once(edge: Edge, request: BaseRequest, caller: Caller) -> tuple[str, Answer] | None:
    """`dispatch` for what is answered without waiting for anything; None where it isn't, and for refusals."""
    try:
        target = Target(request.raw_path)
        kind, name, item = _match(target.segments)
        handler = AT_ONCE.get((request.method, kind))
        if handler is None:
            return None
        checked = RepositoryName.parse(name)
        caller.authority.demand(PULL, checked)
        answer = handler(Call(edge, request, caller, target, checked, item))
    except Exception:  # noqa: BLE001  # nothing has been done yet: `dispatch` meets it again, and says it
        return None
    return None if answer is None else (f"v2.{kind}", answer)


def refuse(edge: Edge, request: BaseRequest, caller: Caller, error: OrlopError) -> Answer:
    """The answer for a refusal, with how to sign in where that may help."""
    answer = errors.render(error)
    if isinstance(error, Unauthorized):
        answer.headers = (*answer.headers, base.VERSION, edge.gate.challenge(request, error))
    return answer


def _demand(edge: Edge, call: Call, kind: str) -> None:
    action = PUSH if kind == "upload" and call.request.method == "DELETE" else ACTIONS[call.request.method]
    if action == DELETE and not edge.app.settings.access.deletes:
        raise Unsupported("deleting is switched off here: access.deletes")
    call.caller.authority.demand(action, call.name)


def _match(segments: list[str]) -> tuple[str, str, str]:
    """Kind, name and item of a path that begins with `/v2`."""
    if segments[2:] in ([], [""]):
        return "base", "", ""
    if segments[2:] == ["_catalog"]:
        return "catalog", "", ""
    if len(segments) >= 5:
        *_, before, last = segments
        if len(segments) >= 6 and segments[-3:-1] == ["blobs", "uploads"]:
            return ("upload" if last else "uploads"), _name(segments[2:-3]), last
        if [before, last] == ["blobs", "uploads"]:
            return "uploads", _name(segments[2:-2]), ""
        if [before, last] == ["tags", "list"]:
            return "tags", _name(segments[2:-2]), ""
        if before in ("manifests", "blobs", "referrers"):
            return before, _name(segments[2:-2]), last
    return "unknown", "", ""


def _name(segments: list[str]) -> str:
    """A repository's name. A proxy in front may have let `secret%2fapp` pass as one segment that is not `secret`."""
    if any("/" in segment for segment in segments):
        raise NameInvalid("a repository name's slashes must not be encoded", detail={"name": "/".join(segments)[:500]})
    return "/".join(segments)


def _not_allowed(methods: tuple[str, ...]) -> Answer:
    return errors.body(
        405, [("UNSUPPORTED", "this method is not supported here", None)], [("Allow", ", ".join(methods))]
    )
