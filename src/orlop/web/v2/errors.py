"""How the OCI API says what went wrong: one row for each domain error.

Source: the OCI distribution specification, section Error codes. Codes beyond its list are used with 5xx only, which the
specification does not regulate.
"""

from typing import NamedTuple

from orlop.domain import errors
from orlop.domain.errors import OrlopError
from orlop.web.answers import Answer, Headers, json_answer


class Code(NamedTuple):
    status: int
    code: str


TABLE: dict[type[OrlopError], Code] = {
    errors.NameInvalid: Code(400, "NAME_INVALID"),
    errors.TagInvalid: Code(400, "MANIFEST_INVALID"),
    errors.DigestInvalid: Code(400, "DIGEST_INVALID"),
    errors.ParameterInvalid: Code(400, "UNSUPPORTED"),
    errors.PageInvalid: Code(400, "UNSUPPORTED"),
    errors.RepositoryUnknown: Code(404, "NAME_UNKNOWN"),
    errors.ManifestUnknown: Code(404, "MANIFEST_UNKNOWN"),
    errors.TagUnknown: Code(404, "MANIFEST_UNKNOWN"),
    errors.ManifestInvalid: Code(400, "MANIFEST_INVALID"),
    errors.ManifestTooLarge: Code(413, "MANIFEST_INVALID"),
    errors.ManifestBlobUnknown: Code(400, "MANIFEST_BLOB_UNKNOWN"),
    errors.ManifestInUse: Code(405, "UNSUPPORTED"),
    errors.TooManyTags: Code(414, "UNSUPPORTED"),
    errors.BlobUnknown: Code(404, "BLOB_UNKNOWN"),
    errors.BlobInUse: Code(405, "UNSUPPORTED"),
    errors.RangeUnsatisfiable: Code(416, "SIZE_INVALID"),
    errors.UploadUnknown: Code(404, "BLOB_UPLOAD_UNKNOWN"),
    errors.UploadInvalid: Code(400, "BLOB_UPLOAD_INVALID"),
    errors.UploadBusy: Code(409, "BLOB_UPLOAD_INVALID"),
    errors.UploadOutOfOrder: Code(416, "BLOB_UPLOAD_INVALID"),
    errors.SizeInvalid: Code(400, "SIZE_INVALID"),
    errors.StorageFull: Code(507, "STORAGE_FULL"),
    errors.Unsupported: Code(405, "UNSUPPORTED"),
    errors.Unavailable: Code(503, "UNAVAILABLE"),
    errors.Unauthorized: Code(401, "UNAUTHORIZED"),
    errors.Denied: Code(403, "DENIED"),
    errors.TooManyRequests: Code(429, "TOOMANYREQUESTS"),
}

INTERNAL = Code(500, "UNKNOWN")


def render(error: OrlopError, headers: Headers = ()) -> Answer:
    """The answer for a refusal. A MANIFEST_BLOB_UNKNOWN is repeated for each digest that is missing."""
    status, code = next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), INTERNAL)
    details = error.detail if isinstance(error.detail, list) else [error.detail]
    extra = [*headers]
    if isinstance(error, errors.RangeUnsatisfiable):
        extra.append(("Content-Range", f"bytes */{error.size}"))
    if isinstance(error, errors.TooManyRequests):
        extra.append(("Retry-After", str(error.seconds)))
    if status in (503, 507):
        extra.append(("Retry-After", "5" if status == 503 else "60"))
    return body(status, [(code, str(error), detail) for detail in details], extra)


def body(status: int, rows: list[tuple[str, str, object]], headers: Headers = ()) -> Answer:
    """The specification's error body."""
    document = {
        "errors": [
            {"code": code, "message": message, **({} if detail is None else {"detail": detail})}
            for code, message, detail in rows
        ]
    }
    return json_answer(status, document, headers)
