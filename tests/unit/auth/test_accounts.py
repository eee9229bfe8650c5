"""What an operator changes holds at once and as a whole, and stands in the audit log without any secret."""

import functools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orlop.auth import accounts as module
from orlop.auth.access import Access
from orlop.auth.accounts import REFRESH, Accounts, scopes_of
from orlop.auth.policy import Subject
from orlop.database import audit, tokens
from orlop.database.audit import Filter
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.pages import LARGEST
from orlop.domain.access import Scope
from orlop.domain.errors import AccountInvalid, AccountUnknown, OrlopError
from tests.unit.auth.conftest import OPERATOR, PASSWORD


def noted(database: Database, skipped: int = 0) -> list[tuple[str, str]]:
    """Actions and their objects in the audit log, the first first."""
    found = audit.page(database.reader(), Filter(), before=LARGEST, count=1000)
    return [(entry.action, entry.object) for entry in reversed(found)][skipped:]


def test_a_subject_is_the_account_as_it_is_now(accounts: Accounts) -> None:
    assert accounts.subject("alice") == Subject("alice")
    assert accounts.subject("root") == Subject("root", admin=True)
    assert accounts.subject("ci") == Subject("ci", frozenset(["dev"]))
    assert accounts.subject("harry") == Subject("harry")  # of the htpasswd file
    assert accounts.subject("nobody") is None
    assert accounts.subject("") is None
    accounts.set_disabled(OPERATOR, "root", disabled=True)
    assert accounts.subject("root") is None
    accounts.set_disabled(OPERATOR, "root", disabled=False)
    assert accounts.subject("root") == Subject("root", admin=True)
    accounts.delete_group(OPERATOR, "dev")
    assert accounts.subject("ci") == Subject("ci")


def test_a_namesake_inherits_nothing(accounts: Accounts, database: Database) -> None:
    made = accounts.create_token(OPERATOR, "ci")
    accounts.create_token(OPERATOR, "ci", kind=REFRESH)
    accounts.delete(OPERATOR, "ci")
    accounts.create(OPERATOR, "ci", PASSWORD)
    assert accounts.subject("ci") == Subject("ci")
    assert accounts.tokens("ci") == []
    assert tokens.by_id(database.reader(), made.token.id) is None


def test_an_account_of_the_htpasswd_file_has_groups_and_tokens_and_stays_the_files(accounts: Accounts) -> None:
    assert accounts.join(OPERATOR, "dev", "harry")
    assert accounts.subject("harry") == Subject("harry", frozenset(["dev"]))
    accounts.create_token(OPERATOR, "harry")
    assert "harry" not in [account.name for account in accounts.every()]
    changes: list[Callable[[], object]] = [
        lambda: accounts.delete(OPERATOR, "harry"),
        lambda: accounts.set_password(OPERATOR, "harry", PASSWORD),
        lambda: accounts.set_disabled(OPERATOR, "harry", disabled=True),
    ]
    for change in changes:
        with pytest.raises(AccountUnknown):
            change()


def test_groups_take_an_account_once(accounts: Accounts, database: Database) -> None:
    before = len(noted(database))
    assert accounts.join(OPERATOR, "dev", "alice")
    assert not accounts.join(OPERATOR, "dev", "alice")
    assert [(group.name, group.members) for group in accounts.groups()] == [("dev", ["alice", "ci"])]
    assert accounts.leave(OPERATOR, "dev", "alice")
    assert not accounts.leave(OPERATOR, "dev", "alice")
    assert noted(database, before) == [("group.add", "dev"), ("group.remove", "dev")]


@pytest.mark.parametrize("name", ["", "Alice", "a/b", "a:b", "**", "{account}", "a" * 65, "a b", "a\n", "-a", "ä"])
def test_names_that_could_not_stand_in_a_repositorys(accounts: Accounts, name: str) -> None:
    with pytest.raises(AccountInvalid):
        accounts.create(OPERATOR, name, PASSWORD)
    with pytest.raises(AccountInvalid):
        accounts.create_group(OPERATOR, name)


def test_every_change_is_noted_with_what_it_was(accounts: Accounts, database: Database) -> None:
    before = len(noted(database))
    accounts.create(OPERATOR, "bob", PASSWORD)
    accounts.set_password(OPERATOR, "bob", "another password")
    accounts.set_disabled(OPERATOR, "bob", disabled=True)
    accounts.set_disabled(OPERATOR, "bob", disabled=False)
    made = accounts.create_token(OPERATOR, "bob", scopes=(Scope.parse("a:pull"),))
    refresh = accounts.create_token(OPERATOR, "bob", kind=REFRESH)
    accounts.delete_token(OPERATOR, made.token.id)
    accounts.create_group(OPERATOR, "ops")
    accounts.delete_group(OPERATOR, "ops")
    accounts.delete(OPERATOR, "bob")
    assert noted(database, before) == [
        ("account.create", "bob"),
        ("account.password", "bob"),
        ("account.disable", "bob"),
        ("account.enable", "bob"),
        ("token.create", made.token.id),
        ("token.sign-in", refresh.token.id),
        ("token.delete", made.token.id),
        ("group.create", "ops"),
        ("group.delete", "ops"),
        ("account.delete", "bob"),
    ]
    found = audit.page(database.reader(), Filter(), before=LARGEST, count=1000)
    assert {entry.address for entry in found} == {OPERATOR.address}
    assert json.loads(next(entry.detail for entry in found if entry.object == made.token.id)) == {"account": "bob"}
    told = json.dumps(found)
    assert not any(secret in told for secret in (PASSWORD, "another password", made.secret, refresh.secret, "argon2"))


@pytest.mark.parametrize(
    "change",
    [
        lambda accounts: accounts.create(OPERATOR, "alice", PASSWORD),
        lambda accounts: accounts.create(OPERATOR, "bob", "short"),
        lambda accounts: accounts.create_group(OPERATOR, "dev"),
        lambda accounts: accounts.set_password(OPERATOR, "ci", PASSWORD),
        lambda accounts: accounts.set_password(OPERATOR, "alice", "short"),
        lambda accounts: accounts.delete(OPERATOR, "nobody"),
        lambda accounts: accounts.delete_group(OPERATOR, "nothing"),
        lambda accounts: accounts.delete_token(OPERATOR, "nothing"),
        lambda accounts: accounts.create_token(OPERATOR, "nobody"),
        lambda accounts: accounts.create_token(OPERATOR, "alice", note="x" * 201),
        lambda accounts: accounts.join(OPERATOR, "nothing", "alice"),
        lambda accounts: accounts.leave(OPERATOR, "nothing", "alice"),
    ],
)
def test_what_is_refused_changes_nothing_and_is_not_noted(
    accounts: Accounts, database: Database, change: Callable[[Accounts], object]
) -> None:
    def state() -> object:
        return accounts.every(), accounts.groups(), accounts.tokens(), noted(database)

    before = state()
    with pytest.raises(OrlopError):
        change(accounts)
    assert state() == before


def test_a_token_is_what_was_asked_for_and_is_not_kept(accounts: Accounts, database: Database, tmp_path: Path) -> None:
    scopes = (Scope.parse("team/*:push"), Scope.parse("{account}/**:all"))
    made = accounts.create_token(OPERATOR, "ci", note="builds", scopes=scopes, lifetime=60_000)
    (kept,) = accounts.tokens("ci")
    assert kept == made.token
    assert scopes_of(kept) == scopes
    assert kept.expires_at == kept.created_at + 60_000
    assert accounts.tokens("alice") == []
    forever = accounts.create_token(OPERATOR, "ci")
    assert (forever.token.expires_at, scopes_of(forever.token)) == (None, ())
    assert forever.secret != made.secret
    database.close()
    for file in tmp_path.glob("orlop.db*"):
        assert made.secret.encode() not in file.read_bytes()


def test_an_account_keeps_its_newest_refresh_tokens(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr(module, "MOST_REFRESH", 3)
    lasting = accounts.create_token(OPERATOR, "alice").token
    other = accounts.create_token(OPERATOR, "root", kind=REFRESH).token
    for number in range(5):
        made = accounts.create_token(OPERATOR, "alice", kind=REFRESH).token
        database.write(functools.partial(made_at, token_id=made.id, at=number))
    newest = accounts.create_token(OPERATOR, "alice", kind=REFRESH).token
    kept = accounts.tokens("alice")
    assert len([token for token in kept if token.kind == REFRESH]) == 3
    assert {lasting.id, newest.id} <= {token.id for token in kept}
    assert accounts.tokens("root") == [other]


def made_at(connection: Connection, token_id: str, at: int) -> None:
    connection.driver.execute("UPDATE tokens SET created_at = ? WHERE id = ?", (at, token_id))  # type: ignore[attr-defined]


def test_tokens_go_a_day_after_their_time(accounts: Accounts) -> None:
    hour, day = 3_600_000, 86_400_000
    accounts.create_token(OPERATOR, "ci", lifetime=-day - hour)
    kept = [
        accounts.create_token(OPERATOR, "ci", lifetime=lifetime).token.id for lifetime in (-day + hour, -hour, 1, None)
    ]
    assert accounts.expire_tokens() == 1
    assert {token.id for token in accounts.tokens("ci")} == set(kept)
    assert accounts.expire_tokens() == 0


def test_others_notice_every_change(access: Access, database: Database) -> None:
    """Another server on the same database, which remembers who has signed in."""
    from tests.unit.auth.test_sign_in import basic, check

    header = basic("root", PASSWORD)
    there = Accounts(database)
    token = there.create_token(OPERATOR, "alice").token.id
    for change in (
        lambda: there.set_password(OPERATOR, "alice", "another password"),
        lambda: there.set_disabled(OPERATOR, "alice", disabled=True),
        lambda: there.create_group(OPERATOR, "ops"),
        lambda: there.join(OPERATOR, "ops", "alice"),
        lambda: there.leave(OPERATOR, "ops", "alice"),
        lambda: there.delete_group(OPERATOR, "ops"),
        lambda: there.delete_token(OPERATOR, token),
        lambda: there.delete(OPERATOR, "alice"),
        lambda: there.create(OPERATOR, "alice", PASSWORD),
    ):
        check(access, header)
        assert access.sign_in.known(header) is not None
        change()
        access.sign_in.look()
        assert access.sign_in.known(header) is None
    check(access, header)
    access.sign_in.look()
    assert access.sign_in.known(header) is not None  # nothing has changed since
