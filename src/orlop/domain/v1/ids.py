"""Ids of v1 images."""

import re
from typing import Self

from orlop.domain.errors import ImageUnknown

_ID = re.compile(r"[0-9a-f]{64}|[0-9a-f]{16}")


class ImageId(str):
    """A checked id: 64 digits of lower-case hex, or 16, which early clients made. Made by `parse` only."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """ImageUnknown: no image has such an id. It becomes a path, so nothing else may pass."""
        if _ID.fullmatch(text) is None:
            raise ImageUnknown("Invalid image ID")
        return cls(text)
