"""Python's order: PEP 440. What is no version there is older than all that are."""

from typing import Any

from orlop.contents.packages.orders import natural


def key(version: str) -> tuple[Any, ...]:
    # Only here: it is wanted by few.
    from packaging.version import InvalidVersion, Version

    try:
        return 1, Version(version)
    except InvalidVersion:
        return 0, natural.key(version)
