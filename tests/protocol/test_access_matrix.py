"""S14. Every verb on every kind of repository, by everyone, in every way of signing in: exactly what `Policy` says."""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from orlop.auth.policy import ANONYMOUS, Policy, Subject
from orlop.cli.store import COMMAND_LINE
from orlop.domain.access import DELETE, NOTHING, PULL, PUSH, Actions, Rule, Scope, in_order
from tests.protocol.accounts import (
    ADMIN,
    GROUP,
    House,
    basic,
    bearer,
    house,
    htpasswd_line,
    issued,
    scope_of,
)
from tests.protocol.answer import Answer
from tests.protocol.client import Client
from tests.protocol.content import OCI_INDEX, digest_of, encode, index, random_bytes
from tests.protocol.repository import Pushed, Repository

RULES = (
    "signed-in may all on {account}/**",
    "group:team may pull, push on team/**",
    "group:team may delete on bin/**",
    "anyone may pull on public/**",
    "account:hank may push on public/*",
)
POLICY = Policy(tuple(map(Rule.parse, RULES)))

KINDS = {"own": "alice/app", "group": "team/app", "deletes": "bin/app", "public": "public/app", "private": "vault/app"}
ABSENT = {"absent own": "alice/absent", "absent private": "vault/absent"}
"""Prefixes of names, each of which is used once."""

SOURCE = "public/app"
"""From where blobs are mounted: everyone but a token of other scope may read it."""

CATALOG = "registry:catalog:*"
REFUSED = (401, 403)


class Guest(NamedTuple):
    """Someone who asks, in one way. `subject` is None where the account can do nothing, its credentials neither."""

    role: str
    way: str
    """`nothing`; `basic`; `bearer`: an access token; `jwt`: the token service's for all, `narrow` for pulling alone."""
    subject: Subject | None
    scopes: tuple[Scope, ...] = ()
    """Of the access token that is behind it; none: all."""

    @property
    def shows_account(self) -> bool:
        """Whether no other credentials of this guest could get further: then 403, else 401."""
        return self.subject is not None and self.way in ("basic", "bearer")

    def may(self, name: str) -> Actions:
        if self.subject is None:
            return NOTHING
        found = POLICY.actions(self.subject, name) & self._scoped(name)
        if self.way == "narrow":
            found &= {PULL}
        return found if PULL in found else NOTHING

    def may_list(self, name: str) -> bool:
        """Whether a list of names holds that one: a token of the token service does not name what it may list."""
        return PULL in self._replace(way="basic").may(name)

    def _scoped(self, name: str) -> Actions:
        account = self.subject.name if self.subject else ""
        found = [scope.actions for scope in self.scopes if scope.pattern.matches(name, account)]
        return frozenset().union(*found) if self.scopes else frozenset((PULL, PUSH, DELETE))


ROLES: dict[str, tuple[Subject | None, str, tuple[str, ...]]] = {
    "anonymous": (ANONYMOUS, "", ()),
    "owner": (Subject("alice", frozenset((GROUP,))), "alice", ()),
    "member": (Subject("bob", frozenset((GROUP,))), "bob", ()),
    "stranger": (Subject("carol"), "carol", ()),
    "htpasswd": (Subject("hank"), "hank", ()),
    "admin": (Subject(ADMIN, admin=True), ADMIN, ()),
    "robot": (Subject("bot", frozenset((GROUP,))), "bot", ("team/*:pull", "bin/**:all", "vault/**:all")),
    "restricted admin": (Subject(ADMIN, admin=True), ADMIN, ("{account}/*:all", "alice/*:push", "vault/*:delete")),
    "disabled": (None, "dave", ()),
}
"""Whom the policy sees, the account, and the scopes of the access token by which it signs in, with Basic too."""


def _guests() -> Iterator[Guest]:
    for role, (subject, _, texts) in ROLES.items():
        ways = ["nothing", "jwt"] if role == "anonymous" else ["basic", "bearer", "jwt"]
        for way in [*ways, "narrow"] if role in ("anonymous", "owner", "member", "admin") else ways:
            yield Guest(role, way, subject, tuple(map(Scope.parse, texts)))


class World:
    """The registry with what is in it, and everyone's credentials."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.client = house.client()
        self.admin = house.by_password(ADMIN)
        self.images: dict[str, Pushed] = {}
        self._numbers = itertools.count(1)
        self._spare: dict[str, str] = {}
        self._headers: dict[str, tuple[str, str]] = {"anonymous": ("", "")}
        """By role: Basic, and an access token as Bearer."""
        self._tokens: dict[tuple[str, str, str], str] = {}

    def populate(self) -> None:
        with self.house.accounts() as accounts:
            accounts.create(COMMAND_LINE, "bot", None)
            accounts.join(COMMAND_LINE, GROUP, "bot")
            accounts.create(COMMAND_LINE, "dave", "the password of dave")
            accounts.join(COMMAND_LINE, GROUP, "dave")
        for name in KINDS.values():
            self.images[name] = Repository(self.admin, name).push_image("v1")
        for role, (_, account, texts) in ROLES.items():
            if account:
                secret = self.house.new_token(account, *texts).secret
                self._headers[role] = (basic(account, secret if texts else ""), bearer(secret))
        for way in ("jwt", "narrow"):  # while it can get them
            for name in KINDS.values():
                self.header(Guest("disabled", way, Subject("dave")), name)
        with self.house.accounts() as accounts:
            accounts.set_disabled(COMMAND_LINE, "dave", disabled=True)

    def header(self, guest: Guest, name: str = SOURCE) -> str:
        """What the guest shows to do something with the repository of that name."""
        by_password, by_token = self._headers[guest.role]
        if guest.way in ("nothing", "basic"):
            return by_password
        if guest.way == "bearer":
            return by_token
        found = self._tokens.get((guest.role, guest.way, name))
        if found is None:
            wanted = [scope_of(name), scope_of(SOURCE), CATALOG] if guest.way == "jwt" else [scope_of(name, "pull")]
            found = issued(self.house.client(by_password), *wanted)
            if name in self.images:
                self._tokens[guest.role, guest.way, name] = found
        return bearer(found)

    def ask(self, header: str, method: str, path: str, body: bytes | None = None, content_type: str = "") -> Answer:
        headers = {"Authorization": header} if header else {}
        if content_type:
            headers["Content-Type"] = content_type
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = b""
        return self.client.request(method, path, headers, body)

    def number(self) -> int:
        return next(self._numbers)

    def spare(self, kind: str, name: str, make: Callable[[], str]) -> str:
        """Something that may be deleted; made anew only once it was."""
        if (path := self._spare.get(f"{kind} {name}")) is None or self.admin.head(path).status != 200:
            path = self._spare[f"{kind} {name}"] = make()
        return path


class Case(NamedTuple):
    """One guest before one repository."""

    world: World
    guest: Guest
    name: str
    header: str

    @property
    def present(self) -> bool:
        return self.name in self.world.images

    @property
    def digest(self) -> str:
        return self.world.images[self.name].digest if self.present else digest_of(b"absent")

    @property
    def blob(self) -> str:
        image = self.world.images.get(self.name)
        return str(image.document["layers"][0]["digest"]) if image else digest_of(b"absent")

    def path(self, rest: str) -> str:
        return f"/v2/{self.name}/{rest}"

    def spare_manifest(self) -> str:
        document = index([], annotations={"number": str(self.world.number())})
        pushed = Repository(self.world.admin, self.name).push_manifest(document)
        return self.path(f"manifests/{pushed.digest}")

    def spare_tag(self) -> str:
        tag = f"spare-{self.world.number()}"
        Repository(self.world.admin, self.name).push_manifest(index([]), tag)
        return self.path(f"manifests/{tag}")

    def spare_blob(self) -> str:
        content = random_bytes(20)
        assert Repository(self.world.admin, self.name).post_blob(content).status == 201
        return self.path(f"blobs/{digest_of(content)}")

    def upload(self) -> str:
        """Of the guest, who may begin one; else of an admin."""
        if not self.present:
            return self.path(f"blobs/uploads/{'0' * 40}")
        header = self.header if PUSH in self.guest.may(self.name) else self.world.admin.header
        return self.world.ask(header, "POST", self.path("blobs/uploads/")).header("Location")


class Request(NamedTuple):
    """What is sent, and a path at which an admin would see that something was done."""

    path: str
    watched: str = ""
    body: bytes | None = None
    content_type: str = ""


class Verb(NamedTuple):
    name: str
    method: str
    action: str
    request: Callable[[Case], Request]
    success: tuple[int, ...]
    """Statuses of who may, where there is something."""


def api(case: Case, rest: str) -> str:
    return f"/api/v1/repositories/{case.name}/-/{rest}"


def put_manifest(case: Case) -> Request:
    path = case.path(f"manifests/new-{case.world.number()}")
    return Request(path, path, encode(index([])), OCI_INDEX)


def delete_tag(case: Case) -> Request:
    path = _spare(case, "tag", case.spare_tag, "manifests/none")
    return Request(path, path)


def delete_manifest(case: Case) -> Request:
    path = _spare(case, "manifest", case.spare_manifest, f"manifests/{case.digest}")
    return Request(path, path)


def delete_blob(case: Case) -> Request:
    path = _spare(case, "blob", case.spare_blob, f"blobs/{case.blob}")
    return Request(path, path)


def delete_tag_by_api(case: Case) -> Request:
    path = _spare(case, "tag", case.spare_tag, "manifests/none")
    return Request(api(case, f"tags/{path.rpartition('/')[2]}"), path)


def patch_upload(case: Case) -> Request:
    path = case.upload()
    return Request(path, path, b"a chunk", "application/octet-stream")


def finish_upload(case: Case) -> Request:
    content = random_bytes(20)
    watched = case.path(f"blobs/{digest_of(content)}")
    return Request(f"{case.upload()}?digest={digest_of(content)}", watched, content, "application/octet-stream")


def end_upload(case: Case) -> Request:
    path = case.upload()
    return Request(path, path)


def post_blob(case: Case) -> Request:
    content = random_bytes(20)
    digest = digest_of(content)
    return Request(case.path(f"blobs/uploads/?digest={digest}"), case.path(f"blobs/{digest}"), content)


def mount(case: Case) -> Request:
    content = random_bytes(20)
    digest = digest_of(content)
    Repository(case.world.admin, SOURCE).post_blob(content)
    watched = "" if case.name == SOURCE else case.path(f"blobs/{digest}")
    return Request(case.path(f"blobs/uploads/?mount={digest}&from={SOURCE}"), watched)


def _spare(case: Case, kind: str, make: Callable[[], str], absent: str) -> str:
    return case.world.spare(kind, case.name, make) if case.present else case.path(absent)


VERBS = (
    Verb("GET tag", "GET", PULL, lambda case: Request(case.path("manifests/v1")), (200,)),
    Verb("HEAD tag", "HEAD", PULL, lambda case: Request(case.path("manifests/v1")), (200,)),
    Verb("GET manifest", "GET", PULL, lambda case: Request(case.path(f"manifests/{case.digest}")), (200,)),
    Verb("HEAD manifest", "HEAD", PULL, lambda case: Request(case.path(f"manifests/{case.digest}")), (200,)),
    Verb("GET blob", "GET", PULL, lambda case: Request(case.path(f"blobs/{case.blob}")), (200,)),
    Verb("HEAD blob", "HEAD", PULL, lambda case: Request(case.path(f"blobs/{case.blob}")), (200,)),
    Verb("tags", "GET", PULL, lambda case: Request(case.path("tags/list")), (200,)),
    Verb("HEAD tags", "HEAD", PULL, lambda case: Request(case.path("tags/list")), (200,)),
    Verb("referrers", "GET", PULL, lambda case: Request(case.path(f"referrers/{case.digest}")), (200,)),
    Verb("GET upload", "GET", PULL, lambda case: Request(case.upload()), (204, 404)),
    Verb("PUT manifest", "PUT", PUSH, put_manifest, (201,)),
    Verb("POST upload", "POST", PUSH, lambda case: Request(case.path("blobs/uploads/")), (202,)),
    Verb("POST blob", "POST", PUSH, post_blob, (201,)),
    Verb("POST mount", "POST", PUSH, mount, (201, 202)),
    Verb("PATCH upload", "PATCH", PUSH, patch_upload, (202,)),
    Verb("PUT upload", "PUT", PUSH, finish_upload, (201,)),
    Verb("DELETE upload", "DELETE", PUSH, end_upload, (204,)),
    Verb("DELETE tag", "DELETE", DELETE, delete_tag, (202,)),
    Verb("DELETE manifest", "DELETE", DELETE, delete_manifest, (202,)),
    Verb("DELETE blob", "DELETE", DELETE, delete_blob, (202,)),
    Verb("API tags", "GET", PULL, lambda case: Request(api(case, "tags")), (200,)),
    Verb("API tag", "GET", PULL, lambda case: Request(api(case, "tags/v1")), (200,)),
    Verb("API manifest", "GET", PULL, lambda case: Request(api(case, "manifests/v1")), (200,)),
    Verb("API DELETE tag", "DELETE", DELETE, delete_tag_by_api, (200,)),
)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    listed = htpasswd_line("hank") + htpasswd_line("ivan")
    with house(RULES, htpasswd=listed, LIMITS_FAILED_SIGN_INS="1000000") as opened:
        world = World(opened)
        world.populate()
        yield world


every_guest = pytest.mark.parametrize("guest", list(_guests()), ids=lambda guest: f"{guest.role} by {guest.way}")


@every_guest
def test_everyone_may_do_what_the_policy_says_and_nothing_else(world: World, guest: Guest) -> None:
    """S14. A refusal is 401 where other credentials might help, else 403; and it changes nothing."""
    wrong = []
    for kind, name in [*KINDS.items(), *ABSENT.items()]:
        if guest.subject is None and kind != "public":
            continue  # each check of a password takes its time, and all of them end alike
        for verb in VERBS:
            name_ = name if kind in KINDS else f"{name}-{world.number()}"
            header = world.header(guest, name_ if guest.subject or kind in KINDS else SOURCE)
            told = problem(Case(world, guest, name_, header), verb)
            if told:
                wrong.append(f"{verb.name} {name_} ({kind}): {told}")
    assert not wrong, "\n".join(wrong)


def problem(case: Case, verb: Verb) -> str:
    """Does it, and says what is wrong with the outcome."""
    world, may = case.world, verb.action in case.guest.may(case.name)
    request = verb.request(case)
    before = _seen(world, request)
    answer = world.ask(case.header, verb.method, request.path, request.body, request.content_type)
    if may:
        if answer.status in REFUSED:
            return f"{answer.status}, and {in_order(case.guest.may(case.name))} is allowed"
        return f"{answer.status}" if case.present and answer.status not in verb.success else ""
    due = 403 if case.guest.shows_account else 401
    if answer.status != due:
        return f"{answer.status}, not {due}; {in_order(case.guest.may(case.name))} is allowed"
    if len(answer.every("WWW-Authenticate")) != (due == 401):
        return f"{due} with WWW-Authenticate: {answer.every('WWW-Authenticate')}"
    if answer.every("Location") or answer.every("Docker-Content-Digest"):
        return "the refusal tells of content"
    after = _seen(world, request)
    return "" if before == after else f"refused, and done all the same: {before} became {after}"


def _seen(world: World, request: Request) -> tuple[int, list[str]]:
    if not request.watched:
        return 0, []
    method = "GET" if "/uploads/" in request.watched else "HEAD"
    answer = world.admin.request(method, request.watched)
    return answer.status, answer.every("Range")


@every_guest
@pytest.mark.parametrize("path", ["/v2/_catalog", "/api/v1/repositories"])
def test_lists_hold_what_may_be_read_and_nothing_else(world: World, guest: Guest, path: str) -> None:
    """S14. A token of the token service must be for the catalog too."""
    answer = world.ask(world.header(guest), "GET", path)
    if guest.subject is None or guest.way == "narrow":
        assert answer.status == 401, answer
        return
    assert answer.status == 200, answer
    document = answer.json()
    listed = document["repositories"] if path == "/v2/_catalog" else [item["name"] for item in document["items"]]
    everything = _all_names(world.admin)
    assert set(KINDS.values()) <= set(everything)
    assert listed == [name for name in everything if guest.may_list(name)]
    if path != "/v2/_catalog":
        assert document["total"] == len(listed)
        expected = {name: in_order(guest.may(name)) for name in listed}
        told = {item["name"]: item["actions"] for item in document["items"]}
        if guest.way != "jwt":  # which was asked for one repository
            assert told == expected


@every_guest
@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/audit"])
def test_what_is_no_repositorys_is_for_admins(world: World, guest: Guest, path: str) -> None:
    """S14. A token of the token service or of limited scope does not make an admin; so there is none to ask for."""
    answer = world.ask(world.header(guest), "GET", path)
    is_admin = guest.role == "admin" and guest.way in ("basic", "bearer")
    nobody = guest.subject is None or guest.way == "nothing"
    assert answer.status == (200 if is_admin else 401 if nobody else 403), answer


@every_guest
def test_everyone_may_ask_who_they_are(world: World, guest: Guest) -> None:
    """S14. Only wrong credentials are refused."""
    answer = world.ask(world.header(guest), "GET", "/api/v1/me")
    assert answer.status == (401 if guest.subject is None else 200), answer
    if guest.subject is not None:
        told = answer.json()
        assert told["account"] == (guest.subject.name or None)
        assert told["admin"] == (guest.role == "admin" and guest.way in ("basic", "bearer"))
        assert told["groups"] == sorted(guest.subject.groups)
        assert (told["token"] or {}).get("scopes", []) == [str(scope) for scope in guest.scopes]


@every_guest
def test_the_base_asks_those_to_sign_in_who_have_not(world: World, guest: Guest) -> None:
    """S14. Clients look there first."""
    answer = world.ask(world.header(guest), "GET", "/v2/")
    assert answer.status == (401 if guest.subject is None or guest.way == "nothing" else 200), answer


def _all_names(admin: Client) -> list[str]:
    names = admin.get("/v2/_catalog").json()["repositories"]
    assert isinstance(names, list)
    return names
