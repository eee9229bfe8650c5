"""What every answer of the registry has to keep, whatever was asked."""

import re

from tests.protocol.answer import Answer

SPEC_CODES = frozenset({
    "BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED", "DENIED",
    "UNSUPPORTED", "TOOMANYREQUESTS",
})  # fmt: skip

ONCE = (
    "Content-Length", "Content-Type", "Content-Range", "Date", "Docker-Content-Digest", "ETag", "Location", "Range",
    "OCI-Subject", "Allow", "Retry-After",
)  # fmt: skip

WARNING = re.compile(r'299 - "[^"]*"')
MOST_WARNING_BYTES = 4096


def check(method: str, target: str, answer: Answer) -> None:
    """Fails where an answer breaks a rule that holds for all of them. 507 is left to those who provoke it."""
    assert answer.status < 500 or answer.status == 507, f"{method} {target}: {answer}"
    check_headers(answer)
    if re.match(r"/v2(?:[/?]|$)", target):
        assert all(";" not in value for value in answer.every("Content-Type")), answer
        if answer.status >= 400 and method != "HEAD":
            check_error_body(answer)


def check_headers(answer: Answer) -> None:
    for name in ONCE:
        assert len(answer.every(name)) <= 1, f"{name} comes more than once: {answer}"
    assert answer.every("Date"), answer
    assert len(answer.every("Content-Length")) == (answer.status not in (204, 304)), answer
    warnings = answer.every("Warning")
    assert all(WARNING.fullmatch(value) for value in warnings), answer
    assert sum(map(len, warnings)) <= MOST_WARNING_BYTES, answer
    if answer.status == 405:
        assert answer.every("Allow"), answer
    if answer.status in (429, 503, 507):
        assert answer.every("Retry-After"), answer
    if answer.status in (201, 202) and answer.every("Location"):
        assert answer.header("Location").startswith("/v2/"), answer


def check_error_body(answer: Answer) -> None:
    assert answer.header("Content-Type") == "application/json", answer
    document = answer.json()
    assert set(document) == {"errors"}, answer
    assert document["errors"], answer
    for error in document["errors"]:
        assert set(error) <= {"code", "message", "detail"}, answer
        assert re.fullmatch("[A-Z_]+", error["code"]), answer
        assert answer.status >= 500 or error["code"] in SPEC_CODES, answer
        assert isinstance(error["message"], str), answer
        assert error["message"], answer
