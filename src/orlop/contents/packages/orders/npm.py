"""The order of npm: Semantic Versioning, with a `v` or `=` in front let pass as npm does."""

from typing import Any

from orlop.contents.packages.orders import semver


def key(version: str) -> tuple[Any, ...]:
    return semver.key(version.lstrip("=v"))
