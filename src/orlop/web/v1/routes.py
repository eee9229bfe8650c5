"""Which handler answers which path of `/v1/`.

A repository's name may itself hold parts such as `tags` or `images`, so paths are read from their end.
"""

from typing import NamedTuple

from aiohttp.web import BaseRequest

from orlop.domain.access import DELETE, PULL, PUSH
from orlop.domain.caller import Caller
from orlop.domain.errors import ImageInvalid, ImageUnknown, NameInvalid, OrlopError, Unauthorized, Unsupported
from orlop.domain.name import RepositoryName
from orlop.domain.v1.ids import ImageId
from orlop.web.answers import Answer
from orlop.web.edge import Edge
from orlop.web.refusals import refusal_of
from orlop.web.targets import Target
from orlop.web.v1 import errors, images, index, repositories
from orlop.web.v1.calls import PRIVATE_IMAGES, Call, Handler, named_repository

PATHS = ("/v1/", "/_ping", "/_status")

IMAGES: dict[str, dict[str, Handler]] = {
    "json": {"GET": images.get_json, "PUT": images.put_json},
    "layer": {"GET": images.get_layer, "PUT": images.put_layer},
    "checksum": {"PUT": images.put_checksum},
    "ancestry": {"GET": images.get_ancestry},
    "files": {"GET": images.get_files},
    "diff": {"GET": images.get_diff},
}
OF_PRIVATE_IMAGES: dict[str, dict[str, Handler]] = {
    part: {"GET": IMAGES[part]["GET"]} for part in ("json", "layer", "files")
}
"""As registries 0.6.1 to 0.8.1 had them for repositories that not everyone may read."""
REPOSITORIES: dict[str, dict[str, Handler]] = {
    "": {"PUT": repositories.put_repository, "DELETE": repositories.delete},
    "tags": {"GET": repositories.tags, "DELETE": repositories.delete},
    "tags/*": {"GET": repositories.get_tag, "PUT": repositories.put_tag, "DELETE": repositories.delete_tag},
    "tags/*/json": {"GET": repositories.tag_properties},
    "json": {"GET": repositories.repository_properties},
    "properties": {"GET": repositories.get_access, "PUT": repositories.put_access},
    "images": {
        "GET": repositories.get_images, "PUT": repositories.put_images, "DELETE": repositories.delete_images,
    },
    "auth": {"PUT": repositories.put_auth},
    "layer/*/access": {"GET": repositories.layer_access},
}  # fmt: skip
OTHERS: dict[str, dict[str, Handler]] = {
    "_ping": {"GET": index.ping},
    "_status": {"GET": index.status},
    "users": {"GET": index.get_user, "POST": index.post_user, "PUT": index.put_user},
    "search": {"GET": index.search},
}
ACTIONS = {"GET": PULL, "PUT": PUSH, "DELETE": DELETE}


class Match(NamedTuple):
    label: str
    handlers: dict[str, Handler]
    name: str
    item: str
    is_image: bool = False


async def dispatch(edge: Edge, request: BaseRequest, caller: Caller) -> tuple[str, Answer]:
    """The route's name, for logs and metrics, and the answer."""
    label, name, item = "v1", "", ""
    match: Match | None = None
    try:
        target = Target(request.raw_path)
        match = _match(target)
        if match is None:
            return label, errors.refused(404, "there is nothing at this address")
        label, name, item = f"v1.{match.label}", match.name, match.item
        method = "GET" if request.method == "HEAD" else request.method
        handler = match.handlers.get(method)
        if handler is None:
            return label, _not_allowed(match)
        call = Call(edge, request, caller, target, RepositoryName(), item)
        if match.is_image:
            call = call._replace(name=await _repository_of(call))
        elif match.name:
            call = call._replace(name=RepositoryName.parse(match.name))
        name = call.name
        _demand(call, method)
        return label, await handler(call)
    except Exception as error:  # noqa: BLE001  # what is no refusal is raised again
        refusal = refusal_of(error)
        edge.gate.note(caller, refusal, name, item)
        answer = refuse(edge, request, caller, refusal)
        if answer.status == 405 and match is not None:  # the method is refused just now
            others = [method for method in _methods(match) if method != request.method]
            answer.headers = (*answer.headers, ("Allow", ", ".join(others)))
        return label, answer


def refuse(edge: Edge, request: BaseRequest, caller: Caller, error: OrlopError) -> Answer:
    """The answer for a refusal, with how to sign in where that may help."""
    if isinstance(error, Unauthorized):
        answer = errors.refused(401, "Requires authorization", [edge.gate.challenge(request, error, basic=True)])
    else:
        answer = errors.render(error)
    return answer


def _demand(call: Call, method: str) -> None:
    settings = call.edge.app.settings
    if method != "GET" and settings.v1.mode == "read" and (call.name or call.item):
        raise Unsupported("this registry is read-only over v1: v1.mode")
    if not call.name:
        if call.target.path.startswith("/v1/search"):
            call.caller.authority.demand_catalog()
        return
    if method == "DELETE" and not settings.access.deletes:
        raise Unsupported("deleting is switched off here: access.deletes")
    call.caller.authority.demand(ACTIONS[method], call.name)


async def _repository_of(call: Call) -> RepositoryName:
    """The repository that a request for an image is about."""
    named = named_repository(call.request)
    if named is not None:
        return named
    image_id = ImageId.parse(call.item)
    if call.request.method not in ("GET", "HEAD"):
        raise ImageInvalid("Missing namespace in request: ask the index first, and send its token or its cookie")
    found = await call.edge.call(call.edge.app.v1.reading.holder, call.caller, image_id)
    if found is None:
        call.caller.authority.demand_credentials()
        raise ImageUnknown
    return found


def _match(target: Target) -> Match | None:
    segments = target.segments[2:] if target.segments[1:2] == ["v1"] else target.segments[1:]
    if segments and not segments[-1]:
        segments = segments[:-1]  # a slash at the end says nothing
    if not segments:
        return None
    if segments[0] in OTHERS and (len(segments) == 1 or (segments[0] == "users" and len(segments) == 2)):
        return Match(segments[0].strip("_"), OTHERS[segments[0]], "", "")
    found = {"images": IMAGES, PRIVATE_IMAGES: OF_PRIVATE_IMAGES}.get(segments[0])
    if found is not None and len(segments) == 3 and segments[2] in found:
        return Match(f"image_{segments[2]}", found[segments[2]], "", segments[1], is_image=True)
    if segments[0] == "repositories" and len(segments) > 1:
        return _match_repository(segments[1:])
    return None


def _match_repository(segments: list[str]) -> Match:
    for length in (3, 2, 1):
        end = segments[-length:]
        shape = "/".join([end[0], "*", *end[2:]]) if length > 1 else end[0]
        if len(segments) > length and shape in REPOSITORIES:
            label = shape.replace("/*", "").replace("/", "_")
            return Match(label, REPOSITORIES[shape], _name(segments[:-length]), end[1] if length > 1 else "")
    return Match("repository", REPOSITORIES[""], _name(segments), "")


def _name(segments: list[str]) -> str:
    if any("/" in segment for segment in segments):
        raise NameInvalid("a repository name's slashes must not be encoded")
    return "/".join(segments)


def _methods(match: Match) -> list[str]:
    return [name for method in match.handlers for name in (("GET", "HEAD") if method == "GET" else (method,))]


def _not_allowed(match: Match) -> Answer:
    return errors.refused(405, "this method is not supported here", [("Allow", ", ".join(_methods(match)))])
