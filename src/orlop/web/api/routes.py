"""Every path of Orlop's own API, in one table: requests are dispatched by it, and the OpenAPI document is made of it.

`/-/` ends a repository's name, which may itself hold parts such as `tags`: `-` alone can be no part of a name.
"""

import functools
from typing import Any

from aiohttp.web import BaseRequest

from orlop.domain.access import DELETE
from orlop.domain.caller import Caller
from orlop.domain.errors import (
    BlobUnknown,
    Busy,
    ContentsPending,
    ContentsUnindexable,
    Denied,
    DigestInvalid,
    FileUnknown,
    ManifestUnknown,
    NameInvalid,
    OrlopError,
    RangeUnsatisfiable,
    RepositoryUnknown,
    StorageFull,
    TagInvalid,
    TagUnknown,
    Unauthorized,
)
from orlop.domain.name import RepositoryName
from orlop.registry import repositories as registry_repositories
from orlop.registry import tags as registry_tags
from orlop.web.answers import Answer
from orlop.web.api import (
    audit,
    cost,
    diff,
    errors,
    files,
    gc,
    images,
    manifests,
    me,
    openapi,
    packages,
    repositories,
    search,
    status,
    tags,
    waste,
    why,
)
from orlop.web.api.calls import Call
from orlop.web.api.operations import Operation, Route
from orlop.web.api.queries import DRY_RUN, check, list_parameters
from orlop.web.edge import Edge
from orlop.web.refusals import refusal_of
from orlop.web.targets import Target


async def _openapi(call: Call) -> Answer:
    return call.answer(_document())


@functools.cache
def _document() -> dict[str, Any]:
    return openapi.document(ROUTES)


ROUTES = (
    Route(
        "repositories",
        "/api/v1/repositories",
        {
            "GET": Operation(
                repositories.listing,
                "List repositories",
                repositories.RepositoryList,
                list_parameters(registry_repositories.SORTS),
                needs="catalog",
            )
        },
    ),
    Route(
        "repository",
        "/api/v1/repositories/{name}/-",
        {
            "GET": Operation(
                repositories.get,
                "Show what a repository holds",
                repositories.Repository,
                errors=(NameInvalid, RepositoryUnknown),
            ),
            "DELETE": Operation(
                repositories.delete,
                "Delete a repository with all its tags and manifests",
                repositories.RepositoryRemoval,
                (DRY_RUN,),
                (NameInvalid, RepositoryUnknown, StorageFull, errors.MethodUnsupported),
                action=DELETE,
            ),
        },
    ),
    Route(
        "tags",
        "/api/v1/repositories/{name}/-/tags",
        {
            "GET": Operation(
                tags.listing,
                "List the tags of a repository",
                tags.TagList,
                list_parameters(registry_tags.SORTS),
                (NameInvalid, RepositoryUnknown),
            )
        },
    ),
    Route(
        "tag",
        "/api/v1/repositories/{name}/-/tags/{tag}",
        {
            "GET": Operation(
                tags.get,
                "Show a tag with its history",
                tags.TagDetail,
                errors=(NameInvalid, TagInvalid, RepositoryUnknown, TagUnknown),
            ),
            "DELETE": Operation(
                tags.delete,
                "Delete a tag, never its manifest",
                tags.TagRemoval,
                (DRY_RUN,),
                (NameInvalid, TagInvalid, TagUnknown, StorageFull, errors.MethodUnsupported),
                action=DELETE,
            ),
        },
    ),
    Route(
        "manifest",
        "/api/v1/repositories/{name}/-/manifests/{reference}",
        {
            "GET": Operation(
                manifests.get,
                "Show what a manifest is made of",
                manifests.Manifest,
                errors=(NameInvalid, TagInvalid, DigestInvalid, ManifestUnknown),
            )
        },
    ),
    Route(
        "files",
        "/api/v1/repositories/{name}/-/files/{reference}/{path}",
        {
            "GET": Operation(
                files.get,
                "List a directory of an image, or send a file",
                files.Directory,
                files.PARAMETERS,
                (*images.CONTENTS_ERRORS, FileUnknown, RangeUnsatisfiable),
                serves_files=True,
            )
        },
    ),
    Route(
        "waste",
        "/api/v1/repositories/{name}/-/waste/{reference}",
        {
            "GET": Operation(
                waste.get,
                "Show what an image ships for nothing",
                waste.WasteReport,
                waste.PARAMETERS,
                images.CONTENTS_ERRORS,
            )
        },
    ),
    Route(
        "cost",
        "/api/v1/repositories/{name}/-/cost/{reference}",
        {
            "GET": Operation(
                cost.get,
                "Show what pulling an image costs where another one is there",
                cost.CostReport,
                cost.PARAMETERS,
                images.NAMING_ERRORS,
            )
        },
    ),
    Route(
        "diff",
        "/api/v1/diff",
        {
            "GET": Operation(
                diff.get,
                "Show what differs between two images",
                diff.Difference,
                diff.PARAMETERS,
                (*images.CONTENTS_ERRORS, FileUnknown),
            )
        },
    ),
    Route(
        "packages",
        "/api/v1/repositories/{name}/-/packages/{reference}",
        {
            "GET": Operation(
                packages.listing,
                "List the packages of an image",
                packages.PackageList,
                packages.PARAMETERS,
                images.CONTENTS_ERRORS,
            )
        },
    ),
    Route(
        "search",
        "/api/v1/search",
        {
            "GET": Operation(
                search.get,
                "Search in all that the caller may read",
                search.SearchList,
                search.PARAMETERS,
                (ContentsPending, ContentsUnindexable),
                needs="catalog",
            )
        },
    ),
    Route("me", "/api/v1/me", {"GET": Operation(me.get, "Show who is asking", me.Me)}),
    Route(
        "audit",
        "/api/v1/audit",
        {
            "GET": Operation(
                audit.listing,
                "List what was changed and refused, the latest first",
                audit.AuditList,
                audit.PARAMETERS,
                needs="admin",
            )
        },
    ),
    Route(
        "gc",
        "/api/v1/gc",
        {
            "GET": Operation(gc.get, "Show how collection is doing", gc.State, needs="admin"),
            "POST": Operation(
                gc.start,
                "Begin a collection; with dry_run, list what one would take away",
                gc.Begun,
                (DRY_RUN,),
                (Busy, StorageFull),
                needs="admin",
            ),
        },
    ),
    Route(
        "why",
        "/api/v1/why/{digest}",
        {
            "GET": Operation(
                why.get,
                "Show what keeps a blob or manifest, or that nothing does",
                why.Why,
                errors=(DigestInvalid, BlobUnknown),
                needs="admin",
            )
        },
    ),
    Route(
        "status",
        "/api/v1/status",
        {"GET": Operation(status.get, "Show how the registry is doing", status.Status, needs="admin")},
    ),
    Route(
        "openapi",
        "/api/v1/openapi.json",
        {"GET": Operation(_openapi, "Show this description of the API", dict[str, Any])},
    ),
)

_BY_SHAPE = {route.shape: route for route in ROUTES}
_WITH_PATH = {route.shape for route in ROUTES if route.path.endswith("/{path}")}


async def dispatch(edge: Edge, request: BaseRequest, caller: Caller) -> tuple[str, Answer]:
    """The route's name, for logs and metrics, and the answer."""
    label, name, item, path = "api", None, "", ""
    try:
        target = Target(request.raw_path)
        shape, name, item, path = _parts(target.segments)
        route = _BY_SHAPE.get(shape)
        if route is None:
            raise errors.PathUnknown
        label = f"api.{route.name}"
        operation = route.operation(request.method)
        if operation is None:
            raise errors.MethodUnsupported(route.methods)
        check(target, operation.parameters)
        repository = RepositoryName() if name is None else RepositoryName.parse(name)
        _demand(edge, caller, route, operation, repository)
        return label, await operation.handler(Call(edge, request, caller, target, repository, item, path))
    except Exception as error:  # noqa: BLE001  # what is no refusal is raised again
        refusal = refusal_of(error)
        edge.gate.note(caller, refusal, name or "", item)
        return label, refuse(edge, request, caller, refusal)


def refuse(edge: Edge, request: BaseRequest, caller: Caller, error: OrlopError) -> Answer:
    """The answer for a refusal, with how to sign in where that may help."""
    answer = errors.render(error)
    if isinstance(error, Unauthorized):
        answer.headers = (*answer.headers, edge.gate.challenge(request, error, basic=True))
    return answer


def _demand(edge: Edge, caller: Caller, route: Route, operation: Operation, repository: RepositoryName) -> None:
    """Before anything is looked up: whether a repository is there is told to nobody who may not know."""
    if repository:
        if operation.action == DELETE and not edge.app.settings.access.deletes:
            allowed = tuple(method for method in route.methods if method != "DELETE")
            raise errors.MethodUnsupported(allowed, "deleting is switched off here: access.deletes")
        caller.authority.demand(operation.action, repository)
    elif operation.needs == "catalog":
        caller.authority.demand_catalog()
    elif operation.needs:
        caller.authority.demand_credentials()
        if operation.needs == "admin" and not caller.authority.admin:
            raise Denied("this is for admins")


def _parts(segments: list[str]) -> tuple[tuple[str, ...], str | None, str, str]:
    """A path's shape, the repository's name, the item behind its kind, and the path behind that."""
    if "-" not in segments[4:]:
        shape = (*segments[:-1], "{}")
        is_known = shape in _BY_SHAPE and segments[-1] != ""
        return (shape, None, segments[-1], "") if is_known else (tuple(segments), None, "", "")
    end = segments.index("-", 4)
    name = "/".join(segments[4:end])
    kind, item = segments[end + 1 : end + 2], segments[end + 2 :]
    shape = (*segments[:4], "{}", "-", *kind, *("{}" if part else "" for part in item))
    with_path = (*shape[:7], "{}", "{}")
    if item and item[0] and with_path in _WITH_PATH:
        return with_path, name, item[0], "/".join(item[1:])
    return shape, name, "/".join(item), ""
