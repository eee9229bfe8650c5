"""What the registry says when it refuses."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orlop.domain.errors import OrlopError
from orlop.web.v2 import errors
from tests.protocol.answer import Answer
from tests.protocol.checks import SPEC_CODES, check_error_body
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import MIB, OCI_IMAGE, absent_digest, digest_of, encode, index, random_bytes
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets
from tests.servers import OrlopServer

Scenario = Callable[[Repository], Answer]


def blob_in_use(repository: Repository) -> Answer:
    return repository.delete(f"blobs/{repository.push_image().document['layers'][0]['digest']}")


def child_in_use(repository: Repository) -> Answer:
    child = repository.push_image()
    repository.push_manifest(index([child.descriptor()]))
    return repository.delete(f"manifests/{child.digest}")


def chunk_out_of_order(repository: Repository) -> Answer:
    return repository.patch(repository.start(), b"0123456789", {"Content-Range": "5-14"})


def wrong_length(repository: Repository) -> Answer:
    return repository.patch(repository.start(), b"0123456789", {"Content-Range": "0-10"})


def wrong_digest(repository: Repository) -> Answer:
    return repository.finish(repository.start(), absent_digest(), b"0123456789")


def range_beyond_the_end(repository: Repository) -> Answer:
    return repository.get(f"blobs/{repository.push_blob(b'0123456789')}", {"Range": "bytes=10-"})


def too_large(repository: Repository) -> Answer:
    return repository.put_manifest("v1", b" " * (4 * MIB + 1), OCI_IMAGE)


def missing_layer(repository: Repository) -> Answer:
    return repository.put_manifest("v1", encode(repository.sibling().new_image()), OCI_IMAGE)


def too_many_tags(repository: Repository) -> Answer:
    content = encode(repository.new_image())
    query = "&".join(f"tag=v{number}" for number in range(101))
    return repository.put_manifest(f"{digest_of(content)}?{query}", content, OCI_IMAGE)


REFUSALS: list[tuple[str, Scenario, int, str, str]] = [
    ("invalid name", lambda each: each.client.get("/v2/UPPER/tags/list"), 400, "NAME_INVALID", "name"),
    ("unknown name", lambda each: each.get("tags/list"), 404, "NAME_UNKNOWN", "repository"),
    ("nothing there", lambda each: each.get("nothing"), 404, "NAME_UNKNOWN", "nothing at this address"),
    ("unknown tag", lambda each: each.get("manifests/v1"), 404, "MANIFEST_UNKNOWN", "manifest"),
    ("unknown manifest", lambda each: each.get(f"manifests/{absent_digest()}"), 404, "MANIFEST_UNKNOWN", "manifest"),
    ("unknown tag deleted", lambda each: each.delete("manifests/v1"), 404, "MANIFEST_UNKNOWN", "tag"),
    ("invalid tag", lambda each: each.get("manifests/.v1"), 400, "MANIFEST_INVALID", "tag"),
    ("invalid manifest", lambda each: each.put_manifest("v1", b"{", OCI_IMAGE), 400, "MANIFEST_INVALID", "JSON"),
    ("large manifest", too_large, 413, "MANIFEST_INVALID", "4194304"),
    ("missing layer", missing_layer, 400, "MANIFEST_BLOB_UNKNOWN", "push it first"),
    ("unknown blob", lambda each: each.get(f"blobs/{absent_digest()}"), 404, "BLOB_UNKNOWN", "blob"),
    ("unknown upload", lambda each: each.get(f"blobs/uploads/{'a' * 40}"), 404, "BLOB_UPLOAD_UNKNOWN", "upload"),
    ("out of order", chunk_out_of_order, 416, "BLOB_UPLOAD_INVALID", "holds 0 bytes"),
    ("invalid digest", lambda each: each.get("blobs/sha256:x"), 400, "DIGEST_INVALID", "digest"),
    ("wrong digest", wrong_digest, 400, "DIGEST_INVALID", "another digest"),
    ("wrong length", wrong_length, 400, "SIZE_INVALID", "Content-Range"),
    ("range", range_beyond_the_end, 416, "SIZE_INVALID", "range"),
    ("method", lambda each: each.request("POST", "tags/list"), 405, "UNSUPPORTED", "method"),
    ("page size", lambda each: each.get("tags/list?n=x"), 400, "UNSUPPORTED", "n must be"),
    ("blob in use", blob_in_use, 405, "UNSUPPORTED", "delete that first"),
    ("child in use", child_in_use, 405, "UNSUPPORTED", "delete that first"),
    ("many tags", too_many_tags, 414, "UNSUPPORTED", "100"),
]


@meets("error-01", "error-02", "error-03", "error-04", "error-unsupported", "newest-15")
@pytest.mark.parametrize(("name", "scenario", "status", "code", "words"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_a_refusal_has_its_status_its_code_and_words_for_a_person(
    repository: Repository, name: str, scenario: Scenario, status: int, code: str, words: str
) -> None:
    answer = scenario(repository)
    assert answer.status == status, name
    assert set(answer.codes) == {code}
    message = answer.json()["errors"][0]["message"]
    assert words in message
    for leak in ("Traceback", "/tmp", "orlop.", ".py", "sqlite", "SELECT"):
        assert leak not in answer.body.decode()


@meets("error-01", "newest-15")
def test_a_body_that_breaks_the_rules_is_noticed() -> None:
    """The check that every answer of these tests goes through would see a wrong one."""
    right: dict[str, object] = {"errors": [{"code": "UNSUPPORTED", "message": "why"}]}
    broken: list[dict[str, object]] = [
        {}, {"errors": []}, {**right, "more": 1}, {"errors": [{"code": "lower", "message": "x"}]},
        {"errors": [{"code": "MADE_UP", "message": "x"}]}, {"errors": [{"code": "DENIED", "message": ""}]},
        {"errors": [{"code": "DENIED", "message": "x", "status": 1}]}, {"errors": [{"code": "DENIED", "message": 1}]},
    ]  # fmt: skip
    for wrong in broken:
        headers = (("Content-Type", "application/json"),)
        check_error_body(Answer(400, "Bad Request", headers, json.dumps(right).encode()))
        with pytest.raises(AssertionError):
            check_error_body(Answer(400, "Bad Request", headers, json.dumps(wrong).encode()))


@meets("error-03")
def test_every_refusal_of_the_registry_has_a_code_of_the_specification() -> None:
    for kind, (status, code) in errors.TABLE.items():
        assert code in SPEC_CODES or status >= 500, kind


@meets("error-05", "newest-09")
def test_what_may_be_tried_again_later_says_when() -> None:
    later = [kind for kind, (status, _) in errors.TABLE.items() if status in (429, 503, 507)]
    assert later
    for kind in later:
        answer = errors.render(kind("later"))
        assert int(dict(answer.headers)["Retry-After"]) > 0, kind


@meets("error-05", "newest-09")
def test_a_full_disk_refuses_uploads_with_507_and_serves_the_rest(data: Path) -> None:
    with OrlopServer(data=data) as server, Client(address_of(server)) as client:
        pushed = Repository(client, "a").push_image("v1")
    with OrlopServer(data=data, STORAGE_FREE_FLOOR="1000TiB") as server, Client(address_of(server)) as client:
        repository = Repository(client, "a")
        content = random_bytes(1000)
        large = random_bytes(MIB)
        for answer in (
            repository.request("POST", "blobs/uploads/", {"Content-Length": "0"}),
            repository.post_blob(content),
            repository.post_blob(large),
            repository.post_blob(large, chunked=True),
        ):
            assert answer.status == 507
            assert int(answer.header("Retry-After")) > 0
            assert "full" in answer.json()["errors"][0]["message"]
        assert repository.get("manifests/v1").body == pushed.content
        layer = pushed.document["layers"][0]
        assert repository.get(f"blobs/{layer['digest']}").status == 200
        assert repository.delete(f"manifests/{pushed.digest}").status == 202
        assert repository.delete(f"blobs/{layer['digest']}").status == 202


def test_an_error_can_be_found_in_the_log(server: OrlopServer, repository: Repository) -> None:
    """Which is written a little later than the answer."""
    request_id = repository.get("manifests/v1").header("X-Request-Id")
    deadline = time.monotonic() + 10
    while request_id not in server.log:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_head_of_an_error_answers_like_get(repository: Repository, method: str) -> None:
    for path in ("manifests/v1", f"blobs/{absent_digest()}", "tags/list", "manifests/.x", "tags/list?n=x"):
        head, get = repository.head(path), repository.get(path)
        assert head.status == get.status
        assert head.header("Content-Length") == str(len(get.body))
        assert head.header("Content-Type") == get.header("Content-Type")


def test_the_base_of_all_refusals_is_not_told_to_clients() -> None:
    """Something that no row of the table knows is the registry's own mistake."""
    assert errors.render(OrlopError("x")).status == 500


@meets("warning-01", "warning-02", "warning-03")
def test_no_warnings_are_sent(repository: Repository) -> None:
    """The rules on Warning headers are kept by sending none; `check` looks at every answer."""
    repository.push_image("v1")
    for path in ("manifests/v1", "tags/list", "manifests/v2", f"blobs/{absent_digest()}"):
        assert repository.get(path).every("Warning") == []
