"""The commands for accounts: what they print, what they refuse in one line, and what stays in the audit log."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orlop.cli import main

PASSWORD = "correct horse\n"


class Orlop:
    """The command, on one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.environment: dict[str, str | None] = {"ORLOP_CONFIG": ""}

    def ask(self, *words: str, stdin: str = "") -> Result:
        return CliRunner().invoke(main, [*words, "--data", str(self.data)], input=stdin, env=self.environment)

    def run(self, *words: str, stdin: str = "") -> str:
        result = self.ask(*words, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def items(self, *words: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = json.loads(self.run(*words, "--json"))["items"]
        return items

    def refusal(self, *words: str, stdin: str = "") -> str:
        result = self.ask(*words, stdin=stdin)
        assert result.exit_code in (1, 2), result.output
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        return line


@pytest.fixture
def orlop(tmp_path: Path) -> Orlop:
    orlop = Orlop(tmp_path / "data")
    orlop.run("user", "create", "alice", "--admin", "--password-file", "-", stdin=PASSWORD)
    orlop.run("user", "create", "ci", "--robot")
    orlop.run("group", "create", "dev")
    return orlop


def test_accounts(orlop: Orlop) -> None:
    alice, ci = orlop.items("user", "list")
    assert (alice["name"], alice["kind"], alice["admin"], alice["disabled_at"]) == ("alice", "person", True, None)
    assert (ci["name"], ci["kind"], ci["admin"], ci["groups"]) == ("ci", "robot", False, [])
    orlop.run("user", "disable", "ci")
    assert orlop.items("user", "list")[1]["disabled_at"] is not None
    orlop.run("user", "enable", "ci")
    assert orlop.items("user", "list")[1]["disabled_at"] is None
    orlop.run("user", "password", "alice", "--password-file", "-", stdin="another password\n")
    orlop.run("user", "delete", "ci")
    table = orlop.run("user", "list")
    assert "alice" in table
    assert "ci " not in table


def test_groups(orlop: Orlop) -> None:
    orlop.run("group", "add", "dev", "alice", "ci")
    assert orlop.items("group", "list") == [{"name": "dev", "members": ["alice", "ci"]}]
    assert orlop.items("user", "list")[0]["groups"] == ["dev"]
    orlop.run("group", "remove", "dev", "ci")
    assert "alice" in orlop.run("group", "list")
    orlop.run("group", "delete", "dev")
    assert orlop.items("group", "list") == []


def test_tokens_are_shown_once(orlop: Orlop) -> None:
    secret = orlop.run("token", "create", "ci", "--scope", "team/*:push", "--days", "3", "--note", "builds").strip()
    assert re.fullmatch(r"orlop_[0-9a-f]{40}", secret)
    (token,) = orlop.items("token", "list")
    assert (token["account"], token["kind"], token["note"]) == ("ci", "access", "builds")
    assert token["scopes"] == ["team/*:pull,push"]
    assert token["expires_at"] is not None
    assert token["last_used_at"] is None
    assert secret not in orlop.run("token", "list")
    made = json.loads(orlop.run("token", "create", "alice", "--json"))
    assert made["token"] != secret
    assert [item["id"] for item in orlop.items("token", "list", "alice")] == [made["id"]]
    orlop.run("token", "delete", made["id"])
    assert orlop.items("token", "list", "alice") == []


def test_a_password_may_come_from_a_file(orlop: Orlop, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    orlop.run("user", "create", "bob", "--password-file", str(tmp_path / "password"))
    assert [item["name"] for item in orlop.items("user", "list")] == ["alice", "bob", "ci"]


@pytest.mark.parametrize(
    ("words", "stdin", "told"),
    [
        (("user", "create", "alice", "--password-file", "-"), PASSWORD, "there is an account alice already"),
        (("user", "create", "Alice", "--password-file", "-"), PASSWORD, "cannot be a name"),
        (("user", "create", "bob", "--password-file", "-"), "short\n", "too short"),
        (("user", "create", "bob", "--password-file", "-"), "", "too short"),
        (("user", "create", "bob"), "", "use --password-file"),
        (("user", "create", "bob", "--password-file", "/nowhere"), "", "/nowhere: No such file"),
        (("user", "create", "bot", "--robot", "--password-file", "-"), PASSWORD, "a robot has no password"),
        (("user", "password", "ci", "--password-file", "-"), PASSWORD, "orlop token create ci"),
        (("user", "delete", "nobody"), "", "orlop user list"),
        (("user", "disable", "nobody"), "", "there is no account nobody"),
        (("group", "create", "dev"), "", "there is a group dev already"),
        (("group", "add", "ops", "alice"), "", "there is no group ops"),
        (("group", "add", "dev", "nobody"), "", "there is no account nobody"),
        (("group", "delete", "ops"), "", "there is no group ops"),
        (("token", "create", "nobody"), "", "there is no account nobody"),
        (("token", "create", "ci", "--scope", "team"), "", "is no scope: write PATTERN:ACTIONS"),
        (("token", "create", "ci", "--scope", "team/*:fly"), "", "is no action"),
        (("token", "create", "ci", "--days", "0"), "", "--days"),
        (("token", "delete", "absent"), "", "there is no token absent"),
        (("access", "explain", "alice", "Not/A/Name"), "", "invalid repository name"),
        (("audit", "--since", "yesterday"), "", "yesterday is no time"),
    ],
)
def test_mistakes_are_one_line_with_the_remedy(orlop: Orlop, words: tuple[str, ...], stdin: str, told: str) -> None:
    assert told in orlop.refusal(*words, stdin=stdin)


def test_what_is_allowed_is_explained(orlop: Orlop) -> None:
    assert "everyone may do everything" in orlop.run("access", "explain", "alice", "a/b")
    orlop.environment |= {
        "ORLOP_ACCESS_MODE": "accounts",
        "ORLOP_ACCESS_RULES": "anyone may pull on public/**; group:dev may push on team/*",
    }
    orlop.run("group", "add", "dev", "ci")
    told = orlop.run("access", "explain", "ci", "team/app")
    assert told.splitlines() == [
        'pull    yes  rule 2, "group:dev may push on team/*"',
        'push    yes  rule 2, "group:dev may push on team/*"',
        "delete  no   no rule allows it",
    ]
    assert "alice is an admin" in orlop.run("access", "explain", "alice", "team/app")
    assert 'pull    yes  rule 1, "anyone may pull on public/**"' in orlop.run("access", "explain", "anyone", "public/x")
    assert "no such account" in orlop.run("access", "explain", "nobody", "public/x")
    orlop.run("user", "disable", "ci")
    document = json.loads(orlop.run("access", "explain", "ci", "team/app", "--json"))
    assert [decision["allowed"] for decision in document["decisions"]] == [False] * 3


def test_keys_are_rotated(orlop: Orlop) -> None:
    first, second = orlop.run("token", "rotate-keys"), orlop.run("token", "rotate-keys")
    assert first != second


def test_what_was_done_is_in_the_audit_log(orlop: Orlop) -> None:
    orlop.run("group", "add", "dev", "ci")
    found = orlop.items("audit")
    assert [item["action"] for item in found] == ["group.add", "group.create", "account.create", "account.create"]
    assert found[0]["address"] == "command line"
    assert [item["object"] for item in orlop.items("audit", "--action", "account")] == ["ci", "alice"]
    assert len(orlop.items("audit", "-n", "2")) == 2
    assert orlop.items("audit", "--since", "2999-01-01") == []
    assert "group.add" in orlop.run("audit")
    assert "correct horse" not in orlop.run("audit", "--json")


def test_accounts_are_of_no_use_while_the_registry_is_open(orlop: Orlop) -> None:
    result = orlop.ask("user", "create", "bob", "--robot")
    assert "once access.mode is accounts" in result.stderr
    orlop.environment |= {"ORLOP_ACCESS_MODE": "accounts"}
    assert "access.mode" not in orlop.ask("user", "create", "bot", "--robot").stderr


def test_a_registry_in_memory_has_no_accounts_to_manage(orlop: Orlop) -> None:
    orlop.environment |= {"ORLOP_STORAGE_URL": "memory:"}
    assert "in memory" in orlop.refusal("user", "list")
