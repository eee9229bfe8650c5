"""Rules that let go of what nothing else keeps."""

from collections.abc import Iterable
from typing import NamedTuple

from orlop.domain.access import ACCOUNT, Pattern


class Retention(NamedTuple):
    """For repositories that match: how long a manifest stays that no tag, index or subject keeps."""

    pattern: Pattern
    untagged: float | None
    """Seconds since it was last pushed, pulled, or let go of by a tag; None: it stays."""
    text: str
    """As it was written."""


def parse_pattern(text: str) -> Pattern:
    """ValueError says what is wrong."""
    pattern = Pattern.parse(text)
    if ACCOUNT in pattern.text:
        raise ValueError(f"{text!r}: a rule of retention is nobody's, so {ACCOUNT} stands for nothing in it")
    return pattern


def rule_for(rules: Iterable[Retention], repository: str) -> Retention | None:
    """The first rule that matches the repository."""
    return next((rule for rule in rules if rule.pattern.matches(repository, "")), None)
