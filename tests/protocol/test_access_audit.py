"""The audit log: who changed what, and who was refused."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from orlop.cli.store import COMMAND_LINE
from tests.protocol.accounts import (
    ADMIN,
    House,
    ask_token,
    basic,
    bearer,
    eventually,
    house,
    issued,
    scope_of,
)
from tests.protocol.api import Api
from tests.protocol.content import OCI_IMAGE, OCI_INDEX, absent_digest, digest_of, encode, index, random_bytes
from tests.protocol.repository import Repository, with_query

ADDRESS = "192.0.2.7"
"""Of the clients in these tests, as a proxy tells it."""


@pytest.fixture(scope="module")
def registry() -> Iterator[House]:
    with house(LIMITS_FAILED_SIGN_INS="1000000", TRUSTED_PROXIES="127.0.0.1") as opened:
        opened.repository("public/app").push_image("v1")
        opened.repository("vault/app").push_image("v1")
        yield opened


@pytest.fixture
def alice(registry: House) -> Repository:
    """A repository of alice's, as she sees it."""
    return Repository(registry.by_password("alice"), f"alice/{random_bytes(6).hex()}")


def newest(registry: House) -> int:
    """The id of the last entry so far."""
    found = registry.audit("?n=1")
    return int(found[0]["id"]) if found else 0


def since(registry: House, last: int, query: str = "?n=100") -> list[dict[str, Any]]:
    """Entries after that one, the oldest first."""
    return [entry for entry in reversed(registry.audit(query)) if entry["id"] > last]


def settled(registry: House, last: int, count: int = 1) -> list[dict[str, Any]]:
    """`since`, once refusals were written, which takes up to a second."""
    eventually(lambda: len(since(registry, last)) >= count)
    return since(registry, last)


def mark(registry: House) -> str:
    """The name of a sign-in that is refused: once it is written down, so are all refusals before it."""
    name = f"mark-{random_bytes(6).hex()}"
    assert registry.client(basic(name, "wrong")).get("/v2/").status == 401
    return name


def request_of(registry: House, method: str, path: str) -> dict[str, Any]:
    """The log's line of the last request so made."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        lines = [json.loads(line) for line in registry.server.log.splitlines() if line.startswith("{")]
        found[:] = [line for line in lines if (line.get("method"), line.get("path")) == (method, path)]
        return bool(found)

    eventually(is_there)
    return found[-1]


# What was changed


class Change(NamedTuple):
    """A request that changes something, and what its entry has to say."""

    method: str
    path: str
    action: str
    object: str
    detail: dict[str, Any]
    content_type: str = ""
    body: bytes | None = None


def push_blob(each: Repository) -> Change:
    content = random_bytes(30)
    location, digest = each.start(), digest_of(content)
    return Change("PUT", with_query(location, f"digest={digest}"), "blob.push", digest, {}, "", content)


def push_large_blob(each: Repository) -> Change:
    content = random_bytes(300_000)
    location, digest = each.start(), digest_of(content)
    assert each.patch(location, content).status == 202
    return Change("PUT", with_query(location, f"digest={digest}"), "blob.push", digest, {}, "", b"")


def post_blob(each: Repository) -> Change:
    content = random_bytes(30)
    digest = digest_of(content)
    return Change("POST", f"{each.base}/blobs/uploads/?digest={digest}", "blob.push", digest, {}, "", content)


def mount_blob(each: Repository) -> Change:
    source = Repository(each.client, f"{each.name}/source")
    digest = source.push_blob(random_bytes(30))
    path = f"{each.base}/blobs/uploads/?mount={digest}&from={source.name}"
    return Change("POST", path, "blob.mount", digest, {"from": source.name}, "", b"")


def delete_blob(each: Repository) -> Change:
    digest = each.push_blob(random_bytes(30))
    return Change("DELETE", f"{each.base}/blobs/{digest}", "blob.delete", digest, {})


def cancel_upload(each: Repository) -> Change:
    location = each.start()
    return Change("DELETE", location, "upload.cancel", location.rpartition("/")[2], {})


def push_manifest(each: Repository) -> Change:
    content = encode(each.new_image())
    return Change(
        "PUT", f"{each.base}/manifests/v1", "manifest.push", digest_of(content), {"tags": ["v1"]}, OCI_IMAGE, content
    )


def push_by_digest(each: Repository) -> Change:
    content = encode(index([]))
    path = f"{each.base}/manifests/{digest_of(content)}"
    return Change("PUT", path, "manifest.push", digest_of(content), {}, OCI_INDEX, content)


def delete_tag(each: Repository) -> Change:
    digest = each.push_image("v1").digest
    return Change("DELETE", f"{each.base}/manifests/v1", "tag.delete", "v1", {"digest": digest})


def delete_tag_by_api(each: Repository) -> Change:
    digest = each.push_image("v1").digest
    path = f"/api/v1/repositories/{each.name}/-/tags/v1"
    return Change("DELETE", path, "tag.delete", "v1", {"digest": digest})


def delete_manifest(each: Repository) -> Change:
    digest = each.push_image("v1").digest
    return Change("DELETE", f"{each.base}/manifests/{digest}", "manifest.delete", digest, {"tags": ["v1"]})


CHANGES = (
    push_blob, push_large_blob, post_blob, mount_blob, delete_blob, cancel_upload, push_manifest, push_by_digest,
    delete_tag, delete_tag_by_api, delete_manifest,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: str(change.__name__))
def test_every_change_leaves_one_entry(
    registry: House, alice: Repository, change: Callable[[Repository], Change]
) -> None:
    """Who, from where, by which request, what: and it is there as soon as the answer is."""
    due = change(alice)
    last = newest(registry)
    headers = {"Content-Type": due.content_type or "application/octet-stream", "X-Forwarded-For": ADDRESS}
    answer = alice.client.request(due.method, due.path, headers, due.body)
    assert 200 <= answer.status < 300, answer
    entries = since(registry, last)
    assert len(entries) == 1, entries
    entry = entries[0]
    told = (entry["account"], entry["address"], entry["action"], entry["repository"], entry["object"], entry["detail"])
    assert told == ("alice", ADDRESS, due.action, alice.name, due.object, due.detail)
    assert entry["count"] == 1
    assert entry["request_id"]


def test_a_change_is_found_in_the_log_by_its_request(registry: House, alice: Repository) -> None:
    """By which what else is known of it is found."""
    last = newest(registry)
    alice.push_manifest(index([]), "v1")
    (entry,) = since(registry, last)
    logged = request_of(registry, "PUT", f"{alice.base}/manifests/v1")
    told = (logged["request_id"], logged["account"], logged["address"])
    assert told == (entry["request_id"], entry["account"], entry["address"])


@pytest.mark.parametrize("way", ["access token", "token of it", "token of the password"])
def test_an_entry_names_the_account_behind_a_token(registry: House, way: str) -> None:
    """Also that of nobody's own hand."""
    secret = registry.new_token("bob").secret
    behind = basic("bob", secret) if way == "token of it" else basic("bob")
    header = bearer(secret) if way == "access token" else bearer(issued(registry.client(behind), scope_of("team/app")))
    last = newest(registry)
    registry.repository("team/app", header).push_manifest(index([]), "v1")
    assert [(entry["account"], entry["action"]) for entry in since(registry, last)] == [("bob", "manifest.push")]


def test_reading_and_asking_leave_no_entry(registry: House, alice: Repository) -> None:
    """Nor does what is begun, and what would be done."""
    image = alice.push_image("v1")
    last = newest(registry)
    location = alice.start()
    assert alice.patch(location, b"some").status == 202
    for path in ("manifests/v1", f"manifests/{image.digest}", "tags/list", f"referrers/{image.digest}"):
        assert alice.get(path).status == 200
    assert alice.client.delete(f"/api/v1/repositories/{alice.name}/-/tags/v1?dry_run=true").status == 200
    issued(registry.by_password("alice"), scope_of(alice.name))
    for path in ("me", "repositories", f"repositories/{alice.name}/-/tags"):
        assert alice.client.get(f"/api/v1/{path}").status == 200
    assert since(registry, last) == []


FAILING: dict[str, Callable[[Repository], Any]] = {
    "a manifest that is none": lambda each: each.put_manifest("v1", b"{", OCI_IMAGE),
    "a manifest without its blobs": lambda each: each.put_manifest(
        "v1", encode(index([{"mediaType": OCI_IMAGE, "digest": absent_digest(), "size": 1}])), OCI_INDEX
    ),
    "a blob of another digest": lambda each: each.post_blob(b"x", absent_digest()),
    "an upload of another digest": lambda each: each.finish(each.start(), absent_digest(), b"x"),
    "a tag that is not there": lambda each: each.delete("manifests/v1"),
    "a manifest that is not there": lambda each: each.delete(f"manifests/{absent_digest()}"),
    "a blob that is not there": lambda each: each.delete(f"blobs/{absent_digest()}"),
    "a tag that is not there, by the API": lambda each: each.client.delete(
        f"/api/v1/repositories/{each.name}/-/tags/v1"
    ),
    "an upload that is not there": lambda each: each.delete(f"blobs/uploads/{'0' * 40}"),
    "a mount that becomes an upload": lambda each: each.request(
        "POST", f"blobs/uploads/?mount={absent_digest()}&from=vault/app", {"Content-Length": "0"}
    ),
}  # fmt: skip


def test_what_fails_leaves_no_entry(registry: House, alice: Repository) -> None:
    """It changed nothing, and nobody was refused for who they are."""
    last = newest(registry)
    for what, attempt in FAILING.items():
        answer = attempt(alice)
        assert answer.status in (202, 400, 404), f"{what}: {answer}"
    name = mark(registry)
    assert [entry["account"] for entry in settled(registry, last)] == [name]


def test_a_manifest_in_use_stays_and_leaves_no_entry(registry: House, alice: Repository) -> None:
    """The refusal comes from inside of the transaction that the entry would stand in."""
    image = alice.push_image()
    alice.push_manifest(index([image.descriptor()]), "v1")
    last = newest(registry)
    assert alice.delete(f"manifests/{image.digest}").status == 405
    assert alice.delete(f"blobs/{image.document['layers'][0]['digest']}").status == 405
    assert since(registry, last) == []


def test_what_commands_change_leaves_entries(registry: House) -> None:
    """They have no account: whoever may write the database's file."""
    last = newest(registry)

    def run(*arguments: str, given: str = "") -> str:
        command = (sys.executable, "-m", "orlop", *arguments, "--data", str(registry.data))
        return subprocess.run(command, check=True, input=given, capture_output=True, text=True).stdout.strip()

    run("user", "create", "dora", "--password-file", "-", given="a password\n")
    run("token", "rotate-keys")
    token = registry.new_token("dora", "team/*:pull").token
    with registry.accounts() as accounts:
        accounts.set_password(COMMAND_LINE, "dora", "another password")
        accounts.create_group(COMMAND_LINE, "crew")
        accounts.join(COMMAND_LINE, "crew", "dora")
        accounts.join(COMMAND_LINE, "crew", "dora")
        accounts.leave(COMMAND_LINE, "crew", "dora")
        accounts.delete_token(COMMAND_LINE, token.id)
        accounts.set_disabled(COMMAND_LINE, "dora", disabled=True)
        accounts.set_disabled(COMMAND_LINE, "dora", disabled=False)
        accounts.delete_group(COMMAND_LINE, "crew")
        accounts.delete(COMMAND_LINE, "dora")
    entries = since(registry, last)
    assert {(entry["account"], entry["address"]) for entry in entries} == {(None, "command line")}
    assert [
        (entry["action"], entry["object"], entry["detail"]) for entry in entries if entry["action"] != "key.rotate"
    ] == [
        ("account.create", "dora", {"kind": "person", "admin": False}),
        ("token.create", token.id, {"account": "dora", "scopes": ["team/*:pull"]}),
        ("account.password", "dora", {}),
        ("group.create", "crew", {}),
        ("group.add", "crew", {"account": "dora"}),
        ("group.remove", "crew", {"account": "dora"}),
        ("token.delete", token.id, {"account": "dora"}),
        ("account.disable", "dora", {}),
        ("account.enable", "dora", {}),
        ("group.delete", "crew", {}),
        ("account.delete", "dora", {}),
    ]
    assert len(entries) == 12
    assert "a password" not in str(entries)


def test_a_client_that_stays_signed_in_leaves_an_entry(registry: House) -> None:
    """Who it says it is stands there; its token does not."""
    last = newest(registry)
    client = registry.client(basic("carol"))
    refresh = ask_token(client, offline_token="true", client_id="docker\u00e4").json()["refresh_token"]
    (entry,) = since(registry, last)
    assert (entry["account"], entry["action"], entry["detail"]["account"]) == ("carol", "token.sign-in", "carol")
    assert entry["request_id"]
    assert refresh not in str(entry)


# What was refused


def test_a_refusal_of_someone_signed_in_leaves_one_entry(registry: House, alice: Repository) -> None:
    """With what it was about, and nothing of what a push would have left; those of a minute are counted together."""
    alice.push_image("v1")
    last = newest(registry)
    theirs = registry.repository(alice.name, basic("carol"))
    answer = theirs.client.request("GET", f"{theirs.base}/manifests/v1", {"X-Forwarded-For": ADDRESS})
    assert answer.status == 403
    statuses = {
        theirs.client.request(method, path, {"X-Forwarded-For": ADDRESS, "Content-Type": OCI_INDEX}, body).status
        for method, path, body in (
            ("PUT", f"{theirs.base}/manifests/v2", encode(index([]))),
            ("POST", f"{theirs.base}/blobs/uploads/", b""),
            ("POST", f"{theirs.base}/blobs/uploads/?digest={digest_of(b'x')}", b"x"),
            ("DELETE", f"{theirs.base}/manifests/v1", None),
            ("DELETE", f"/api/v1/repositories/{theirs.name}/-/tags/v1", None),
            ("GET", "/api/v1/audit", None),
        )
    }
    assert statuses == {403}
    eventually(lambda: sum(entry["count"] for entry in since(registry, last)) == 7)
    entries = since(registry, last)
    assert len(entries) <= 2, "one, or two where the minute ended meanwhile"
    entry = entries[0]
    assert (entry["account"], entry["address"], entry["action"]) == ("carol", ADDRESS, "refused.access")
    assert (entry["repository"], entry["object"]) == (alice.name, "v1")
    assert entry["request_id"] == answer.header("X-Request-Id")


def test_a_refusal_of_a_token_leaves_one_entry_too(registry: House) -> None:
    """It belongs to an account, whose other credentials might do."""
    token = issued(registry.by_password("carol"), scope_of("vault/app"))
    last = newest(registry)
    client = registry.client(bearer(token))
    answer = client.request("GET", "/v2/vault/app/manifests/v1", {"X-Forwarded-For": "192.0.2.8"})
    assert answer.status == 401
    (entry,) = settled(registry, last)
    assert (entry["account"], entry["action"], entry["repository"]) == ("carol", "refused.access", "vault/app")


def test_fifty_wrong_passwords_are_one_entry(registry: House) -> None:
    """Of one address and name, within a minute; with the name that was tried, and not with the password."""
    last, began = newest(registry), time.time() // 60
    for number in range(50):
        header = basic("alice", f"guess number {number}")
        answer = registry.client().get("/v2/", {"Authorization": header, "X-Forwarded-For": ADDRESS})
        assert answer.status == 401
    eventually(lambda: sum(entry["count"] for entry in since(registry, last)) == 50)
    entries = since(registry, last)
    assert len(entries) <= 1 + time.time() // 60 - began
    assert {(entry["account"], entry["address"], entry["action"]) for entry in entries} == {
        ("alice", ADDRESS, "refused.sign-in")
    }
    assert "guess" not in str(entries)


def test_those_who_are_asked_to_sign_in_leave_no_entry(registry: House) -> None:
    """Every client is asked first; a token whose time is over, or that is none, is nobody's either."""
    last = newest(registry)
    client = registry.client()
    for path in ("/v2/", "/v2/vault/app/manifests/v1", "/api/v1/audit", "/api/v1/repositories/vault/app/-/tags"):
        assert client.get(path).status == 401
    assert client.request("POST", "/v2/vault/app/blobs/uploads/", {}, b"").status == 401
    assert client.get("/v2/", {"Authorization": bearer("a.b.c")}).status == 401
    name = mark(registry)
    assert [entry["account"] for entry in settled(registry, last)] == [name]


def test_a_name_that_was_tried_is_told_as_it_was(registry: House) -> None:
    """Cut where it is long."""
    names = ["x" * 5000, 'a"b\\c', "al\r\nice\x1b[31m", "\U0001f600", "%", "(others)"]
    last = newest(registry)
    for name in names:
        assert registry.client(basic(name, "wrong")).get("/v2/").status == 401
    entries = settled(registry, last, len(names))
    assert [entry["account"] for entry in entries] == [name[:255] for name in names]
    for entry in entries:
        if entry["account"].isprintable():
            assert entry in registry.audit(f"?account={quote(entry['account'], safe='')}")


def test_a_name_that_is_no_text_takes_no_other_refusal_with_it(registry: House) -> None:
    """All that was refused since the last time is written together."""
    last = newest(registry)
    for header in ("Basic " + "/zp3cm9uZw==", basic("alice", "wrong"), basic("carol", "wrong")):  # the first: FF 3A …
        with registry.client().connect() as connection:
            connection.send(f"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\n\r\n".encode())
            connection.read()
    eventually(lambda: {"alice", "carol"} <= {entry["account"] for entry in since(registry, last)})


# The list


def test_the_log_is_for_admins(registry: House) -> None:
    """Also not for whoever the entry is about."""
    assert registry.client().get("/api/v1/audit").status == 401
    for header in (
        basic("alice"),
        bearer(registry.new_token("alice").secret),
        bearer(registry.new_token(ADMIN, "alice/*:all").secret),
        bearer(issued(registry.by_password(ADMIN), scope_of("alice/app"), "registry:catalog:*")),
    ):
        assert registry.client(header).get("/api/v1/audit").status == 403


def test_the_list_goes_on_page_by_page(registry: House, alice: Repository) -> None:
    """The latest first, each entry once, also while others are added; every answer is as described."""
    for number in range(7):
        alice.push_manifest(index([], annotations={"number": str(number)}), f"v{number}")
    api = Api(registry.by_password(ADMIN))
    page = api.get(f"/audit?repository={alice.name}&n=3")
    seen = [entry["detail"]["tags"][0] for entry in page["items"]]
    alice.push_manifest(index([]), "later")
    while page["next"] is not None:
        page = api.get(page["next"].removeprefix("/api/v1"))
        assert 1 <= len(page["items"]) <= 3
        seen += [entry["detail"]["tags"][0] for entry in page["items"]]
    assert seen == [f"v{number}" for number in reversed(range(7))]


def test_the_list_is_filtered(registry: House, alice: Repository) -> None:
    """By who, where, what, and since when; by all of them together."""
    alice.push_image("v1")
    alice.delete("manifests/v1")
    api = Api(registry.by_password(ADMIN))

    def actions(query: str) -> list[str]:
        return [entry["action"] for entry in api.get(f"/audit?repository={alice.name}{query}")["items"]]

    assert actions("") == ["tag.delete", "manifest.push", "blob.push", "blob.push"]
    assert actions("&account=alice") == actions("")
    assert actions("&account=bob") == []
    assert actions("&account=alic") == []
    assert actions("&action=blob.push") == ["blob.push", "blob.push"]
    assert actions("&action=blob") == ["blob.push", "blob.push"]
    assert actions("&action=blo") == []
    assert actions("&action=tag&account=alice") == ["tag.delete"]
    assert actions("&since=2100-01-01T00:00:00Z") == []
    assert actions("&since=2020-01-01T00:00:00Z") == actions("")
    pushed = api.get(f"/audit?repository={alice.name}&action=manifest")["items"][0]
    assert actions(f"&since={pushed['at']}") == ["tag.delete", "manifest.push"]
    everything = api.get("/audit?n=100")["items"]
    assert everything == sorted(everything, key=lambda entry: -entry["id"])


@pytest.mark.parametrize(
    "query",
    [
        "n=0", "n=x", "n=100000", "last=x", "last=-1", "last=1.5", "since=yesterday", "since=", "action=Push",
        "action=*", "account=" + "x" * 256, "order=at", "n=1&n=2", "last=" + "9" * 30,
    ],
)  # fmt: skip
def test_a_parameter_that_is_none_is_refused(registry: House, query: str) -> None:
    """With a problem that says which."""
    assert Api(registry.by_password(ADMIN)).refused(f"/audit?{query}")["status"] == 400


def test_the_log_outlives_a_kill_and_holds_so_many_entries() -> None:
    """They stand in the transactions of what was answered. The oldest go now and then, and soon after each start."""
    with house(AUDIT_ENTRIES="5") as registry:
        repository = registry.repository("alice/app")
        for number in range(8):
            repository.push_manifest(index([], annotations={"number": str(number)}), f"v{number}")
        registry.server.kill()
        registry.server.start()
        assert [entry["detail"] for entry in registry.audit("?n=5")] == [{"tags": [f"v{n}"]} for n in (7, 6, 5, 4, 3)]
        eventually(lambda: len(registry.audit("?n=100")) == 5)
        assert registry.audit("?n=100")[-1]["detail"] == {"tags": ["v3"]}
