"""Debian's order: the epoch, then the upstream version, then the revision (Debian policy, section 5.6.12).

A version is cut into what has no digits and numbers, in turns. Of what has no digits, `~` comes first, even before the
end, then the end, then letters, then everything else.
"""

import re
from typing import Any

_TURNS = re.compile(r"([^0-9]*)([0-9]*)")


def key(version: str) -> tuple[Any, ...]:
    epoch, colon, rest = version.partition(":")
    if not colon or not (epoch.isascii() and epoch.isdigit()):
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch), _turns(upstream), _turns(revision)


def _turns(text: str) -> tuple[Any, ...]:
    """The last turn is always an empty one: it stands for the end. A revision that is missing is 0."""
    return tuple(
        part
        for match in _TURNS.finditer(text or "0")
        for part in ((*map(_rank, match[1]), _rank("")), int(match[2] or "0"))
    )


def _rank(character: str) -> int:
    if not character:
        return 0
    if character == "~":
        return -1
    return ord(character) if character.isascii() and character.isalpha() else ord(character) + 256
