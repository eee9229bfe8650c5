"""What one may do with a repository, and how rules and scopes name repositories: pure, and shared by all that decides.

A pattern is a repository's name in which `*` stands for any text within one part, `**` for any number of parts, and
`{account}` for the name of the account that asks.
"""

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple, Self

PULL, PUSH, DELETE = "pull", "push", "delete"
ACTIONS = (PULL, PUSH, DELETE)

Actions = frozenset[str]

NOTHING: Actions = frozenset()
EVERYTHING: Actions = frozenset(ACTIONS)

ACCOUNT = "{account}"
NO_REPOSITORY = "^$"
"""An expression that no repository's name matches."""

MOST_PATTERN = 255
MOST_STARS = 3
"""With each, an expression takes longer to look at a name that it does not match: with six, half a minute."""
_ACCOUNT_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_WORD = re.compile(r"(?:\{account\}|[a-z0-9*._-])+")
_RULE = re.compile(r"(\S+)\s+may\s+([a-z]+(?:\s*,\s*[a-z]+)*)\s+on\s+(\S+)")
_WHO = ("anyone", "signed-in", "account:NAME", "group:NAME")


def closed(actions: Iterable[str]) -> Actions:
    """These actions, and `pull` with any of them: no client can push or delete what it may not look at."""
    found = frozenset(actions)
    return found | {PULL} if found else found


def in_order(actions: Actions) -> list[str]:
    return [action for action in ACTIONS if action in actions]


class AccountName(str):
    """A checked name of an account or a group, such as `alice` or `ci-builds`. Made by `parse` only."""

    __slots__ = ()

    MOST = 64

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError says what is wrong. A name may stand in a repository's, as the first part of it."""
        if len(text) > cls.MOST or _ACCOUNT_NAME.fullmatch(text) is None:
            raise ValueError(
                f"{text[:80]!r} cannot be a name: up to {cls.MOST} lower-case letters and digits, separated by . _ or -"
            )
        return cls(text)


class Pattern(NamedTuple):
    """Which repositories are meant."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError says what is wrong."""
        parts = text.split("/")
        if not text or len(text) > MOST_PATTERN or not all(_WORD.fullmatch(part) for part in parts):
            raise ValueError(f"{text[:80]!r} is no pattern: write a repository's name, with * ** or {ACCOUNT} in it")
        if any("**" in part and part != "**" for part in parts):
            raise ValueError(f"{text!r}: ** stands for whole parts of a name; write it between slashes")
        if parts.count("**") > MOST_STARS or any(part != "**" and part.count("*") > MOST_STARS for part in parts):
            raise ValueError(f"{text!r} has more than {MOST_STARS} times ** or, in one part, *")
        return cls(text)

    def expression(self, account: str) -> str | None:
        """A regular expression for whole names, the same for Python and PostgreSQL; None where nothing is meant."""
        if ACCOUNT not in self.text:
            return _expression(self.text)
        # A htpasswd file may name an account `**`: what is no part of a repository's name must not act as a pattern.
        return _expression(self.text.replace(ACCOUNT, account)) if _ACCOUNT_NAME.fullmatch(account) else None

    def matches(self, repository: str, account: str) -> bool:
        expression = self.expression(account)
        return expression is not None and _compiled(expression).fullmatch(repository) is not None


@functools.lru_cache(4096)
def _expression(text: str) -> str:
    found = ""
    parts = text.split("/")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            found += ".+" if last else "(?:.+/)?"
            continue
        found += "[^/]+" if part == "*" else "[^/]*".join(re.escape(piece) for piece in part.split("*"))
        found += "" if last else "/"
    return found


@functools.lru_cache(4096)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


def any_of(expressions: Iterable[str]) -> str:
    """One anchored expression for names that match any of these; empty where that is every name."""
    found = list(dict.fromkeys(expressions))
    if ".+" in found:
        return ""
    return f"^(?:{'|'.join(found)})$" if found else NO_REPOSITORY


def both(first: str, second: str) -> str:
    """One anchored expression for names that match both; empty stands for every name."""
    return f"^(?={first.removeprefix('^')}){second.removeprefix('^')}" if first and second else first or second


class Rule(NamedTuple):
    """`WHO may ACTIONS on PATTERN`."""

    who: str
    """`anyone`, `signed-in`, `account:NAME` or `group:NAME`."""
    actions: Actions
    pattern: Pattern
    text: str
    """As it was written."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError says what is wrong."""
        found = _RULE.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text[:120]!r} is no rule: write WHO may ACTIONS on PATTERN")
        who, listed, pattern = found.groups()
        kind, colon, name = who.partition(":")
        if kind in ("account", "group") and colon:
            # Names in a htpasswd file are what they are.
            if not name.isprintable() or not 0 < len(name) <= MOST_PATTERN:
                raise ValueError(f"{who[:80]!r} names no {kind}")
        elif who not in _WHO[:2]:
            raise ValueError(f"{who[:80]!r} is nobody: write {', '.join(_WHO)}")
        return cls(who, parse_actions(listed), Pattern.parse(pattern), " ".join(text.split()))


class Scope(NamedTuple):
    """What a token is good for: `PATTERN:ACTIONS`. It takes away from what its account may do, and adds nothing."""

    pattern: Pattern
    actions: Actions

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError says what is wrong."""
        pattern, colon, listed = text.rpartition(":")
        if not colon:
            raise ValueError(f"{text[:80]!r} is no scope: write PATTERN:ACTIONS, as in team/*:pull,push")
        return cls(Pattern.parse(pattern), parse_actions(listed))

    def __str__(self) -> str:
        return f"{self.pattern.text}:{','.join(in_order(self.actions))}"


def parse_actions(text: str) -> Actions:
    """`pull, push` or `all`. ValueError says what is wrong."""
    listed = [word.strip() for word in text.split(",")]
    if listed == ["all"]:
        return EVERYTHING
    for word in listed:
        if word not in ACTIONS:
            raise ValueError(f"{word[:40]!r} is no action: write {', '.join(ACTIONS)}, or all")
    return closed(listed)
