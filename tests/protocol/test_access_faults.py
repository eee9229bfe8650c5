"""What has gone wrong with access in other registries: each test says in which case of the list."""

import ast
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import orlop
from orlop.cli.store import COMMAND_LINE
from tests.protocol.accounts import (
    ADMIN,
    House,
    SignedIn,
    accounts_in,
    ask_token,
    basic,
    bearer,
    check_log,
    eventually,
    house,
    issued,
    password_of,
    scope_of,
)
from tests.protocol.answer import Answer
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import digest_of, random_bytes
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

EVIL = "evil.example"


@pytest.fixture(scope="module")
def registry() -> Iterator[House]:
    with house(LIMITS_FAILED_SIGN_INS="1000000") as opened:
        opened.repository("public/app").push_image("v1")
        opened.repository("vault/app").push_image("v1")
        yield opened


# S05


@pytest.fixture(scope="module")
def undeletable() -> Iterator[Repository]:
    """A repository where deleting is switched off, as its owner sees it."""
    with house(ACCESS_DELETES="false") as opened:
        yield opened.repository("alice/app", basic("alice"))


@pytest.mark.parametrize("who", ["alice", ADMIN, "carol", ""])
@pytest.mark.parametrize("kind", ["tag", "manifest", "blob", "tag by the API"])
def test_where_deleting_is_switched_off_nobody_deletes(undeletable: Repository, kind: str, who: str) -> None:
    """S05. 405 for each of them, not only for some; whoever asks, and whether or not it is there."""
    image = undeletable.push_image("v1")
    blob = random_bytes(30)
    undeletable.push_blob(blob)
    base = undeletable.base
    path = {
        "tag": f"{base}/manifests/v1",
        "manifest": f"{base}/manifests/{image.digest}",
        "blob": f"{base}/blobs/{digest_of(blob)}",
        "tag by the API": "/api/v1/repositories/alice/app/-/tags/v1",
    }[kind]
    with SignedIn(undeletable.client.address, basic(who) if who else "") as client:
        answer = client.delete(path)
        assert answer.status == 405, answer
        assert "DELETE" not in answer.header("Allow")
        assert client.delete(path.replace("alice/app", "alice/nil")).status == 405
    assert undeletable.head("manifests/v1").status == 200
    assert undeletable.head(f"manifests/{image.digest}").status == 200
    assert undeletable.head(f"blobs/{digest_of(blob)}").status == 200


def test_where_deleting_is_switched_off_an_upload_can_still_be_given_up(undeletable: Repository) -> None:
    """S05. It is nothing yet that could be lost."""
    assert undeletable.client.delete(undeletable.start()).status == 204


# S10


def test_nothing_that_is_stored_is_run() -> None:
    """S10. No way is known to the source by which bytes become code."""
    forbidden = {"pickle", "marshal", "shelve", "dill", "yaml", "jsonpickle", "eval", "exec"}
    for path in Path(orlop.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names: set[str] = set()
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").partition(".")[0]}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = {node.func.id}
            assert not names & forbidden, f"{path}:{getattr(node, 'lineno', 0)}"


# S20


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", ["me", "users", "accounts", "accounts/alice", "groups/team", "tokens", "audit", "status"]
)
def test_nobody_makes_oneself_an_admin(registry: House, path: str, method: str) -> None:
    """S20. Accounts are the business of commands: what is sent to the API changes none."""
    alice = registry.by_password("alice")
    body = json.dumps({"name": "alice", "admin": True, "role": "admin", "groups": ["admins"]}).encode()
    answer = alice.request(method, f"/api/v1/{path}", {"Content-Type": "application/json"}, body)
    assert answer.status in (404, 405), answer
    me = alice.get("/api/v1/me").json()
    assert (me["account"], me["admin"], me["groups"]) == ("alice", False, ["team"])


@pytest.mark.parametrize(
    "query", ["account=root", "sub=root", "admin=true", "username=root", "access=[]", "groups=team"]
)
def test_the_token_service_believes_only_credentials(registry: House, query: str) -> None:
    """S20. docker sends `account`, which is no claim to be somebody."""
    scope = scope_of("vault/app")
    carol = registry.by_password("carol")
    by_get = carol.get(f"/token?scope={scope}&{query}").json()["token"]
    form = f"grant_type=password&username=carol&password={password_of('carol')}&scope={scope}&{query}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    by_post = registry.client().request("POST", "/token", headers, form.replace(" ", "+").encode())
    tokens = [by_get] + ([by_post.json()["token"]] if by_post.status == 200 else [])
    for token in tokens:
        client = registry.client(bearer(token))
        assert client.get("/api/v1/me").json()["account"] == "carol"
        assert client.get("/v2/vault/app/tags/list").status == 401


# S23


def test_a_fresh_registry_knows_no_password(tmp_path: Path) -> None:
    """S23. It says how to make an account, and lets nobody in until then."""
    with OrlopServer(data=tmp_path, ACCESS_MODE="accounts") as server, Client(address_of(server)) as client:
        assert "orlop user create admin --admin" in server.log
        for name, password in (
            ("admin", "admin"), ("admin", "password"), ("admin", ""), ("admin", "Harbor12345"), ("root", "root"),
            ("orlop", "orlop"), ("admin", "changeme"), ("admin", "None"),
        ):  # fmt: skip
            header = basic(name, password) if password else "Basic YWRtaW46"
            assert client.get("/v2/", {"Authorization": header}).status == 401
        assert client.get("/v2/").status == 401
        assert client.get("/v2/_catalog").status == 401


def test_the_first_admins_password_is_told_once(tmp_path: Path) -> None:
    """S23. To whoever starts the server; later starts make none, also where the admin was deleted."""
    settings = {"ACCESS_MODE": "accounts", "ACCESS_FIRST_ADMIN": "print"}
    with OrlopServer(tmp_path, **settings) as server:  # type: ignore[arg-type]
        told = [line for line in server.log.splitlines() if "made the account admin" in line]
        password = told[0].partition("the password ")[2].partition(",")[0]
        assert len(told) == 1
        assert len(password) >= 20
        with SignedIn(address_of(server), basic("admin", password)) as client:
            assert client.get("/api/v1/me").json()["admin"] is True
        with accounts_in(tmp_path) as accounts:
            accounts.delete(COMMAND_LINE, "admin")
        server.restart()
        assert server.log.count(password) == 1
        assert server.log.count("made the account") == 1


def test_the_first_admins_password_comes_from_a_file(tmp_path: Path) -> None:
    """S23. The log does not repeat it, and the file counts only where there is no account."""
    file = tmp_path / "password"
    file.write_text("first of all\n")
    settings = {"ACCESS_MODE": "accounts", "ADMIN_PASSWORD_FILE": str(file)}
    with OrlopServer(tmp_path / "data", **settings) as server:  # type: ignore[arg-type]
        with SignedIn(address_of(server), basic("admin", "first of all")) as client:
            assert client.get("/api/v1/me").json()["admin"] is True
        file.write_text("second of all\n")
        server.restart()
        with SignedIn(address_of(server), basic("admin", "second of all")) as client:
            assert client.get("/v2/").status == 401
        assert "of all" not in server.log
        check_log(server.log)


def test_accounts_cannot_be_read_by_other_users_of_the_machine(registry: House) -> None:
    """S23. The database holds the key that signs tokens, and hashes of passwords."""
    for path in sorted(registry.data.glob("orlop.db*")):
        reach = [registry.data, path]
        readable = all(stat.S_IMODE(os.stat(each).st_mode) & stat.S_IRWXO for each in reach)
        assert not readable, f"{path.name} {stat.filemode(path.stat().st_mode)}"


# S24

ORLOP = (sys.executable, "-m", "orlop")


def test_an_access_token_is_shown_once(registry: House) -> None:
    """S24. Neither a list, nor the log, nor the database has it afterwards; not even its hash is listed."""
    made_with = ("--note", "deploy", "--scope", "team/*:pull", "--data", str(registry.data))
    made = subprocess.run([*ORLOP, "token", "create", "alice", *made_with], check=True, capture_output=True, text=True)
    secret = made.stdout.strip()
    assert registry.client(bearer(secret)).get("/api/v1/me").json()["token"]["scopes"] == ["team/*:pull"]
    assert secret not in made.stderr
    command = (*ORLOP, "token", "list", "--json", "--data", str(registry.data))
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "deploy" in listed
    assert secret not in listed
    assert secret.removeprefix("orlop_")[:12] not in listed
    assert secret not in registry.server.log
    stored = b"".join(path.read_bytes() for path in registry.data.glob("orlop.db*"))
    assert secret.encode() not in stored
    assert secret.removeprefix("orlop_").encode() not in stored
    assert password_of("alice").encode() not in stored
    assert all(secret not in str(entry) for entry in registry.audit())


# S27


def raw(client: Client, method: str, path: str, *lines: str, body: bytes = b"") -> Answer:
    """With these headers alone: also the Host is one of them."""
    with client.connect() as connection:
        connection.send("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body)
        return connection.read(method)


FORWARDED = (
    f"X-Forwarded-Host: {EVIL}", "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.1",
    f"Forwarded: for=192.0.2.1;host={EVIL};proto=https", f"X-Original-Host: {EVIL}", f"X-Host: {EVIL}",
    "X-Forwarded-Prefix: /evil", f"X-Forwarded-Server: {EVIL}",
)  # fmt: skip


def test_where_to_go_on_is_told_without_a_host(registry: House) -> None:
    """S27. Whatever host a client, or someone on the way, has named."""
    client = registry.client()
    for lines in ((f"Host: {EVIL}",), ("Host: x", *FORWARDED)):
        authorization = f"Authorization: {basic('alice')}"
        answer = raw(client, "POST", "/v2/alice/app/blobs/uploads/", *lines, authorization, "Content-Length: 0")
        assert answer.header("Location").startswith("/v2/alice/app/blobs/uploads/")
        assert EVIL not in str(answer)


def test_only_a_trusted_proxy_says_where_clients_are(registry: House) -> None:
    """S27. From anyone else, what it says counts neither in the challenge nor in the audit log."""
    host = registry.server.host_port
    challenge = raw(registry.client(), "GET", "/v2/", f"Host: {host}", *FORWARDED).header("WWW-Authenticate")
    assert challenge == f'Bearer realm="http://{host}/token",service="orlop"'
    raw(registry.client(), "GET", "/v2/vault/app/tags/list", "Host: x", f"Authorization: {basic('bob')}", *FORWARDED)
    eventually(lambda: bool(registry.audit("?account=bob&action=refused.access")))
    assert {entry["address"] for entry in registry.audit("?account=bob")} == {"127.0.0.1"}


@pytest.mark.parametrize(
    "host",
    ['x"y', "x/y", "a@evil.example", "x,y", "x\ty", "<b>", "x;y", "evil.example#", "x y", "-x", "[::1", "x:y", ""],
)
def test_a_host_that_is_none_is_not_repeated(registry: House, host: str) -> None:
    """S27. It would end the realm, or begin another parameter."""
    answer = raw(registry.client(), "GET", "/v2/", f"Host: {host}")
    if answer.status != 400:
        listens = registry.server.host_port.partition(":")[0]
        assert answer.header("WWW-Authenticate").startswith(f'Bearer realm="http://{listens}:')


@pytest.mark.parametrize(
    "path",
    [
        "/v2/a%0d%0aX-Evil:%20y/tags/list", "/v2/a/manifests/v1%0d%0aX-Evil:%20y", "/token?service=a%0d%0aX-Evil:%20y",
        "/token?scope=repository:a%0d%0aX-Evil:%20y:pull", "/v2/public/app/manifests/v1?ns=a%0d%0aX-Evil:%20y",
        "/v2/a%22,error=%22x/tags/list", "/v2/_catalog?last=%0d%0aX-Evil:%20y",
    ],
)  # fmt: skip
def test_a_line_end_in_an_address_ends_no_line_of_an_answer(registry: House, path: str) -> None:
    """S27. Nor does a quotation mark end what is quoted."""
    for header in ("", basic("alice")):
        answer = registry.client(header).get(path)
        assert not answer.every("X-Evil"), answer
        assert all('error="x' not in value for value in answer.every("WWW-Authenticate"))


@pytest.fixture(scope="module")
def behind_proxy() -> Iterator[House]:
    with house(TRUSTED_PROXIES="127.0.0.0/8;10.0.0.0/8", LIMITS_FAILED_SIGN_INS="1000000") as opened:
        yield opened


def test_a_trusted_proxy_is_believed(behind_proxy: House) -> None:
    """S27. The client is the last one in the list that is no proxy; what it made up before that does not count."""
    client = behind_proxy.client()
    told = ("X-Forwarded-Proto: https", "X-Forwarded-Host: registry.example:8443")
    challenge = raw(client, "GET", "/v2/", "Host: x", *told).header("WWW-Authenticate")
    assert 'realm="https://registry.example:8443/token"' in challenge
    hops = {
        "192.0.2.1": "192.0.2.1",
        "192.0.2.2": "203.0.113.9, 192.0.2.2, 10.1.2.3",
        "2001:db8::1": "evil, 2001:db8::1",
    }
    for told_by_it in hops.values():
        lines = (f"Authorization: {basic('bob')}", f"X-Forwarded-For: {told_by_it}")
        raw(client, "GET", "/v2/vault/x/tags/list", "Host: x", *lines)
    eventually(lambda: {entry["address"] for entry in behind_proxy.audit("?account=bob")} == set(hops))
    answer = raw(client, "GET", "/v2/", "Host: x", 'X-Forwarded-Host: x"y', "X-Forwarded-Proto: javascript")
    assert 'x"y' not in str(answer)
    assert "javascript" not in str(answer)


@pytest.mark.parametrize("zone", ["\xff", "<b>", "x" * 5000], ids=["no text", "markup", "long"])
def test_a_zone_of_an_address_is_no_text_of_the_clients(behind_proxy: House, zone: str) -> None:
    """S27. IPv6 lets anything follow the percent sign; it neither breaks a push nor gets into the audit log."""
    content = random_bytes(10)
    path = f"/v2/alice/zone/blobs/uploads/?digest={digest_of(content)}"
    forwarded = f"X-Forwarded-For: fe80::1%{zone}"
    credentials = f"Authorization: {basic('alice')}"
    answer = raw(
        behind_proxy.client(), "POST", path, "Host: x", credentials, forwarded, "Content-Length: 10", body=content
    )
    assert answer.status == 201, answer
    addresses = {entry["address"] for entry in behind_proxy.audit("?repository=alice/zone")}
    assert addresses <= {"fe80::1", "127.0.0.1"}


def test_a_configured_address_counts_alone() -> None:
    """S27. In the challenge and in every Location."""
    with house(PUBLIC_URL="https://registry.example", TRUSTED_PROXIES="127.0.0.1") as registry:
        lines = (f"Host: {EVIL}", f"X-Forwarded-Host: {EVIL}", "X-Forwarded-Proto: http")
        challenge = raw(registry.client(), "GET", "/v2/", *lines).header("WWW-Authenticate")
        assert challenge == 'Bearer realm="https://registry.example/token",service="registry.example"'
        authorization = f"Authorization: {basic('alice')}"
        answer = raw(
            registry.client(), "POST", "/v2/alice/a/blobs/uploads/", *lines, authorization, "Content-Length: 0"
        )
        assert answer.header("Location").startswith("https://registry.example/v2/alice/a/")


# S39

CROSS_SITE = (
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": f"https://{EVIL}"},
    {"Sec-Fetch-Site": "cross-site", "Origin": f"https://{EVIL}", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "CROSS-SITE"}, {"Sec-Fetch-Site": ""}, {"Origin": ""}, {"Origin": "null"},
)  # fmt: skip


@pytest.mark.parametrize("headers", CROSS_SITE, ids=str)
def test_a_page_of_another_site_changes_nothing(registry: House, headers: dict[str, str]) -> None:
    """S39. A browser sends the password that it remembers along with what such a page makes it send."""
    admin = registry.by_password(ADMIN)
    path = "/v2/vault/app/manifests/v1"
    plain = {**headers, "Content-Type": "text/plain"}
    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    for answer in (
        admin.request("DELETE", path, headers),
        admin.request("DELETE", "/api/v1/repositories/vault/app/-/tags/v1", headers),
        admin.request("PUT", "/v2/vault/app/manifests/v2", plain, b"{}"),
        admin.request("POST", "/v2/vault/app/blobs/uploads/", headers, b""),
        admin.request("POST", "/token", form, b"grant_type=password&username=root&password=x"),
    ):
        assert answer.status == 403, answer
    assert admin.head(path).status == 200


def test_the_registrys_own_pages_and_other_programs_may_change(registry: House) -> None:
    """S39. What comes from no page at all says nothing of it."""
    admin = registry.by_password(ADMIN)
    for headers in (
        {}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"},
        {"Origin": f"http://{registry.server.host_port}"},
    ):  # fmt: skip
        assert admin.request("POST", "/v2/vault/app/blobs/uploads/", headers, b"").status == 202


def test_no_page_of_another_site_may_look(registry: House) -> None:
    """S39. There is no answer that a browser would hand on to a script from elsewhere, nor one that leads elsewhere."""
    admin = registry.by_password(ADMIN)
    headers = {"Origin": f"https://{EVIL}", "Access-Control-Request-Method": "DELETE"}
    for method, path in (
        ("GET", "/v2/vault/app/manifests/v1"), ("GET", "/api/v1/me"), ("GET", "/token"), ("OPTIONS", "/api/v1/me"),
        ("OPTIONS", "/v2/vault/app/manifests/v1"), ("GET", f"/?next=//{EVIL}"), ("GET", f"//{EVIL}/"),
        ("GET", f"/token?redirect_uri=https://{EVIL}"), ("GET", f"/v2?next=//{EVIL}"),
    ):  # fmt: skip
        answer = admin.request(method, path, headers)
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")], answer
        assert not 300 <= answer.status < 400, answer
        assert EVIL not in str(answer)


# S40


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_log_holds_no_secrets_and_no_lines_of_others(form: str) -> None:
    """S40. Wherever a client puts them: passwords and tokens, right ones and wrong ones; line ends; terminal codes."""
    with house(LOG_FORMAT=form, LOG_LEVEL="debug", LIMITS_FAILED_SIGN_INS="1000000") as registry:
        secret = registry.new_token("alice").secret
        client = registry.client()
        token = issued(registry.by_password("alice"), scope_of("alice/app"))
        refresh = ask_token(registry.by_password("alice"), offline_token="true").json()["refresh_token"]
        wrong = "a wrong password"
        headers = [
            basic("alice"), basic("alice", wrong), basic("alice", secret), bearer(secret), bearer(token),
            bearer(token[:-4] + "AAAA"), bearer(refresh), basic('al\r\n{"event":"forged"}\x1b[31mice', wrong),
            basic("x", token), "Basic broken-" + secret, "Digest " + secret,
        ]  # fmt: skip
        for header in headers:
            for path in ("/v2/vault/app/tags/list", f"/token?access_token={secret}"):
                client.get(path, {"Authorization": header})
        for form_ in (
            f"grant_type=password&username=alice&password={password_of('alice')}",
            f"grant_type=password&username=alice&password={wrong}",
            f"grant_type=refresh_token&refresh_token={refresh}",
            f"grant_type=refresh_token&refresh_token={secret}",
        ):
            client.request("POST", "/token", {"Content-Type": "application/x-www-form-urlencoded"}, form_.encode())
        client.get('/v2/a%0d%0a{"event":"forged"}%1b[31m/tags/list')
        registry.server.stop()
        log = registry.server.log
        secrets = [password_of("alice"), wrong, secret, token, refresh, *(each.partition(" ")[2] for each in headers)]
        for each in (*secrets, secret.removeprefix("orlop_"), refresh.removeprefix("orlop_"), token.split(".")[2]):
            assert each not in log, each
        assert "access_token" not in log
        assert "\x1b" not in log
        assert "\r" not in log
        lines = log.splitlines()
        if form == "json":
            events = [json.loads(line).get("event") for line in lines if line.startswith("{")]
            assert len(events) > len(headers)
            assert "forged" not in events
        assert not [line for line in lines if line.startswith('{"event":"forged"')]
