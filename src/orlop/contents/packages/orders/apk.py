"""Alpine's order, as apk-tools 3 has it: `number{.number}…{letter}{_suffix{number}}…{~hash}{-rnumber}`.

Where one version ends or goes on otherwise than the other, a suffix for what comes before a release is older than all;
then comes the end, a revision, a hash, a suffix's number, a suffix for what comes after a release, a letter, a number.
"""

import re
from typing import Any

_TOKENS = re.compile(
    r"(?P<number>(?<!.)[0-9]+|\.[0-9]+)|(?P<letter>(?<=[0-9])[a-z])|_(?P<suffix>[a-z]+)(?P<count>[0-9]*)"
    r"|~(?P<hash>[0-9a-f]+)|-r(?P<revision>[0-9]+)",
    re.DOTALL,
)

_BEFORE = {name: rank for rank, name in enumerate(("alpha", "beta", "pre", "rc"))}
_AFTER = {name: rank for rank, name in enumerate(("cvs", "svn", "git", "hg", "p"))}

# In the order in which they may follow each other; numbers and suffixes may be repeated.
_STAGES = {"number": 0, "letter": 1, "suffix": 2, "count": 2, "hash": 3, "revision": 4}

_BEFORE_RELEASE, _END, _REVISION, _HASH, _COUNT, _AFTER_RELEASE, _LETTER, _NUMBER, _OTHER = range(9)


def key(version: str) -> tuple[Any, ...]:
    """What does not fit counts as text, and as newer than all that does."""
    parts: list[Any] = []
    at = stage = 0
    while at < len(version):
        token = _TOKENS.match(version, at)
        parsed = _parsed(token, first=at == 0) if token else []
        if not token or not parsed or not _follows(token, stage):
            return (*parts, (_OTHER, version[at:]))
        stage = _STAGES[token.lastgroup or ""]
        parts += parsed
        at = token.end()
    return (*parts, (_END,))


def _follows(token: re.Match[str], stage: int) -> bool:
    """Whether `token` may come behind one of `stage`."""
    own = _STAGES[token.lastgroup or ""]
    return own > stage or (own == stage and own in (0, 2))


def _parsed(token: re.Match[str], first: bool) -> list[Any]:
    if token["number"]:
        return [(_NUMBER, _number(token["number"].removeprefix("."), first))]
    if token["letter"]:
        return [(_LETTER, token["letter"])]
    if token["hash"]:
        return [(_HASH, token["hash"])]
    if token["revision"]:
        return [(_REVISION, int(token["revision"]))]
    return _suffix(token["suffix"], token["count"])


def _number(digits: str, first: bool) -> tuple[int, int, str]:
    """A number behind a point that begins with a zero is compared as the digits of a fraction."""
    if digits.startswith("0") and not first:
        return 0, 0, digits
    return 1, int(digits), ""


def _suffix(name: str, count: str) -> list[Any]:
    numbers = [(_COUNT, int(count))] if count else []
    if name in _BEFORE:
        return [(_BEFORE_RELEASE, _BEFORE[name]), *numbers]
    return [(_AFTER_RELEASE, _AFTER[name]), *numbers] if name in _AFTER else []
