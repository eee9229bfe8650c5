"""What a person looks for, taken apart: the names that lead to a path, from above down."""

import fnmatch
import re
from functools import lru_cache
from typing import NamedTuple

from orlop.domain.errors import ParameterInvalid

SHORTEST = 3
"""Characters: what is shorter is found nearly everywhere, and the index knows names by three characters each."""
LONGEST = 1000
NAME = "name:"
DIGEST = "sha256:"

_REMEDY = "write three characters or more, name:TEXT for a file of that very name, or a path from / on"
_WILD = re.compile(r"\[!?\]?[^\]/]*\]|[*?]")


class Part(NamedTuple):
    """One name of a path."""

    pattern: re.Pattern[str]
    exact: bytes | None = None
    """The very name, where only that one fits."""
    literal: str = ""
    """Three characters or more that each name holds that fits; a slash stands for its beginning or end.

    Empty where none are known."""

    def fits(self, name: bytes) -> bool:
        if self.exact is not None:
            return name == self.exact
        return self.pattern.search(name.decode(errors="replace")) is not None


class Wanted(NamedTuple):
    """Paths whose last names are like these."""

    parts: tuple[Part, ...]
    anchored: bool = False
    """The first of them is in the root directory."""
    directories: bool = False
    """Nothing else is meant."""
    digest: bytes | None = None
    """Files of this content; then there are no parts."""


@lru_cache(256)
def parse(text: str) -> Wanted:
    """ParameterInvalid says what to write in place of it."""
    if len(text) > LONGEST or "\0" in text:
        raise _refused(f"this is no text to look for: up to {LONGEST} characters")
    if text.startswith(DIGEST):
        return Wanted((), digest=_digest(text))
    if text.startswith(NAME):
        return _named(text.removeprefix(NAME))
    directories = text.endswith("/")
    names = [name for name in text.split("/") if name not in ("", ".")]
    if not names:
        raise _refused(f"{text!r} is too short to look for: {_REMEDY}")
    if _WILD.search(text):
        return _glob(text, names, directories)
    if text.startswith("/"):
        return Wanted(tuple(map(_exact, names)), anchored=True, directories=directories)
    return _substring(text, names, directories)


def _named(name: str) -> Wanted:
    if not name or "/" in name:
        raise _refused("name: is followed by one name, without a slash")
    return Wanted((_exact(name),))


def _digest(text: str) -> bytes:
    digits = text.removeprefix(DIGEST).lower()
    if re.fullmatch(r"[0-9a-f]{64}", digits) is None:
        raise _refused(f"a digest is {DIGEST} and 64 digits, as `orlop files` tells it; this one has {len(digits)}")
    return bytes.fromhex(digits)


def _substring(text: str, names: list[str], directories: bool) -> Wanted:
    """Without a slash the text is in the last name; with one it reaches from the end of a name to within the last."""
    first, *between = names
    if not between:
        parts = [_part(first, end=directories)]
    else:
        *between, last = between
        parts = [_part(first, end=True), *[_part(name, begin=True, end=True) for name in between]]
        parts.append(_part(last, begin=True, end=directories))
    if not any(part.literal for part in parts):
        raise _refused(f"{text!r} is too short to look for: {_REMEDY}")
    return Wanted(tuple(parts), directories=directories)


def _glob(text: str, names: list[str], directories: bool) -> Wanted:
    anchored = text.startswith("/")
    if names[0] == "**":
        names, anchored = names[1:], False
    if "**" in names:
        raise _refused("** stands only at the beginning; * is any part of one name")
    parts = tuple(map(_wild, names))
    # From the root there is a way down where the first name is known.
    if not any(part.literal or part.exact for part in parts):
        raise _refused(f"{text!r} is too short to look for: with * ? and [] go three other characters in a row")
    return Wanted(parts, anchored=anchored, directories=directories)


def _exact(name: str) -> Part:
    return Part(re.compile(""), name.encode(errors="replace"))


def _part(text: str, *, begin: bool = False, end: bool = False) -> Part:
    """Letters in either case. `begin`, `end`: the name begins or ends with the text."""
    pattern = "^" * begin + re.escape(text) + r"\Z" * end
    return Part(re.compile(pattern, re.IGNORECASE), None, _searched("/" * begin + text + "/" * end))


def _wild(name: str) -> Part:
    if not _WILD.search(name):
        return _exact(name)
    literal = max(_WILD.split(f"/{name}/"), key=len)
    return Part(re.compile("^" + fnmatch.translate(name)), None, _searched(literal))


def _searched(text: str) -> str:
    return text if len(text) >= SHORTEST else ""


def _refused(reason: str) -> ParameterInvalid:
    return ParameterInvalid(reason, detail={"parameter": "q"})
