"""Headers become grants, are remembered, and are forgotten when anything changes."""

import base64
import os
import time
from pathlib import Path
from typing import Any

import pytest

from orlop.auth import passwords
from orlop.auth import sign_in as module
from orlop.auth.access import Access
from orlop.auth.grants import Grants
from orlop.auth.sign_in import parse_header
from orlop.auth.token_service import parse_scopes
from orlop.database.engine import Database
from orlop.domain.access import Rule, Scope
from orlop.domain.errors import AccountInvalid, AccountUnknown, TooManyRequests, Unauthorized
from tests.unit.auth.conftest import OPERATOR, PASSWORD


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def check(access: Access, header: str, address: str = "192.0.2.1") -> Grants:
    return access.sign_in.check(parse_header(header), header, address)


def refused(access: Access, header: str, address: str = "192.0.2.1") -> bool:
    with pytest.raises(Unauthorized):
        check(access, header, address)
    return access.sign_in.known(header) is None


def bearer(access: Access, grants: Grants, *scopes: str) -> str:
    return f"Bearer {access.tokens.issue(grants, parse_scopes(scopes)).token}"


def forged(access: Access, /, **claims: Any) -> str:
    """A token with the registry's own signature and other claims."""
    now = int(time.time())
    usual = {"iss": "registry.example.com", "aud": "registry.example.com", "sub": "alice", "access": []}
    signer = access.sign_in._signer
    return f"Bearer {signer.sign({**usual, 'iat': now, 'nbf': now, 'exp': now + 60, **claims})}"


def test_a_password_is_checked_once_and_remembered(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    header = basic("alice", PASSWORD)
    assert access.sign_in.known(header) is None
    grants = check(access, header)
    assert grants.subject.name == "alice"
    assert access.sign_in.known(header) is grants
    monkeypatch.setattr(module, "REMEMBERED", -1.0)
    assert check(access, basic("root", PASSWORD)).admin
    assert access.sign_in.known(basic("root", PASSWORD)) is None  # its time was over at once


@pytest.mark.parametrize(
    "header",
    [
        basic("alice", "wrong"), basic("alice", ""), basic("nobody", PASSWORD), basic("ci", PASSWORD), basic("ci", ""),
        basic("alice", PASSWORD + "\0"), basic("alice", "x" * 5000), basic("Alice", PASSWORD), basic("harry", "wrong"),
        "Bearer orlop_" + "0" * 40, "Bearer x", "Bearer a.b.c", basic("alice", "orlop_" + "0" * 40),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(access: Access, header: str) -> None:
    assert refused(access, header)


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !", "Basic " + base64.b64encode(b"alice").decode(), "Digest x", "Bearer ", "Bearer"]
)
def test_what_is_no_header(header: str) -> None:
    with pytest.raises(Unauthorized):
        parse_header(header)


def test_an_account_of_the_htpasswd_file(access: Access, htpasswd: Path) -> None:
    access.accounts.join(OPERATOR, "dev", "harry")
    grants = check(access, basic("harry", PASSWORD))
    assert grants.subject.groups == {"dev"}
    # A local account of that name takes its place, disabled or not.
    access.accounts.create(OPERATOR, "harry", "another password")
    access.sign_in.look()
    assert refused(access, basic("harry", PASSWORD))
    check(access, basic("harry", "another password"))
    access.accounts.delete(OPERATOR, "harry")
    access.sign_in.look()
    check(access, basic("harry", PASSWORD))
    htpasswd.write_text("# nobody\n")
    access.sign_in.look()
    assert refused(access, basic("harry", PASSWORD))


def test_a_htpasswd_file_that_breaks_stays_as_it_was(access: Access, htpasswd: Path) -> None:
    htpasswd.write_text("harry:plain text\n")
    access.sign_in.look()
    check(access, basic("harry", PASSWORD))
    os.unlink(htpasswd)
    access.sign_in.look()
    access.sign_in.forget()
    check(access, basic("harry", PASSWORD))


def test_a_disabled_account_can_do_nothing(access: Access) -> None:
    header, token = basic("alice", PASSWORD), access.accounts.create_token(OPERATOR, "alice").secret
    headers = [
        header,
        basic("alice", token),
        f"Bearer {token}",
        bearer(access, check(access, header), "repository:alice/x:pull"),
    ]
    for each in headers:
        check(access, each)
    access.accounts.set_disabled(OPERATOR, "alice", disabled=True)
    access.sign_in.look()
    for each in headers:
        assert access.sign_in.known(each) is None
        assert refused(access, each)
    access.accounts.set_disabled(OPERATOR, "alice", disabled=False)
    access.sign_in.look()
    for each in headers:
        check(access, each)


def test_a_token_has_its_scopes_and_its_end(access: Access) -> None:
    made = access.accounts.create_token(OPERATOR, "ci", scopes=(Scope.parse("team/app:pull"),), lifetime=60_000)
    header = basic("ci", made.secret)
    grants = check(access, header)
    assert grants.actions("team/app") == {"pull"}
    assert grants.actions("team/other") == frozenset()
    assert refused(access, basic("alice", made.secret))  # somebody else's name
    # What is made of it has its scopes too, and ends with it.
    signed = bearer(access, grants, "repository:team/app:pull,push", "repository:team/other:pull")
    assert check(access, signed).actions("team/app") == {"pull"}
    assert check(access, signed).actions("team/other") == frozenset()
    access.accounts.delete_token(OPERATOR, made.token.id)
    access.sign_in.look()
    assert refused(access, header)
    assert refused(access, signed)


def test_a_token_whose_time_is_over(access: Access) -> None:
    made = access.accounts.create_token(OPERATOR, "ci", lifetime=-1)
    assert refused(access, f"Bearer {made.secret}")


def test_uses_of_tokens_are_recorded(access: Access) -> None:
    made = access.accounts.create_token(OPERATOR, "ci")
    check(access, f"Bearer {made.secret}")
    assert access.sign_in.flush() == 1
    (token,) = access.accounts.tokens("ci")
    assert token.last_used_at is not None
    assert token.last_used_at % 60_000 == 0
    assert access.sign_in.flush() == 0


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "elsewhere"}, {"aud": ["registry.example.com"]}, {"iss": "elsewhere"}, {"exp": 1},
        {"exp": "9999999999"}, {"exp": None}, {"nbf": 9999999999}, {"sub": "nobody"}, {"sub": 1}, {"sub": None},
        {"token": "absent"}, {"token": 1},
    ],
)  # fmt: skip
def test_claims_that_are_wrong(access: Access, claims: dict[str, Any]) -> None:
    assert check(access, forged(access)).subject.name == "alice"
    assert refused(access, forged(access, **claims))


@pytest.mark.parametrize(
    "listed",
    [None, "repository:alice/x:pull", {}, [None], [{"type": "repository"}], [{"type": "repository", "name": "alice/x"}],
     [{"type": "repository", "name": "alice/x", "actions": "pull"}],
     [{"type": "x", "name": "alice/x", "actions": ["pull"]}],
     [{"type": "repository", "name": ["alice/x"], "actions": ["pull"]}],
     [{"type": "repository", "name": "alice/x", "actions": ["*", "admin"]}]],
)  # fmt: skip
def test_access_that_is_none_grants_nothing(access: Access, listed: object) -> None:
    assert check(access, forged(access, access=listed)).actions("alice/x") == frozenset()


def test_a_token_never_begets_more_than_the_policy(access: Access) -> None:
    listed = [{"type": "repository", "name": "bob/x", "actions": ["pull", "push", "delete"]}]
    assert check(access, forged(access, access=listed)).actions("bob/x") == frozenset()
    assert check(access, forged(access, sub="", access=listed)).actions("bob/x") == frozenset()


def test_rules_that_change_count_at_once(access: Access) -> None:
    header = basic("alice", PASSWORD)
    assert check(access, header).actions("new/x") == frozenset()
    access.use((Rule.parse("account:alice may push on new/*"),))
    assert access.sign_in.known(header) is None
    assert check(access, header).actions("new/x") == {"pull", "push"}


def test_wrong_passwords_are_throttled_by_address_and_by_account(access: Access) -> None:
    check(access, basic("alice", PASSWORD), "192.0.2.9")
    for number in range(5):
        assert refused(access, basic("alice", f"wrong {number}"), "192.0.2.1")
    with pytest.raises(TooManyRequests):  # the address
        check(access, basic("root", PASSWORD), "192.0.2.1")
    with pytest.raises(TooManyRequests):  # the account, from another address
        check(access, basic("alice", PASSWORD), "192.0.2.2")
    # Whoever signed in from there before, and whoever has a token, gets on.
    access.sign_in.forget()
    check(access, basic("alice", PASSWORD), "192.0.2.9")
    token = access.accounts.create_token(OPERATOR, "alice").secret
    check(access, basic("alice", token), "192.0.2.1")
    check(access, basic("root", PASSWORD), "192.0.2.2")


def test_keys_are_rotated_with_two_alive(access: Access, database: Database) -> None:
    from orlop.auth.signing import rotate

    grants = check(access, basic("alice", PASSWORD))
    first = bearer(access, grants, "repository:alice/x:pull")
    database.write(rotate)
    access.sign_in.look()
    second = bearer(access, grants, "repository:alice/x:pull")
    assert len(access.tokens.keys()["keys"]) == 2
    assert all("d" not in key for key in access.tokens.keys()["keys"])
    check(access, first)
    check(access, second)
    database.write(rotate)
    access.sign_in.look()
    assert refused(access, first)
    check(access, second)


def test_operators_mistakes_are_told(access: Access) -> None:
    accounts = access.accounts
    with pytest.raises(AccountInvalid, match="already"):
        accounts.create(OPERATOR, "alice", PASSWORD)
    with pytest.raises(AccountInvalid, match="cannot be a name"):
        accounts.create(OPERATOR, "Alice!", PASSWORD)
    for password in ("short", "x" * 2000):
        with pytest.raises(AccountInvalid, match="too"):
            accounts.create(OPERATOR, "new", password)
    with pytest.raises(AccountInvalid, match="robot"):
        accounts.set_password(OPERATOR, "ci", PASSWORD)
    for act in (
        lambda: accounts.delete(OPERATOR, "nobody"),
        lambda: accounts.set_password(OPERATOR, "nobody", PASSWORD),
        lambda: accounts.join(OPERATOR, "dev", "nobody"),
        lambda: accounts.join(OPERATOR, "nothing", "alice"),
        lambda: accounts.delete_group(OPERATOR, "nothing"),
        lambda: accounts.create_token(OPERATOR, "nobody"),
        lambda: accounts.delete_token(OPERATOR, "nothing"),
    ):
        with pytest.raises(AccountUnknown):
            act()
    with pytest.raises(AccountInvalid, match="note"):
        accounts.create_token(OPERATOR, "alice", note="a\nb")


def test_a_new_password_ends_what_was_signed_in_by_the_old_one(access: Access) -> None:
    refresh = access.tokens.refresh_token(OPERATOR, check(access, basic("alice", PASSWORD)), "docker")
    token = access.accounts.create_token(OPERATOR, "alice").secret
    check(access, f"Bearer {refresh}")
    access.accounts.set_password(OPERATOR, "alice", "another password")
    access.sign_in.look()
    assert refused(access, f"Bearer {refresh}")
    assert refused(access, basic("alice", PASSWORD))
    check(access, f"Bearer {token}")


def test_nothing_that_could_be_sent_again_is_kept(access: Access, database: Database, tmp_path: Path) -> None:
    header = basic("alice", PASSWORD)
    secret = access.accounts.create_token(OPERATOR, "alice").secret
    check(access, header)
    assert not any(PASSWORD in repr(key) or header in repr(key) for key in access.sign_in._known)
    database.close()
    content = (tmp_path / "orlop.db").read_bytes()
    assert secret.encode() not in content
    assert PASSWORD.encode() not in content


def test_a_disabled_account_hides_that_of_the_htpasswd_file(access: Access) -> None:
    access.accounts.create(OPERATOR, "harry", "another password")
    access.accounts.set_disabled(OPERATOR, "harry", disabled=True)
    token = access.accounts.create_token(OPERATOR, "harry").secret
    access.sign_in.look()
    for secret in (PASSWORD, "another password", token):
        assert refused(access, basic("harry", secret))
    assert refused(access, f"Bearer {token}")
    assert refused(access, forged(access, sub="harry"))


def test_an_account_of_the_htpasswd_file_has_tokens_as_long_as_it_is_there(access: Access, htpasswd: Path) -> None:
    headers = [
        f"Bearer {access.accounts.create_token(OPERATOR, 'harry').secret}",
        bearer(access, check(access, basic("harry", PASSWORD)), "repository:harry/x:pull"),
    ]
    for header in headers:
        assert check(access, header).subject.name == "harry"
    htpasswd.write_text("# nobody\n")
    access.sign_in.look()
    for header in headers:
        assert refused(access, header)


def test_a_token_of_a_deleted_account(access: Access) -> None:
    headers = [
        f"Bearer {access.accounts.create_token(OPERATOR, 'alice').secret}",
        bearer(access, check(access, basic("alice", PASSWORD)), "repository:alice/x:pull"),
    ]
    access.accounts.delete(OPERATOR, "alice")
    access.sign_in.look()
    for header in headers:
        assert refused(access, header)


def test_groups_count_from_the_next_look_on(access: Access) -> None:
    header = basic("alice", PASSWORD)
    signed = bearer(access, check(access, header), "repository:team/app:push")
    assert check(access, header).actions("team/app") == frozenset()
    access.accounts.join(OPERATOR, "dev", "alice")
    access.sign_in.look()
    assert check(access, header).actions("team/app") == {"pull", "push"}
    assert check(access, signed).actions("team/app") == frozenset()  # it lists nothing
    signed = bearer(access, check(access, header), "repository:team/app:push")
    assert check(access, signed).actions("team/app") == {"pull", "push"}
    access.accounts.leave(OPERATOR, "dev", "alice")
    access.sign_in.look()
    assert check(access, header).actions("team/app") == frozenset()
    assert check(access, signed).actions("team/app") == frozenset()


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(access: Access, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What `access` takes for the time."""
    clock = Clock()
    monkeypatch.setattr(access.sign_in, "_clock", clock)
    return clock


def test_a_password_is_remembered_for_minutes(access: Access, clock: Clock) -> None:
    header = basic("alice", PASSWORD)
    check(access, header)
    clock.now += module.REMEMBERED - 1
    assert access.sign_in.known(header) is not None
    clock.now += 2
    assert access.sign_in.known(header) is None
    check(access, header)
    assert access.sign_in.known(header) is not None


def test_nothing_is_remembered_beyond_the_end_of_its_token(access: Access, clock: Clock) -> None:
    made = access.accounts.create_token(OPERATOR, "ci", lifetime=60_000)
    header = f"Bearer {made.secret}"
    signed = bearer(access, check(access, header), "repository:team/app:pull")
    assert check(access, signed).actions("team/app") == {"pull"}
    clock.now += 50
    assert access.sign_in.known(header) is not None
    assert access.sign_in.known(signed) is not None
    clock.now += 20
    assert access.sign_in.known(header) is None
    assert access.sign_in.known(signed) is None


def test_a_signed_token_is_good_from_its_beginning_to_its_end(access: Access, clock: Clock) -> None:
    now = int(clock.now)
    header = forged(access, nbf=now + 10, exp=now + 20)
    assert refused(access, header)
    clock.now = now + 10
    check(access, header)
    clock.now = now + 19.9
    assert access.sign_in.known(header) is not None
    clock.now = now + 20
    assert refused(access, header)


def test_an_answer_that_a_change_has_overtaken_is_not_remembered(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = basic("alice", PASSWORD)
    verify = passwords.verify

    def slow(hashed: str | None, password: str) -> bool:
        found = verify(hashed, password)
        monkeypatch.undo()
        access.accounts.set_password(OPERATOR, "alice", "another password")
        access.sign_in.look()
        return found

    monkeypatch.setattr(passwords, "verify", slow)
    check(access, header)
    assert access.sign_in.known(header) is None
    assert refused(access, header)


def test_what_is_remembered_is_bounded(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 10)
    headers = [forged(access, jti=str(number)) for number in range(30)]
    for header in headers:
        check(access, header)
        assert access.sign_in.known(header) is not None
        assert len(access.sign_in._known) <= 10


def test_wrong_tokens_keep_nobody_out(access: Access) -> None:
    for number in range(20):
        assert refused(access, f"Bearer orlop_{number:040x}")
        assert refused(access, basic("alice", f"orlop_{number:040x}"))
        assert refused(access, f"Bearer {number}.x.y")
    check(access, basic("alice", PASSWORD))


def test_a_new_account_inherits_nothing_of_its_namesake(access: Access, htpasswd: Path) -> None:
    access.accounts.join(OPERATOR, "dev", "harry")
    made = access.accounts.create_token(OPERATOR, "harry")
    assert check(access, basic("harry", made.secret)).subject.groups == {"dev"}
    htpasswd.write_text("# nobody\n")
    access.sign_in.look()
    access.accounts.create(OPERATOR, "harry", PASSWORD)
    access.sign_in.look()
    assert refused(access, basic("harry", made.secret))
    assert check(access, basic("harry", PASSWORD)).subject.groups == frozenset()


def test_a_signed_token_is_no_later_namesake_s(access: Access) -> None:
    now = int(time.time())
    signed = forged(access, iat=now - 100)
    access.accounts.delete(OPERATOR, "alice")
    access.accounts.create(OPERATOR, "alice", PASSWORD)
    access.sign_in.look()
    assert refused(access, signed)
    assert check(access, forged(access)).subject.name == "alice"
