"""Patterns, rules and scopes: what they match, and what is refused."""

import re
import sqlite3
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.access import (
    EVERYTHING,
    NO_REPOSITORY,
    PULL,
    AccountName,
    Pattern,
    Rule,
    Scope,
    any_of,
    both,
    closed,
)

PARTS = st.sampled_from(["a", "b", "ab", "a-b", "a.b", "a_b", "axb"])
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
PATTERN_PARTS = st.sampled_from(["a", "b", "a.b", "*", "a*", "*b", "**", "a*b", "{account}"])
PATTERNS = st.lists(PATTERN_PARTS, min_size=1, max_size=3).map("/".join)


def means(pattern: Sequence[str], name: Sequence[str]) -> bool:
    """Whether the parts match: slowly and plainly."""
    if not pattern or not name:
        return not pattern and not name
    first, *rest = pattern
    if first != "**":
        return part_means(first, name[0]) and means(rest, name[1:])
    if not rest:
        return True
    return any(means(rest, name[number:]) for number in range(len(name)))


def part_means(pattern: str, part: str) -> bool:
    if pattern == "":
        return part == ""
    if pattern[0] == "*":
        # A part that is `*` alone stands for a part, and none is empty.
        return part_means(pattern[1:], part) or (part != "" and part_means(pattern, part[1:]))
    return part != "" and part[0] == pattern[0] and part_means(pattern[1:], part[1:])


@given(PATTERNS, NAMES)
def test_a_pattern_means_what_its_parts_mean(text: str, name: str) -> None:
    expected = means(text.replace("{account}", "ab").split("/"), name.split("/"))
    assert Pattern.parse(text).matches(name, "ab") == expected


@given(st.lists(PATTERNS, max_size=3), st.lists(PATTERNS, max_size=3), NAMES)
def test_expressions_are_joined_rightly(first: list[str], second: list[str], name: str) -> None:
    def expression(texts: list[str]) -> str:
        return any_of(Pattern.parse(text).expression("ab") or NO_REPOSITORY for text in texts)

    def matches(texts: list[str]) -> bool:
        return any(Pattern.parse(text).matches(name, "ab") for text in texts)

    joined = both(expression(first), expression(second))
    assert (not joined or re.search(joined, name) is not None) == (matches(first) and matches(second))


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("**", "a/b/c", True),
        ("team/**", "team/a", True),
        ("team/**", "team/a/b", True),
        ("team/**", "team", False),
        ("team/**", "teams/a", False),
        ("team/*", "team/a/b", False),
        ("**/app", "app", True),
        ("**/app", "a/b/app", True),
        ("**/app", "a/myapp", False),
        ("a.b", "axb", False),
        ("a_b", "axb", False),
        ("*", "a", True),
        ("*", "a/b", False),
    ],
)
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    assert Pattern.parse(pattern).matches(name, "") == expected


def test_nobody_owns_the_namespace_of_an_account() -> None:
    assert Pattern.parse("{account}/**").expression("") is None
    assert not Pattern.parse("{account}/**").matches("/a", "")
    # Names of htpasswd files may hold what an expression would understand.
    assert not Pattern.parse("{account}/**").matches("anybody/a", ".*")


@pytest.mark.parametrize(
    "text",
    ["", "/", "a//b", "A", "a b", "a**", "**b", "a/{accounts}", "[a]", "a?", "a*a*a*a*", "**/**/**/**", "a" * 300, "ä"],
)
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError):
        Pattern.parse(text)


def test_pushing_and_deleting_include_pulling() -> None:
    assert closed([]) == frozenset()
    assert closed(["delete"]) == {"delete", PULL}
    assert Rule.parse("anyone may all on **").actions == EVERYTHING
    assert (
        Rule.parse("  signed-in   may push,delete on {account}/** ").text == "signed-in may push,delete on {account}/**"
    )


@pytest.mark.parametrize(
    "text",
    [
        "", "anyone", "anyone may on a", "everyone may pull on a", "account: may pull on a", "anyone may pull a",
        "anyone may pull, on a", "anyone may pull and push on a", "group:x may all, pull on a", "anyone may pull on A",
    ],
)  # fmt: skip
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError):
        Rule.parse(text)


def test_scopes_are_written_as_they_are_read() -> None:
    for text in ("team/*:pull,push", "**:pull", "a/b:pull,push,delete"):
        assert str(Scope.parse(text)) == text
    assert str(Scope.parse("a:push")) == "a:pull,push"
    for text in ("", "a", "a:", ":pull", "a:b:pull", "a:*"):
        with pytest.raises(ValueError):
            Scope.parse(text)


def test_names_of_accounts_may_stand_in_repositories() -> None:
    for text in ("alice", "ci-builds", "a.b_c", "0"):
        assert AccountName.parse(text) == text
    for text in ("", "Alice", "a/b", "a:b", "-a", "a-", "a..b", "a b", "ä", "a" * 65, "a\n"):
        with pytest.raises(ValueError):
            AccountName.parse(text)


def test_sqlite_is_told_how_to_compare() -> None:
    """Without a function of that name the statement itself fails; the engine gives it one."""
    with pytest.raises(sqlite3.OperationalError):
        sqlite3.connect(":memory:").execute("SELECT 'a' REGEXP 'a'")
