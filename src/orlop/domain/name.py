"""Names of repositories and tags.

Source: the OCI distribution specification, section Pulling manifests.
"""

import re
from typing import Self

from orlop.domain.digest import Digest, is_digest
from orlop.domain.errors import NameInvalid, TagInvalid

MAX_NAME_LENGTH = 255

# `fullmatch` with these, never `match` with `$`: `$` accepts a trailing newline, which would reach a path.
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


class RepositoryName(str):
    """A checked repository name, such as `team/app/web`. Made by `parse` only."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The name that `text` spells, else NameInvalid."""
        # The length first: it bounds what the expression has to look at.
        if len(text) > MAX_NAME_LENGTH:
            raise NameInvalid(f"repository name is longer than {MAX_NAME_LENGTH} characters")
        if _NAME.fullmatch(text) is None:
            raise NameInvalid(
                "invalid repository name: lower-case letters and digits, separated by one of . _ __ - and by /",
                detail={"name": text},
            )
        return cls(text)


class Tag(str):
    """A checked tag. Made by `parse` only."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The tag that `text` spells, else TagInvalid."""
        if _TAG.fullmatch(text) is None:
            raise TagInvalid(
                "invalid tag: up to 128 letters, digits, _ . and -, beginning with a letter, a digit or _",
                detail={"tag": text[:200]},
            )
        return cls(text)


def parse_reference(text: str) -> Tag | Digest:
    """What follows a repository name: a digest where there is a colon, else a tag."""
    return Digest.parse(text) if is_digest(text) else Tag.parse(text)
