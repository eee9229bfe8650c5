"""Digests: `algorithm:hex`, the name of content.

Source: the OCI image specification, section Descriptors/Digests; sha256 and sha512 are its registered algorithms.
"""

import hashlib
import re
from typing import Protocol, Self

from orlop.domain.errors import DigestInvalid

ALGORITHMS = {"sha256": 64, "sha512": 128}

# Lower-case hex of the exact length only: the hex becomes a path in the store, and one content must have one name.
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")


class Hasher(Protocol):
    """The part of hashlib's objects that is used here."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...
    def copy(self) -> "Hasher": ...


class Digest(str):
    """A checked digest. Made by `parse`, `of` or `from_hasher` only."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The digest that `text` spells, else DigestInvalid."""
        if _DIGEST.fullmatch(text) is None:
            raise DigestInvalid(_reason(text), detail={"digest": text[:200]})
        return cls(text)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        return cls(f"{algorithm}:{new_hasher(algorithm, content).hexdigest()}")

    @classmethod
    def from_hasher(cls, algorithm: str, hasher: Hasher) -> Self:
        return cls(f"{algorithm}:{hasher.hexdigest()}")

    @property
    def algorithm(self) -> str:
        return self[:6]  # both names are six letters long

    @property
    def hex(self) -> str:
        return self[7:]


def new_hasher(algorithm: str, content: bytes = b"") -> Hasher:
    return hashlib.sha512(content) if algorithm == "sha512" else hashlib.sha256(content)


def parse_algorithm(text: str) -> str:
    """`text` where it names a supported algorithm, else DigestInvalid."""
    if text not in ALGORITHMS:
        raise DigestInvalid(_unsupported(text), detail={"algorithm": text[:200]})
    return text


def is_digest(text: str) -> bool:
    """Whether a reference is meant as a digest: a tag holds no colon."""
    return ":" in text


def _reason(text: str) -> str:
    algorithm, colon, _ = text.partition(":")
    if colon and algorithm not in ALGORITHMS:
        return _unsupported(algorithm)
    return "invalid digest: expected an algorithm, a colon and lower-case hex of its full length"


def _unsupported(algorithm: str) -> str:
    return f"unsupported digest algorithm {algorithm[:40]!r}: use sha256 or sha512"
