"""How the API says what went wrong: problem documents (RFC 9457), one row for each domain error."""

from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from orlop.domain import errors
from orlop.domain.errors import OrlopError, ParameterInvalid
from orlop.web.answers import Answer, json_answer

PROBLEM_JSON = "application/problem+json"


class Problem(msgspec.Struct, omit_defaults=True):
    """Why a request was refused. Programs read `code`; `detail` is for people."""

    type: Annotated[str, Meta(description="A name for the kind of problem; one for each code")]
    title: str
    status: int
    detail: str
    code: str
    context: Annotated[
        Any,
        Meta(description="What was refused, where there is more to say: the name, the known values, the nearest one"),
    ] = None


class PathUnknown(OrlopError):
    message = "there is nothing at this address"


class MethodUnsupported(OrlopError):
    """The path does not have this method."""

    message = "this method is not supported here"

    def __init__(self, allowed: tuple[str, ...], message: str = "") -> None:
        super().__init__(message or f"use {' or '.join(allowed)} here", detail={"allowed": allowed})
        self.allowed = allowed


class ParameterUnknown(ParameterInvalid):
    message = "unknown parameter"


class Row(NamedTuple):
    status: int
    code: str


TABLE: dict[type[OrlopError], Row] = {
    errors.NameInvalid: Row(400, "NAME_INVALID"),
    errors.TagInvalid: Row(400, "TAG_INVALID"),
    errors.DigestInvalid: Row(400, "DIGEST_INVALID"),
    errors.ParameterInvalid: Row(400, "PARAMETER_INVALID"),
    ParameterUnknown: Row(400, "PARAMETER_UNKNOWN"),
    PathUnknown: Row(404, "PATH_UNKNOWN"),
    errors.RepositoryUnknown: Row(404, "REPOSITORY_UNKNOWN"),
    errors.TagUnknown: Row(404, "TAG_UNKNOWN"),
    errors.BlobUnknown: Row(404, "BLOB_UNKNOWN"),
    errors.ManifestUnknown: Row(404, "MANIFEST_UNKNOWN"),
    MethodUnsupported: Row(405, "METHOD_UNSUPPORTED"),
    errors.Unauthorized: Row(401, "UNAUTHORIZED"),
    errors.Denied: Row(403, "DENIED"),
    errors.TooManyRequests: Row(429, "TOO_MANY_REQUESTS"),
    errors.FileUnknown: Row(404, "FILE_UNKNOWN"),
    errors.Busy: Row(409, "BUSY"),
    errors.ContentsPending: Row(409, "CONTENTS_PENDING"),
    errors.RangeUnsatisfiable: Row(416, "RANGE_UNSATISFIABLE"),
    errors.NotAnImage: Row(422, "NOT_AN_IMAGE"),
    errors.ContentsUnindexable: Row(422, "CONTENTS_UNINDEXABLE"),
    errors.Unavailable: Row(503, "UNAVAILABLE"),
    errors.StorageFull: Row(507, "STORAGE_FULL"),
}
"""The others of the registry's errors belong to pushes, which this API does not have."""

INTERNAL = Row(500, "INTERNAL")


def row_of(kind: type[OrlopError]) -> Row:
    return next((TABLE[base] for base in kind.__mro__ if base in TABLE), INTERNAL)


def problem(error: OrlopError) -> Problem:
    status, code = row_of(type(error))
    name = code.lower().replace("_", "-")
    return Problem(f"urn:orlop:problem:{name}", error.message, status, str(error), code, error.detail)


def render(error: OrlopError) -> Answer:
    document = problem(error)
    headers: list[tuple[str, str]] = [("Cache-Control", "no-store")]
    if isinstance(error, MethodUnsupported):
        headers.append(("Allow", ", ".join(error.allowed)))
    if isinstance(error, errors.TooManyRequests):
        headers.append(("Retry-After", str(error.seconds)))
    if isinstance(error, errors.RangeUnsatisfiable):
        headers.append(("Content-Range", f"bytes */{error.size}"))
    if isinstance(error, errors.ContentsPending):
        headers.append(("Retry-After", "2"))
    if document.status in (503, 507):
        headers.append(("Retry-After", "5" if document.status == 503 else "60"))
    return json_answer(document.status, document, headers, content_type=PROBLEM_JSON)
