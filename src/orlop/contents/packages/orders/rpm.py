"""The order of rpm: the epoch, then the version, then the release.

A version is cut into numbers and words; whatever stands between them only separates. A number is newer than a word, and
what goes on is newer than what ends; but `~` is older than the end, and `^` is newer than the end and older than all
else.
"""

import re
from typing import Any

_PARTS = re.compile(r"(?P<number>[0-9]+)|(?P<word>[A-Za-z]+)|(?P<tilde>~)|(?P<caret>\^)")

_TILDE, _END, _CARET, _WORD, _NUMBER = range(5)


def key(version: str) -> tuple[Any, ...]:
    epoch, rest = _without_epoch(version)
    upstream, _, release = rest.partition("-")
    return epoch, _parts(upstream), _parts(release)


def comparable(version: str, other: str) -> tuple[str, str]:
    """Both without release where one has none: a version alone stands for all its releases."""
    if ("-" in version) != ("-" in other):
        return version.partition("-")[0], other.partition("-")[0]
    return version, other


def _without_epoch(version: str) -> tuple[int, str]:
    epoch, colon, rest = version.partition(":")
    if colon and epoch.isascii() and epoch.isdigit():
        return int(epoch), rest
    return 0, version


def _parts(text: str) -> tuple[Any, ...]:
    return (*(_part(match) for match in _PARTS.finditer(text)), (_END,))


def _part(match: re.Match[str]) -> tuple[Any, ...]:
    if match["number"]:
        return _NUMBER, int(match["number"])
    if match["word"]:
        return _WORD, match["word"]
    return (_TILDE,) if match["tilde"] else (_CARET,)
