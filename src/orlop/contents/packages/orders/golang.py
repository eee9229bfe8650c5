"""The order of Go's modules: Semantic Versioning with a `v` in front; of Go itself also `1.21rc2`."""

import re
from typing import Any

from orlop.contents.packages.orders import semver

_BEFORE = re.compile(r"([0-9]+\.[0-9]+)(beta|rc)([0-9]+)")


def key(version: str) -> tuple[Any, ...]:
    bare = version.removeprefix("go").removeprefix("v")
    if before := _BEFORE.fullmatch(bare):
        bare = f"{before[1]}.0-{before[2]}.{before[3]}"
    return semver.key(bare)
