"""The order of what is no version where it stands: numbers by their value, all else by its characters."""

import re
from typing import Any

_PARTS = re.compile(r"([0-9]+)|[^0-9]+")


def key(version: str) -> tuple[Any, ...]:
    return tuple((1, int(part[0]), "") if part[1] else (0, 0, part[0]) for part in _PARTS.finditer(version))
