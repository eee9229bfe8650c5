"""The OpenAPI document of the API, made of the table of routes and of the types that its answers have."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from orlop import __version__
from orlop.domain.errors import (
    Denied,
    OrlopError,
    ParameterInvalid,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from orlop.web.answers import JSON
from orlop.web.api.errors import PROBLEM_JSON, ParameterUnknown, Problem, row_of
from orlop.web.api.operations import Operation, Route

EVERYWHERE: tuple[type[OrlopError], ...] = (
    ParameterInvalid,
    ParameterUnknown,
    Unauthorized,
    Denied,
    TooManyRequests,
    Unavailable,
)

DESCRIPTION = """\
What the registry holds, beside what the OCI Distribution API tells.

Lists are `{items, next, total}`: `next` is the address of the next page, null on the last one. Answers carry an ETag,
and `If-None-Match` gets 304 while nothing has changed. HEAD is answered like GET. Errors are problem documents
(RFC 9457) with a `code`. An unknown parameter is an error. Fields are added now and then; none is removed or changed.
"""

FILE_TYPES = ("application/octet-stream", "text/plain; charset=utf-8")

PATH_PARAMETERS = {
    "name": "The repository's name. Its slashes may stand as they are, or as %2F.",
    "tag": "A tag.",
    "digest": "The digest of a blob or manifest, or the id of an open upload.",
    "path": "A path in the image. Its slashes may stand as they are; nothing is the root directory.",
    "reference": "A tag or a digest. A digest's colon may stand as it is, or as %3A.",
}


def document(routes: tuple[Route, ...]) -> dict[str, Any]:
    """The document, as OpenAPI 3.1 has it."""
    operations = [operation for route in routes for operation in route.operations.values()]
    types = [*{id(operation.answer): operation.answer for operation in operations}.values(), Problem]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = {id(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Orlop", "version": __version__, "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": {
            route.path: {
                "parameters": _path_parameters(route.path),
                **{
                    method.lower(): _operation(route, method, operation, schema_of[id(operation.answer)])
                    for method, operation in route.operations.items()
                },
            }
            for route in routes
        },
        "components": {"schemas": components},
    }


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name],
            "schema": {"type": "string"},
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _operation(route: Route, method: str, operation: Operation, schema: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "OK", "content": {JSON: {"schema": schema}}}}
    if method == "GET":
        responses["200"]["headers"] = {"ETag": {"schema": {"type": "string"}}}
        responses["304"] = {"description": "Nothing has changed"}
    if operation.serves_files:
        responses["200"]["content"] |= {kind: {} for kind in FILE_TYPES}
        responses["206"] = {"description": "The part that Range asks for", "content": {kind: {} for kind in FILE_TYPES}}
    return {
        "operationId": route.name if method == "GET" else f"{method.lower()}_{route.name}",
        "summary": operation.summary,
        "parameters": [
            {"name": name, "in": "query", "description": summary, "schema": schema}
            for name, summary, schema in operation.parameters
        ],
        "responses": responses | _errors((*operation.errors, *EVERYWHERE)),
    }


def _errors(kinds: Iterable[type[OrlopError]]) -> dict[str, Any]:
    codes: dict[int, list[str]] = {}
    for kind in kinds:
        row = row_of(kind)
        codes.setdefault(row.status, []).append(row.code)
    return {
        str(status): {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(names)}",
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, names in sorted(codes.items())
    }
