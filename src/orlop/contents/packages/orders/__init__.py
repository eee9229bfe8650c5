"""Which of two versions is newer, as each ecosystem has it.

A module for each order. Its `key` makes of a version, which may be any text, what Python compares as that ecosystem
compares versions. Versions whose keys are equal count as the same, whatever their texts.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from orlop.contents.packages.orders import apk, dpkg, golang, java, npm, python, rpm

Key = Callable[[str], Any]

_KEYS: dict[str, Key] = {
    "dpkg": dpkg.key,
    "apk": apk.key,
    "rpm": rpm.key,
    "python": python.key,
    "npm": npm.key,
    "golang": golang.key,
    "java": java.key,
}


def key(ecosystem: str) -> Key:
    """What puts versions of `ecosystem` in order, such as `sorted` takes it."""
    return _KEYS[ecosystem]


def compare(ecosystem: str, version: str, other: str) -> int:
    """Below 0 where `version` is older than `other`, 0 where they are the same, above 0 where it is newer."""
    if ecosystem == "rpm":
        version, other = rpm.comparable(version, other)
    first, second = _remembered(ecosystem, version), _remembered(ecosystem, other)
    return int(first > second) - int(first < second)


@lru_cache(maxsize=4096)
def _remembered(ecosystem: str, version: str) -> Any:
    """A question compares one version with many, and many layers have the same ones."""
    return _KEYS[ecosystem](version)
