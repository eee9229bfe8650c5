"""Refusals as v1 renders them: `{"error": "…"}`, with the words that its clients look for."""

from collections.abc import Iterable

from orlop.domain import errors
from orlop.domain.errors import OrlopError
from orlop.web.answers import Answer, json_answer

PLAIN = [
    ("Cache-Control", "no-cache"),
    ("Pragma", "no-cache"),
    ("Expires", "-1"),
    ("X-Content-Type-Options", "nosniff"),
]
"""Headers of every answer that may be another one next time."""

STATUSES: dict[type[OrlopError], int] = {
    errors.NameInvalid: 400,
    errors.TagInvalid: 400,
    errors.DigestInvalid: 400,
    errors.ParameterInvalid: 400,
    errors.ImageInvalid: 400,
    errors.ImageUploading: 400,
    errors.SizeInvalid: 400,
    errors.UploadInvalid: 400,
    errors.ManifestInvalid: 400,
    errors.ManifestBlobUnknown: 400,
    errors.ContentsUnindexable: 400,
    errors.ImageUnknown: 404,
    errors.BlobUnknown: 404,
    errors.UploadUnknown: 404,
    errors.RepositoryUnknown: 404,
    errors.ManifestUnknown: 404,
    errors.Unauthorized: 401,
    errors.Denied: 403,
    errors.Unsupported: 405,
    errors.ImageExists: 409,
    errors.ChecksumUnexpected: 409,
    errors.ManifestTooLarge: 413,
    errors.RangeUnsatisfiable: 416,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
}

MESSAGES: dict[type[OrlopError], str] = {
    errors.RepositoryUnknown: "Repository not found",
    errors.BlobUnknown: "Image not found",
    errors.ManifestUnknown: "Image not found",
}
"""Where v1 has words of its own."""


def status_of(error: OrlopError) -> int:
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def render(error: OrlopError, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    status = status_of(error)
    if type(error) in MESSAGES and not isinstance(error, errors.TagUnknown):
        message = MESSAGES[type(error)]
    else:
        message = str(error)
    more = [*headers]
    if isinstance(error, errors.TooManyRequests):
        more.append(("Retry-After", str(error.seconds)))
    if isinstance(error, errors.RangeUnsatisfiable):
        more.append(("Content-Range", f"bytes */{error.size}"))
    if status in (503, 507):
        more.append(("Retry-After", "5" if status == 503 else "60"))
    return refused(status, message, more)


def refused(status: int, message: str, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    return json_answer(status, {"error": message}, [*PLAIN, *headers])
