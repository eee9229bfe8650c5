"""Tokens of the token service: forged ones, and what a real one is good for."""

import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from orlop.auth.signing import rotate
from orlop.cli.store import COMMAND_LINE, open_database
from orlop.config import load
from tests.protocol.accounts import (
    ADMIN,
    House,
    SignedIn,
    ask_token,
    basic,
    bearer,
    eventually,
    house,
    issued,
    password_of,
    scope_of,
)
from tests.protocol.answer import Answer
from tests.protocol.client import Client
from tests.protocol.forgeries import Forge, base64url, claims_of, encode, jwk_of, new_key, sign

TARGET = "/v2/vault/app/manifests/v1"


@pytest.fixture(scope="module")
def registry() -> Iterator[House]:
    with house(LIMITS_FAILED_SIGN_INS="1000000") as opened:
        opened.repository("vault/app").push_image("v1")
        opened.repository("public/app").push_image("v1")
        opened.repository("team/app").push_image("v1")
        yield opened


@pytest.fixture(scope="module")
def forge(registry: House) -> Forge:
    return Forge(registry.data)


@pytest.fixture
def client(registry: House) -> Iterator[Client]:
    with SignedIn(registry.client().address) as client:
        yield client


def shown(client: Client, token: str, target: str = TARGET) -> Answer:
    return client.get(target, {"Authorization": bearer(token)})


def granted(token: str) -> dict[str, list[str]]:
    """The actions that a token lists, by repository; those of the registry too."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    found = {entry["name"]: entry["actions"] for entry in claims["access"]}
    assert len(found) == len(claims["access"]), "a name comes twice"
    return found


def test_a_token_made_by_hand_is_taken_where_nothing_is_wrong_with_it(client: Client, forge: Forge) -> None:
    """S16. So that the ones below are refused for what is wrong with them."""
    assert shown(client, forge.token()).status == 200


Forgery = Callable[[Forge], str]


def _foreign(**header: Any) -> Forgery:
    """Signed by a key of the attacker's own, which the header wants to be taken for the registry's."""
    key = new_key()
    more = {name: value(key) if callable(value) else value for name, value in header.items()}
    return lambda forge: forge.token(key=key, header=forge.header(**more))


def _resigned(forge: Forge, signature: Callable[[bytes], bytes]) -> str:
    head, payload, _ = forge.token().split(".")
    return f"{head}.{payload}.{base64url(signature(sign(forge.key, f'{head}.{payload}'.encode())))}"


def _claims(**claims: Any) -> Forgery:
    return lambda forge: forge.token(**claims)


def _header(**header: Any) -> Forgery:
    return lambda forge: forge.token(header=forge.header(**header))


def _duplicated(name: str, first: object) -> Forgery:
    """Which of the two counts must not be a parser's choice."""

    def token(forge: Forge) -> str:
        return forge.of(b'{"%s":%s,' % (name.encode(), encode(first)) + encode(claims_of())[1:])

    return token


NOW = int(time.time())

FORGERIES: dict[str, Forgery] = {
    "alg none": lambda forge: forge.unsigned(alg="none"),
    "alg None": lambda forge: forge.unsigned(alg="None"),
    "alg NONE with a signature": lambda forge: forge.unsigned("AAAA", alg="NONE"),
    "alg none without a key": lambda forge: forge.unsigned(alg="none", kid=None),
    "alg of a list": lambda forge: forge.unsigned(alg=["none", "ES256"]),
    "alg missing": _header(alg=None),
    "alg of a number": _header(alg=256),
    "alg ES256 unsigned": lambda forge: forge.unsigned(),
    "alg ES384": _header(alg="ES384"),
    "alg es256": _header(alg="es256"),
    **{
        f"HS256 with the public key as {form}": lambda forge, form=form: forge.by_hmac(forge.public_key()[form])  # type: ignore[misc]
        for form in ("PEM", "PEM, stripped", "DER", "point", "JWK")
    },
    "HS256 with the key's id": lambda forge: forge.by_hmac(forge.kid.encode()),
    "HS256 with an empty key": lambda forge: forge.by_hmac(b""),
    "HS256 with an empty key and no id": lambda forge: forge.by_hmac(b"", kid=None),
    "HS256 with the empty file": lambda forge: forge.by_hmac(b"", kid="../../../../../../dev/null"),
    "HS512 named, HS256 made": lambda forge: forge.by_hmac(b"", alg="HS512"),
    "another key": _foreign(),
    "another key, embedded": _foreign(jwk=jwk_of),
    "another key, embedded without an id": _foreign(jwk=jwk_of, kid=None),
    "another key, a certificate": _foreign(x5c=["MIIB"]),
    "another key by its thumbprint": _foreign(x5t="AAAA", **{"x5t#S256": "AAAA"}),
    "kid of a path": _header(kid="../../../../../../dev/null"),
    "kid of a path, another key": _foreign(kid="../../../../../../dev/null"),
    "kid of a query": _header(kid="' OR '1'='1"),
    "kid of a query, another key": _foreign(kid="x' UNION SELECT '' --"),
    "kid of a command": _header(kid="$(touch /tmp/x)|id"),
    "kid missing": _header(kid=None),
    "kid of a list": lambda forge: forge.token(header=forge.header(kid=[forge.kid])),
    "kid of null": lambda forge: forge.of(encode(claims_of()), header=b'{"typ":"JWT","alg":"ES256","kid":null}'),
    "crit unknown": _header(crit=["exp"], exp=NOW + 300),
    "crit of an extension": _header(crit=["urn:example:policy"], **{"urn:example:policy": "deny"}),
    "crit b64": _header(crit=["b64"], b64=False),
    "crit of a text": _header(crit="exp"),
    "the signature is zero": lambda forge: forge.unsigned(base64url(bytes(64))),
    "the signature is one": lambda forge: forge.unsigned(base64url((bytes(31) + b"\1") * 2)),
    "the signature is short": lambda forge: _resigned(forge, lambda right: right[:-1]),
    "the signature is long": lambda forge: _resigned(forge, lambda right: right + b"\0"),
    "the signature is twice there": lambda forge: _resigned(forge, lambda right: right + right),
    "the signature is of something else": lambda forge: _resigned(forge, lambda right: sign(forge.key, right)),
    "the claims were changed": lambda forge: ".".join(
        part if number != 1 else base64url(encode(claims_of(jti="2")))
        for number, part in enumerate(forge.token().split("."))
    ),
    "aud of another": _claims(aud="registry.example"),
    "aud missing": _claims(aud=None),
    "aud of several": _claims(aud=["registry.example", "orlop.example"]),
    "aud of a number": _claims(aud=1),
    "aud empty": _claims(aud=""),
    "iss of another": _claims(iss="registry.example"),
    "iss missing": _claims(iss=None),
    "exp past": _claims(exp=NOW - 1),
    "exp missing": _claims(exp=None),
    "exp of a text": _claims(exp=str(NOW + 300)),
    "exp of true": _claims(exp=True),
    "exp NaN": _claims(exp=float("nan")),
    "exp of a list": _claims(exp=[NOW + 300]),
    "exp negative": _claims(exp=-1),
    "nbf future": _claims(nbf=NOW + 86_400),
    "nbf NaN": _claims(nbf=float("nan")),
    "sub missing": _claims(sub=None),
    "sub of a number": _claims(sub=1),
    "sub of a list": _claims(sub=["root"]),
    "sub of nobody": _claims(sub="nobody"),
    "token of nobody": _claims(token="0" * 12),
    "token of a number": _claims(token=1),
    "claims of a list": lambda forge: forge.of(b"[]"),
    "claims of null": lambda forge: forge.of(b"null"),
    "claims of a text": lambda forge: forge.of(b'"orlop"'),
    "claims that are no JSON": lambda forge: forge.of(b"{"),
    "claims that are nothing": lambda forge: forge.of(b""),
    "claims that are no UTF-8": lambda forge: forge.of(b'{"sub":"\xff"}'),
    "claims that are deep": lambda forge: forge.of(b'{"a":' * 3000 + b"1" + b"}" * 3000),
    "claims with a long number": lambda forge: forge.of(b'{"exp":' + b"9" * 5000 + b"}"),
    "a header of a list": lambda forge: forge.of(encode(claims_of()), header=b"[]"),
    "a header of null": lambda forge: forge.of(encode(claims_of()), header=b"null"),
    "a header of a number": lambda forge: forge.of(encode(claims_of()), header=b"1"),
    "a header of a text": lambda forge: forge.of(encode(claims_of()), header=b'"alg"'),
    "a header that is no JSON": lambda forge: forge.of(encode(claims_of()), header=b"{"),
    "a header that is no UTF-8": lambda forge: forge.of(encode(claims_of()), header=b'{"alg":"\xff"}'),
    "a header that is deep": lambda forge: forge.of(encode(claims_of()), header=b"[" * 3000),
    "a long header": _header(more="x" * 5000),
    "nothing between dots": lambda _: "..",
    "two parts": lambda forge: forge.token().rpartition(".")[0],
    "four parts": lambda forge: forge.token() + ".AAAA",
    "five parts, as if encrypted": lambda _: base64url(encode({"alg": "dir", "enc": "A128GCM"})) + "..AAAA.AAAA.AAAA",
    "JSON instead of dots": lambda forge: encode({"payload": "", "signatures": []}).decode(),
    "not base64": lambda forge: forge.token().replace(".", ".$", 1),
    "bytes that are no UTF-8": lambda forge: forge.token() + "\xff",
    "an access token that nobody made": lambda _: "orlop_" + "0" * 40,
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_token_is_refused(client: Client, forge: Forge, name: str) -> None:
    """S16. Also where anyone may read, so that its owner notices; the log tells of no trouble."""
    token = FORGERIES[name](forge)
    for target in (TARGET, "/v2/", "/v2/public/app/manifests/v1", "/api/v1/me", "/token"):
        answer = shown(client, token, target)
        assert answer.status == 401, f"{target}: {answer}"
        assert len(answer.every("WWW-Authenticate")) == 1
    if name != "an access token that nobody made":
        assert 'error="invalid_token"' in shown(client, token).header("WWW-Authenticate")


@pytest.mark.parametrize(
    ("name", "first"),
    [("aud", "registry.example"), ("iss", "registry.example"), ("exp", NOW - 1), ("sub", "alice"), ("access", [])],
    ids=["aud", "iss", "exp", "sub", "access"],
)
def test_a_token_that_says_something_twice_is_refused(client: Client, forge: Forge, name: str, first: object) -> None:
    """S16. Whoever else checks it by the published keys may see the other value."""
    assert shown(client, _duplicated(name, first)(forge)).status == 401


@pytest.mark.parametrize(
    "access",
    [
        "repository:vault/app:pull", {"type": "repository", "name": "vault/app", "actions": ["pull"]}, None, [], True,
        ["repository:vault/app:pull"], [["repository", "vault/app", ["pull"]]],
        [{"type": "repository", "name": "vault/app", "actions": "pull"}],
        [{"type": "repository", "name": ["vault/app"], "actions": ["pull"]}],
        [{"type": "repository", "name": "vault/*", "actions": ["pull"]}],
        [{"type": "repository", "name": "**", "actions": ["pull"]}],
        [{"type": "repository", "name": "vault/app", "actions": ["*", "all", "PULL", None, {"pull": 1}, ["pull"]]}],
        [{"type": "registry", "name": "vault/app", "actions": ["pull"]}],
        [{"name": "vault/app", "actions": ["pull"]}],
    ],
)  # fmt: skip
def test_access_that_is_not_as_it_should_be_opens_nothing(client: Client, forge: Forge, access: object) -> None:
    """S16. A text in which the name occurs is no list that holds it."""
    assert shown(client, forge.token(access=access)).status == 401


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_nobody_is_asked_for_the_key_that_a_token_names(client: Client, forge: Forge, name: str) -> None:
    """S16. Nor for anything else."""
    key = new_key()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0.3)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys.json"
        for signer in (key, forge.key):
            shown(client, forge.token(key=signer, header=forge.header(**{name: url})))
        assert shown(client, forge.token(key=key, header=forge.header(**{name: url}))).status == 401
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("account", ["", "alice", ADMIN])
def test_a_token_gets_no_other_one(registry: House, client: Client, account: str) -> None:
    """S16. Else one that leaked would last for ever."""
    token = issued(registry.client(basic(account) if account else ""), scope_of("alice/app"))
    assert shown(client, token, f"/token?scope={scope_of('alice/app')}").status == 401
    for form in (
        {"grant_type": "refresh_token", "refresh_token": token},
        {"grant_type": "password", "username": account or "alice", "password": token},
    ):
        for headers in ({}, {"Authorization": bearer(token)}):
            answer = posted(client, form | {"service": "orlop", "scope": scope_of("alice/app")}, headers)
            assert answer.status == 401, answer


def posted(client: Client, form: dict[str, str], headers: dict[str, str] | None = None) -> Answer:
    """The token service's answer to OAuth's form."""
    lines = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
    return client.request("POST", "/token", lines, urlencode(form).encode())


def test_a_token_ends_with_the_access_token_that_it_was_made_of(registry: House, client: Client) -> None:
    """S16. As soon as the server notices."""
    made = registry.new_token("alice")
    token = issued(registry.client(basic("alice", made.secret)), scope_of("team/app"))
    assert shown(client, token, "/v2/team/app/tags/list").status == 200
    with registry.accounts() as accounts:
        accounts.delete_token(COMMAND_LINE, made.token.id)
    eventually(lambda: shown(client, token, "/v2/team/app/tags/list").status == 401)
    assert client.get("/v2/", {"Authorization": bearer(made.secret)}).status == 401
    assert client.get("/v2/", {"Authorization": basic("alice", made.secret)}).status == 401


@pytest.mark.parametrize("way", ["disabled", "deleted", "no member"])
def test_a_token_ends_with_what_its_account_may(registry: House, client: Client, way: str) -> None:
    """S16. Whatever it lists, the account must have it now."""
    name = f"leaver-{way.replace(' ', '-')}"
    with registry.accounts() as accounts:
        accounts.create(COMMAND_LINE, name, password_of(name))
        accounts.join(COMMAND_LINE, "team", name)
    secret = registry.new_token(name).secret
    token = issued(registry.client(basic(name)), scope_of("team/app"))
    everything = (bearer(token), bearer(secret), basic(name), basic(name, secret))

    def statuses() -> set[int]:
        return {client.get("/v2/team/app/tags/list", {"Authorization": header}).status for header in everything}

    assert statuses() == {200}
    with registry.accounts() as accounts:
        if way == "disabled":
            accounts.set_disabled(COMMAND_LINE, name, disabled=True)
        elif way == "deleted":
            accounts.delete(COMMAND_LINE, name)
        else:
            accounts.leave(COMMAND_LINE, "team", name)
    eventually(lambda: statuses() == ({401, 403} if way == "no member" else {401}))
    if way == "disabled":
        with registry.accounts() as accounts:
            accounts.set_disabled(COMMAND_LINE, name, disabled=False)
        eventually(lambda: statuses() == {200})


def test_an_access_token_ends_in_time(registry: House, client: Client) -> None:
    """S16. And with it what was made of it."""
    secret = registry.new_token("alice", lifetime=1000).secret
    token = issued(registry.client(basic("alice", secret)), scope_of("team/app"))
    assert client.get("/v2/", {"Authorization": bearer(secret)}).status == 200
    assert shown(client, token, "/v2/team/app/tags/list").status == 200
    eventually(lambda: client.get("/v2/", {"Authorization": bearer(secret)}).status == 401)
    assert shown(client, token, "/v2/team/app/tags/list").status == 401


def test_a_password_that_changes_ends_what_clients_keep_in_its_place(registry: House, client: Client) -> None:
    """S16. The password itself, which the server remembered, and refresh tokens."""
    with registry.accounts() as accounts:
        accounts.create(COMMAND_LINE, "changer", password_of("changer"))
    first = registry.client(basic("changer"))
    refresh = ask_token(first, scope_of("changer/app"), offline_token="true").json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "service": "orlop"}
    assert posted(client, form).status == 200
    with registry.accounts() as accounts:
        accounts.set_password(COMMAND_LINE, "changer", "something else")
    eventually(lambda: first.get("/v2/").status == 401)
    assert posted(client, form).status == 401
    assert client.get("/v2/", {"Authorization": basic("changer", "something else")}).status == 200


def test_a_token_outlives_one_change_of_keys_and_not_two() -> None:
    """S16. Clients finish what they do; a key that leaked ends with the second."""
    with house() as registry:
        registry.repository("team/app").push_image("v1")
        client = registry.client()
        token = issued(registry.by_password("alice"), scope_of("team/app"))
        _rotate(registry)
        eventually(lambda: len(client.get("/.well-known/jwks.json").json()["keys"]) == 2)
        assert shown(client, token, "/v2/team/app/tags/list").status == 200
        assert shown(client, issued(registry.by_password("alice"), scope_of("team/app")), "/v2/").status == 200
        _rotate(registry)
        eventually(lambda: shown(client, token, "/v2/team/app/tags/list").status == 401)


def _rotate(registry: House) -> None:
    with open_database(load(None, {}, {"data": str(registry.data)})) as database:
        database.write(rotate)


def test_the_published_keys_are_public(client: Client) -> None:
    """S16. Nothing in them signs."""
    for key in client.get("/.well-known/jwks.json").json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_token_of_nobody_opens_what_anyone_may_pull_and_no_more(registry: House, client: Client) -> None:
    """S12. It can be had without credentials, so it is worth none."""
    names = ("public/app", "vault/app", "team/app", "alice/app")
    token = issued(client, *(scope_of(name, "pull,push,delete,*") for name in names), "registry:catalog:*")
    assert granted(token) == {"public/app": ["pull"], "catalog": ["*"]}
    assert shown(client, token, "/v2/public/app/manifests/v1").status == 200
    for name in names[1:]:
        assert shown(client, token, f"/v2/{name}/manifests/v1").status == 401
    assert shown(client, token, "/v2/_catalog").json() == {"repositories": ["public/app"]}
    for path in ("/api/v1/audit", "/api/v1/status"):
        assert shown(client, token, path).status in (401, 403)
    upload = client.request("POST", "/v2/public/app/blobs/uploads/", {"Authorization": bearer(token)}, b"")
    assert upload.status == 401


SCOPES: list[tuple[str, dict[str, list[str]]]] = [
    ("repository:team/app:pull", {"team/app": ["pull"]}),
    ("repository:team/app:push,pull", {"team/app": ["pull", "push"]}),
    ("repository:team/app:delete,push,pull", {"team/app": ["pull", "push"]}),
    ("repository:team/app:push", {"team/app": ["pull", "push"]}),
    ("repository:team/app:*", {"team/app": ["pull", "push"]}),
    ("repository:team/app:pull,fly", {"team/app": ["pull"]}),
    ("repository:team/app:fly", {}),
    ("repository:team/app:PULL", {}),
    ("repository:team/app:", {}),
    ("repository:team/app", {}),
    ("repository:team/app:pull,pull,pull", {"team/app": ["pull"]}),
    ("repository:team/app:pull push", {"team/app": ["pull"]}),
    ("repository:team/app:pull repository:team/app:push", {"team/app": ["pull", "push"]}),
    ("repository:alice/x:pull repository:team/app:pull", {"alice/x": ["pull"], "team/app": ["pull"]}),
    ("repository:vault/app:pull", {}),
    ("repository:vault/app:pull repository:team/app:pull", {"team/app": ["pull"]}),
    ("repository::pull", {}),
    ("repository:*:*", {}),
    ("repository:**:pull", {}),
    ("repository:team/*:pull", {}),
    ("repository:team/../vault/app:pull", {}),
    ("repository:team/app/:pull", {}),
    ("repository:/team/app:pull", {}),
    ("repository:TEAM/app:pull", {}),
    ("repository:registry.example:5000/team/app:pull", {}),
    ("repository:team/app:pull:push", {}),
    ("repository:team/app::pull", {}),
    (":::::", {}),
    ("repository(plugin):team/app:pull", {"team/app": ["pull"]}),
    ("Repository:team/app:pull", {}),
    ("registry:catalog:*", {"catalog": ["*"]}),
    ("registry:catalog:pull", {}),
    ("registry:*:*", {}),
    ("repository:catalog:*", {}),
    ("", {}),
    ("  repository:team/app:pull  ", {"team/app": ["pull"]}),
    ("repository:team/app:pull\u00a0repository:alice/x:pull", {}),
    ("rule:**:all admin:*:*", {}),
]


@pytest.mark.parametrize(("scope", "expected"), SCOPES)
def test_a_scope_gets_what_it_asks_for_as_far_as_it_may(
    registry: House, client: Client, scope: str, expected: dict[str, list[str]]
) -> None:
    """S15. The intersection, by GET and by POST; what isn't understood is left out."""
    alice = registry.by_password("alice")
    assert granted(ask_token(alice, scope).json()["token"]) == expected
    form = {"grant_type": "password", "username": "alice", "password": password_of("alice"), "scope": scope}
    assert granted(posted(client, form).json()["token"]) == expected


def test_scopes_given_apart_count_together(registry: House) -> None:
    """S15. docker sends them so for a mount, others with a space between them."""
    alice = registry.by_password("alice")
    token = issued(alice, scope_of("team/app", "pull"), scope_of("team/app", "push"), scope_of("alice/x", "delete"))
    assert granted(token) == {"team/app": ["pull", "push"], "alice/x": ["pull", "delete"]}


@pytest.mark.parametrize("many", [101, 10_000])
def test_there_is_an_end_to_scopes(registry: House, client: Client, many: int) -> None:
    """S15. By GET and by POST."""
    scopes = " ".join(f"repository:alice/{number:x}:pull" for number in range(many))
    form = {"grant_type": "password", "username": "alice", "password": password_of("alice"), "scope": scopes}
    assert posted(client, form).status == 400
    with registry.client().connect() as connection:
        target = f"/token?scope={quote(scopes, safe='')}"
        connection.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('alice')}\r\n\r\n".encode())
        assert connection.read().status in (400, 414, 431)
    hundred = " ".join(f"repository:alice/{number:x}:pull" for number in range(100))
    assert len(granted(posted(client, form | {"scope": hundred}).json()["token"])) == 100


@pytest.mark.parametrize(
    "form",
    [
        {}, {"grant_type": "client_credentials", "username": "alice", "password": password_of("alice")},
        {"grant_type": ""}, {"grant_type": "password"}, {"grant_type": "refresh_token"},
        {"grant_type": "password", "username": "alice"}, {"grant_type": "password", "password": password_of("alice")},
        {"grant_type": "password", "username": "", "password": ""},
        {"grant_type": "refresh_token", "refresh_token": "orlop_"},
        {"grant_type": "refresh_token", "refresh_token": password_of("alice")},
        {"grant_type": "password", "username": "\U0001f600", "password": "\0"},
    ],
)  # fmt: skip
def test_a_form_that_shows_nothing_gets_nothing(client: Client, form: dict[str, str]) -> None:
    """S15. Neither a token nor an error of the registry's own."""
    answer = posted(client, form)
    assert answer.status in (400, 401), answer
    assert "token" not in answer.json()


def test_a_token_of_limited_scope_passes_its_limits_on(registry: House, client: Client) -> None:
    """S15. Into what the token service makes of it."""
    secret = registry.new_token("alice", "team/*:pull").secret
    limited = registry.client(basic("alice", secret))
    token = issued(limited, scope_of("team/app"), scope_of("alice/app"), "registry:catalog:*")
    assert granted(token) == {"team/app": ["pull"], "catalog": ["*"]}
    assert shown(client, token, "/v2/_catalog").json() == {"repositories": ["team/app"]}
    assert ask_token(limited, scope_of("alice/app"), offline_token="true").json().get("refresh_token") is None
    answer = posted(client, {"grant_type": "refresh_token", "refresh_token": secret, "scope": scope_of("alice/app")})
    assert granted(answer.json()["token"]) == {}


def test_what_the_token_service_says_is_kept_by_nobody(registry: House, client: Client) -> None:
    """S15. No cache on the way may hold a token."""
    for answer in (ask_token(registry.by_password("alice")), ask_token(client), posted(client, {})):
        assert answer.header("Cache-Control") == "no-store"
