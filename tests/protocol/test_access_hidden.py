"""What one may not see is as if it were not there: repositories, blobs, uploads, accounts."""

import base64
import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from orlop.cli.store import COMMAND_LINE
from tests.protocol.accounts import (
    ADMIN,
    House,
    SignedIn,
    basic,
    bearer,
    house,
    htpasswd_line,
    issued,
    password_of,
    scope_of,
)
from tests.protocol.answer import Answer
from tests.protocol.content import OCI_INDEX, absent_digest, digest_of, encode, index, random_bytes
from tests.protocol.repository import Repository

PRIVATE, ABSENT = "vault/app", "vault/nil"
"""Of one length, so that answers which hold the name are, too."""


@pytest.fixture(scope="module")
def registry() -> Iterator[House]:
    with house(htpasswd=htpasswd_line("hank"), LIMITS_FAILED_SIGN_INS="1000000") as opened:
        with opened.accounts() as accounts:
            accounts.create(COMMAND_LINE, "dave", password_of("dave"))
            accounts.set_disabled(COMMAND_LINE, "dave", disabled=True)
            accounts.create(COMMAND_LINE, "bot", None)
        yield opened


class Private(NamedTuple):
    repository: Repository
    """As an admin sees it."""
    manifest: str
    blob: str
    """A blob's digest, which is nowhere else."""


@pytest.fixture(scope="module")
def private(registry: House) -> Private:
    repository = registry.repository(PRIVATE)
    pushed = repository.push_image("v1")
    return Private(repository, pushed.digest, pushed.document["layers"][0]["digest"])


# S21


GUESTS: dict[str, Callable[[House], str]] = {
    "nobody": lambda registry: "",
    "a stranger by Basic": lambda registry: basic("carol"),
    "a stranger by an access token": lambda registry: bearer(registry.new_token("carol").secret),
    "a stranger by a token": lambda registry: bearer(issued(registry.by_password("carol"), *_both())),
    "nobody by a token": lambda registry: bearer(issued(registry.client(), *_both())),
    "an admin by a token for another": lambda registry: bearer(
        issued(registry.by_password(ADMIN), scope_of("team/app"))
    ),
    "an admin by a limited token": lambda registry: basic(ADMIN, registry.new_token(ADMIN, "team/*:all").secret),
    "a forged token": lambda registry: bearer("a.b.c"),
}  # fmt: skip


def _both() -> tuple[str, str]:
    return scope_of(PRIVATE), scope_of(ABSENT)


def reads(name: str, private: Private) -> Iterator[tuple[str, str]]:
    for method in ("GET", "HEAD"):
        for path in (
            "manifests/v1", "manifests/v2", f"manifests/{private.manifest}", f"manifests/{absent_digest()}",
            f"blobs/{private.blob}", f"blobs/{absent_digest()}", "tags/list", "tags/list?n=1&last=a",
            f"referrers/{private.manifest}", f"blobs/uploads/{'0' * 40}", "manifests/.wrong", "blobs/sha256:wrong",
            "tags/list?n=wrong", "unknown",
        ):  # fmt: skip
            yield method, f"/v2/{name}/{path}"
        for path in (
            "tags", "tags/v1", "tags/v2", "manifests/v1", f"manifests/{private.manifest}", "tags/.wrong", "files/v1",
            "files/v1/etc/passwd", f"files/{private.manifest}/etc?recursive=true", "files/v9/", "waste/v1", "cost/v1",
            "files/.wrong/etc",
        ):  # fmt: skip
            yield method, f"/api/v1/repositories/{name}/-/{path}"
        for query in (f"a={name}:v1&b={name}:v9", f"a=team/app:v1&b={name}:v1", f"a={name}:v1&b=b:v1&kind=config"):
            yield method, f"/api/v1/diff?{query}"
        yield method, f"/api/v1/repositories/team/app/-/cost/v1?have={name}:v1"


def told(answer: Answer, name: str) -> object:
    """All that an answer tells, but for the name that was asked for."""
    headers = [
        (key, value.replace(name, "NAME")) for key, value in answer.headers if key not in ("Date", "X-Request-Id")
    ]
    return answer.status, headers, answer.body.replace(name.encode(), b"NAME")


@pytest.mark.parametrize("guest", GUESTS)
def test_a_private_repository_looks_like_none(registry: House, private: Private, guest: str) -> None:
    """S21. By status, headers and body of everything that can be read."""
    client = registry.client(GUESTS[guest](registry))
    requests = zip(reads(PRIVATE, private), reads(ABSENT, private), strict=True)
    for (method, there), (_, not_there) in requests:
        found = client.request(method, there)
        if "wrong" not in there:
            assert found.status in (401, 403, 404), found
            assert found.status != 404 or "unknown" in there
        assert told(found, PRIVATE) == told(client.request(method, not_there), ABSENT), f"{method} {there}"


@pytest.mark.parametrize("guest", GUESTS)
def test_writing_to_a_private_repository_looks_like_writing_to_none(
    registry: House, private: Private, guest: str
) -> None:
    """S21. The same for everything that can be changed."""
    header = GUESTS[guest](registry)
    content = encode(index([]))
    for method, path, body in (
        ("PUT", "manifests/v1", content), ("PUT", f"manifests/{digest_of(content)}", content),
        ("PUT", "manifests/v1", b"{"),
        ("POST", "blobs/uploads/", b""), ("POST", f"blobs/uploads/?digest={private.blob}", b"x"),
        ("POST", f"blobs/uploads/?mount={private.blob}&from={PRIVATE}", b""),
        ("PATCH", f"blobs/uploads/{'0' * 40}", b"x"), ("PUT", f"blobs/uploads/{'0' * 40}?digest={private.blob}", b"x"),
        ("DELETE", "manifests/v1", None), ("DELETE", f"manifests/{private.manifest}", None),
        ("DELETE", f"blobs/{private.blob}", None), ("DELETE", f"blobs/uploads/{'0' * 40}", None),
    ):  # fmt: skip
        answers = []
        for name in (PRIVATE, ABSENT):
            with SignedIn(registry.client().address, header) as client:
                answers.append(
                    told(client.request(method, f"/v2/{name}/{path}", {"Content-Type": OCI_INDEX}, body), name)
                )
        assert answers[0] == answers[1], f"{method} {path}"
    assert private.repository.tags() == ["v1"]


@pytest.mark.parametrize("guest", ["nobody", "a stranger by Basic", "a stranger by an access token"])
def test_lists_do_not_tell_of_a_private_repository(registry: House, private: Private, guest: str) -> None:
    """S21. Neither does a page that begins behind its name, nor a total."""
    client = registry.client(GUESTS[guest](registry))
    for target in (
        "/v2/_catalog", "/v2/_catalog?last=vault/ap&n=5", "/api/v1/repositories", "/api/v1/repositories?filter=vault",
        "/api/v1/repositories?sort=-pushed", "/api/v1/repositories?last=vault/ap",
    ):  # fmt: skip
        answer = client.get(target)
        assert b"vault/app" not in answer.body
        if answer.status == 200 and target.startswith("/api/"):
            assert answer.json()["total"] == len(answer.json()["items"])


def test_wrong_credentials_look_the_same_whoever_they_are_of(registry: House) -> None:
    """S21. By status, headers and body; whether the account is there, disabled, a robot, or another's."""
    token = registry.new_token("alice").secret
    client = registry.client()
    for target in ("/v2/", "/v2/public/app/tags/list", "/token", "/api/v1/me"):
        answers = {
            str(told(client.get(target, {"Authorization": header}), "-"))
            for header in (
                basic("alice", "wrong"), basic("hank", "wrong"), basic("nobody", "wrong"), basic("dave", "wrong"),
                basic("dave"), basic("bot", "wrong"), basic("bot", "x" * 5000), basic("carol", token),
                basic("alice", "orlop_" + "0" * 40), basic("alice", "a\0b"),
            )
        }  # fmt: skip
        assert len(answers) == 1, answers


# S22


def test_it_takes_as_long_to_refuse_a_known_name_as_an_unknown_one(registry: House) -> None:
    """S22. Else names could be found out by a clock."""
    client = registry.client()

    def seconds(name: str) -> float:
        started = time.perf_counter()
        answer = client.get("/v2/", {"Authorization": basic(name, f"wrong {time.monotonic_ns()}")})
        assert answer.status == 401
        return time.perf_counter() - started

    times: dict[str, list[float]] = {"alice": [], "hank": [], "dave": [], "nobody": []}
    for _ in range(30):
        for name, found in times.items():
            found.append(seconds(name))
    medians = {name: statistics.median(found) for name, found in times.items()}
    assert max(medians.values()) < 1.3 * min(medians.values()), medians


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "pässwörd"), ("älice", "x"), ("alice", "\U0001f600"), ("", "x"), ("alice", ""), ("a:b", "c"),
        ("alice\r\nX: y", "x"), ("alice\0", password_of("alice")), ("ALICE", password_of("alice")),
        (" alice", password_of("alice")), ("alice", password_of("alice") + "\n"), ("a" * 5000, "x"),
        ("alice", "x" * 9000),
    ],
)  # fmt: skip
def test_what_is_no_name_or_password_is_refused_like_a_wrong_one(registry: House, name: str, password: str) -> None:
    """S22. Whatever it is made of: no failure of the registry's own, and nobody let in."""
    header = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
    for target in ("/v2/", "/token"):
        assert registry.client().get(target, {"Authorization": header}).status == 401


@pytest.mark.parametrize("name", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"al\xffice"])
def test_a_name_that_is_no_text_is_refused_like_a_wrong_one(registry: House, name: bytes) -> None:
    """S22. Older clients send names in the encoding of their machine."""
    header = "Basic " + base64.b64encode(name + b":wrong").decode()
    for target in ("/v2/", "/token"):
        assert registry.client().get(target, {"Authorization": header}).status == 401


@pytest.mark.parametrize(
    "header",
    [
        "Basic", "Basic ", "Basic !", "Basic YQ", "Basic YQ==", "Basic Ojo=", "Bearer", "Bearer ", "Digest a=b", "x",
        "", "Negotiate YII", "Basic YWxpY2U6eA==, Bearer x", "Bearer a b", "basic:YQ==", "Bearer " + "x" * 20_000,
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_read_is_refused(registry: House, header: str) -> None:
    """S22. Also where anyone may read."""
    for target in ("/v2/public/app/tags/list", "/v2/", "/token", "/api/v1/me"):
        assert registry.client().get(target, {"Authorization": header}).status == 401


def test_two_headers_of_credentials_are_never_more_than_one(registry: House, private: Private) -> None:
    """S22. Nobody in front takes the one for good, and the registry the other."""
    client = registry.client()
    for headers in (
        [("Authorization", basic("carol")), ("Authorization", basic(ADMIN))],
        [("Authorization", ""), ("Authorization", basic(ADMIN))],
        [("Authorization", "Basic x"), ("Authorization", basic(ADMIN))],
    ):
        assert client.get(f"/v2/{PRIVATE}/tags/list", headers).status in (400, 401, 403)


# S11


MOUNTERS: dict[str, Callable[[House], str]] = {
    "by Basic": lambda registry: basic("carol"),
    "by a token for the target": lambda registry: bearer(issued(registry.by_password("carol"), scope_of("carol/app"))),
    "by a token for both": lambda registry: bearer(
        issued(registry.by_password("carol"), scope_of("carol/app"), *_both())
    ),
    "an admin by a token of limited scope": lambda registry: basic(
        ADMIN, registry.new_token(ADMIN, "carol/*:all").secret
    ),
    "an admin by a token for the target": lambda registry: bearer(
        issued(registry.by_password(ADMIN), scope_of("carol/app"))
    ),
}


@pytest.mark.parametrize("mounter", MOUNTERS)
def test_a_mount_from_what_one_may_not_read_is_a_mount_from_nothing(
    registry: House, private: Private, mounter: str
) -> None:
    """S11. Also by a token whose owner could read it, and also where no source is named; then it is uploaded."""
    client = registry.client(MOUNTERS[mounter](registry))
    target = Repository(client, "carol/app")

    def answer(query: str) -> object:
        found = target.request("POST", f"blobs/uploads/?{query}", {"Content-Length": "0"})
        upload = found.header("Docker-Upload-UUID")
        headers = [(key, value.replace(upload, "ID")) for key, value in found.headers if key != "Date"]
        return found.status, headers, found.body

    as_absent = answer(f"mount={absent_digest()}&from={ABSENT}")
    for query in (
        f"mount={private.blob}&from={PRIVATE}", f"mount={private.blob}&from={ABSENT}", f"mount={private.blob}",
        f"mount={absent_digest()}&from={PRIVATE}", f"mount={absent_digest()}", f"mount={private.blob}&from=UPPER",
    ):  # fmt: skip
        assert answer(query) == as_absent, query
    for method in ("GET", "HEAD"):
        for path in (f"blobs/{private.blob}", f"manifests/{private.manifest}"):
            assert target.request(method, path).status == 404, "another's content is not in this repository"


def test_a_manifest_cannot_count_on_blobs_of_others(registry: House, private: Private) -> None:
    """S11. Naming a digest is no proof of having the bytes."""
    content = private.repository.get("manifests/v1").body
    mine = registry.repository("carol/thief", basic("carol"))
    answer = mine.put_manifest("v1", content, "application/vnd.oci.image.manifest.v1+json")
    assert (answer.status, set(answer.codes)) == (400, {"MANIFEST_BLOB_UNKNOWN"})
    answer = mine.put_manifest(
        "v1", encode(index([{"mediaType": OCI_INDEX, "digest": private.manifest, "size": 1}])), OCI_INDEX
    )
    assert (answer.status, set(answer.codes)) == (400, {"MANIFEST_BLOB_UNKNOWN"})


def test_a_blob_of_a_repository_that_one_may_read_is_mounted(registry: House) -> None:
    """S11. By Basic, and by a token for both, as clients ask for one before they mount."""
    source = registry.repository("alice/source", basic("alice"))
    for header in (
        basic("alice"),
        bearer(issued(registry.by_password("alice"), scope_of("alice/target"), scope_of("alice/source", "pull"))),
    ):
        target = registry.repository("alice/target", header)
        for query in ("&from=alice/source", ""):
            digest = source.push_blob(random_bytes(30))
            path = f"blobs/uploads/?mount={digest}{query}"
            assert target.request("POST", path, {"Content-Length": "0"}).status == 201
            assert target.get(f"blobs/{digest}").status == 200


# S09, S19


@pytest.mark.parametrize("way", ["basic", "token"])
def test_an_upload_is_its_owners(registry: House, way: str) -> None:
    """S09. To others it is not there, even to those who may push to the same repository, and it goes on undisturbed."""
    name = "team/shared"
    headers = {
        who: basic(who) if way == "basic" else bearer(issued(registry.by_password(who), scope_of(name)))
        for who in ("alice", "bob", ADMIN)
    }
    content = random_bytes(1000)
    mine = registry.repository(name, headers["alice"])
    location = mine.start()
    assert mine.patch(location, content[:500]).status == 202
    for other in (headers["bob"], headers[ADMIN]):
        theirs = registry.repository(name, other)
        for answer in (
            theirs.client.get(location),
            theirs.patch(location, b"theirs"),
            theirs.patch(location, b"theirs", {"Content-Range": "500-505"}),
            theirs.finish(location, digest_of(content), content[500:]),
            theirs.finish(location, digest_of(b"theirs"), b"theirs"),
            theirs.client.delete(location),
        ):
            assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"]), answer
    assert mine.client.get(location).header("Range") == "0-499"
    assert mine.finish(location, digest_of(content), content[500:]).status == 201
    assert mine.get(f"blobs/{digest_of(content)}").body == content


def test_an_upload_is_its_repositorys(registry: House) -> None:
    """S09. Under another path it is not there, also for its owner."""
    client = registry.by_password("alice")
    location = Repository(client, "alice/one").start()
    elsewhere = location.replace("alice/one", "team/shared")
    other = Repository(client, "team/shared")
    for answer in (
        client.get(elsewhere),
        other.patch(elsewhere, b"x"),
        other.finish(elsewhere, digest_of(b"x"), b"x"),
        client.delete(elsewhere),
    ):
        assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"]), answer
    assert client.get(location).status == 204


def test_an_uploads_id_cannot_be_guessed(registry: House) -> None:
    """S09. 160 bits, none of which stay the same."""
    mine = registry.repository("alice/one", basic("alice"))
    ids = [mine.start().rpartition("/")[2] for _ in range(50)]
    assert all(len(upload_id) == 40 and int(upload_id, 16) >= 0 for upload_id in ids)
    assert all(len({upload_id[at] for upload_id in ids}) > 1 for at in range(40))


def test_an_object_is_in_no_other_repository(registry: House, private: Private) -> None:
    """S19. Its digest below a path that one may read or change leads nowhere."""
    mine = registry.repository("carol/mine", basic("carol"))
    mine.push_image("v1")
    for method, path in (
        ("GET", f"manifests/{private.manifest}"), ("GET", f"blobs/{private.blob}"),
        ("DELETE", f"manifests/{private.manifest}"), ("DELETE", f"blobs/{private.blob}"),
    ):  # fmt: skip
        assert mine.request(method, path).status == 404
    assert mine.referrers(private.manifest) == []
    answer = mine.client.get(f"/api/v1/repositories/carol/mine/-/manifests/{private.manifest}")
    assert answer.status == 404
    assert private.repository.get(f"blobs/{private.blob}").status == 200


# S17, S18


def test_a_search_takes_characters_as_they_are(registry: House, private: Private) -> None:
    """S17. None of them stands for others, and none leads to others' repositories."""
    carol = registry.by_password("carol")
    for name in ("carol/a_b", "carol/axb", "carol/a.b"):
        Repository(carol, name).push_manifest(index([]), "v1")

    def found(text: str) -> list[str]:
        answer = carol.get(f"/api/v1/repositories?filter={text}")
        assert answer.status == 200, answer
        assert answer.json()["total"] == len(answer.json()["items"])
        return [item["name"] for item in answer.json()["items"]]

    assert found("a_b") == ["carol/a_b"]
    assert found("a.b") == ["carol/a.b"]
    for text in ("%25", "_%25", "a%25b", "'", "%27%20OR%201=1--", "%22", "\\", "%5c_", "[ab]", "*", "vault", "V%25T"):
        assert found(text) == [], text
    assert found("__") == []


@pytest.mark.parametrize(
    "query",
    [
        "sort=name;drop%20table%20tags", "sort=pushed%20desc", "sort=(select%201)", "sort=password", "sort=--name",
        "sort=", "n=1%20or%201", "n=1;", "n=0x1", "order=name", "q=x", "readable=.*", "account=root",
    ],
)  # fmt: skip
def test_a_list_knows_its_parameters(registry: House, query: str) -> None:
    """S18. What is none is refused, never handed on."""
    client = registry.by_password("carol")
    for path in ("/api/v1/repositories", "/api/v1/repositories/carol/x/-/tags"):
        assert client.get(f"{path}?{query}").status == 400


@pytest.mark.parametrize("text", ["%27%20OR%20%271%27=%271", "%25", "_____", "alic_", "%22", "root%27--"])
def test_a_filter_of_the_audit_log_is_a_value(registry: House, text: str) -> None:
    """S18. It finds what is called so, which is nothing."""
    admin = registry.by_password(ADMIN)
    for name in ("account", "repository"):
        assert admin.get(f"/api/v1/audit?{name}={text}").json()["items"] == []
    assert admin.get(f"/api/v1/audit?action={text}").status == 400
