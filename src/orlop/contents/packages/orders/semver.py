"""The order of Semantic Versioning 2.0, section 11. What follows a `+` does not count.

Parts that are missing are 0, so that `1.2` can be asked for. What is no version is older than all that are.
"""

import re
from typing import Any

from orlop.contents.packages.orders import natural

_VERSION = re.compile(
    r"(?P<major>[0-9]+)(?:\.(?P<minor>[0-9]+))?(?:\.(?P<patch>[0-9]+))?"
    r"(?:-(?P<before>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+.*)?"
)


def key(version: str) -> tuple[Any, ...]:
    match = _VERSION.fullmatch(version)
    if not match:
        return 0, natural.key(version)
    numbers = tuple(int(match[name] or "0") for name in ("major", "minor", "patch"))
    before = match["before"]
    return 1, numbers, not before, tuple(map(_identifier, before.split("."))) if before else ()


def _identifier(text: str) -> tuple[bool, int, str]:
    """Numbers are older than words."""
    return (False, int(text), "") if text.isdigit() else (True, 0, text)
