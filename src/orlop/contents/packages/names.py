"""When two names are one name, and whether a name fits a pattern.

Small and capital letters are the same everywhere; and Python's `-`, `_` and `.` are, alone or in a row (PEP 503).
"""

import re
from typing import NamedTuple

_SEPARATORS = re.compile(r"[-_.]+")
_FOLD = {ord("_"): "-", ord("."): "-"} | {letter: chr(letter + 32) for letter in range(ord("A"), ord("Z") + 1)}

FOLDED_SQL = "replace(replace(lower({column}), '_', '-'), '.', '-')"
"""`folded` as SQLite computes it: for an index by which the rows of one name are found."""


def folded(name: str) -> str:
    """Equal for all ways to write one name, and for some names that are not the same."""
    return name.translate(_FOLD)


def same(ecosystem: str, name: str) -> str:
    """Equal for all ways to write one name of `ecosystem`, and for no others."""
    return _SEPARATORS.sub("-", name).lower() if ecosystem == "python" else name.lower()


class Pattern(NamedTuple):
    """A name in which `*` stands for any characters."""

    text: str

    @property
    def is_exact(self) -> bool:
        return "*" not in self.text

    @property
    def folded(self) -> str:
        return folded(self.text)

    @property
    def glob(self) -> str:
        """`folded` in the terms of SQLite's GLOB."""
        return re.sub(r"[\[?]", lambda match: f"[{match[0]}]", self.folded)

    def matches(self, ecosystem: str, name: str) -> bool:
        return fits(same(ecosystem, self.text), same(ecosystem, name))


def fits(pattern: str, text: str) -> bool:
    """Takes time in proportion to `text`, however many `*` there are."""
    first, *others = pattern.split("*")
    if not others:
        return text == pattern
    *middle, last = others
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
