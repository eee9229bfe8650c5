"""Where a search goes on, as a text that tells nothing.

A search looks at what is in all repositories and tells of those that the caller may read. So where it stopped may be at
something that others must not know of. The key is the index's generation, which nobody is told: where the index was
made anew the old places mean nothing anyway.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Any, TypeVar

import msgspec

from orlop.domain.errors import ParameterInvalid

Position = TypeVar("Position")

LONGEST = 4096
"""Characters of a cursor."""
_SEAL = 16


def seal(key: str, search: str, position: Any) -> str:
    """The same for the same position. `search`: what it is good for, and nothing else."""
    content = msgspec.json.encode(position)
    tag = _tag(key, search, content)
    return base64.urlsafe_b64encode(tag + _mixed(key, tag, content)).decode().rstrip("=")


def unseal(key: str, search: str, text: str, kind: type[Position]) -> Position:
    """ParameterInvalid where `seal` has not made it, of the same key and search."""
    try:
        raw = base64.b64decode(text[:LONGEST] + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        content = _mixed(key, raw[:_SEAL], raw[_SEAL:])
        if hmac.compare_digest(raw[:_SEAL], _tag(key, search, content)):
            return msgspec.json.decode(content, type=kind)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        pass
    raise ParameterInvalid(
        "the search cannot go on there: take `last` from the page before of the same search, or begin anew",
        detail={"parameter": "last"},
    )


def _tag(key: str, search: str, content: bytes) -> bytes:
    scope = hashlib.blake2b(search.encode(), digest_size=16).digest()
    return hashlib.blake2b(scope + content, digest_size=_SEAL, key=_key(key), person=b"orlop.seal").digest()


def _mixed(key: str, tag: bytes, content: bytes) -> bytes:
    """Encrypts and decrypts."""
    stream = b"".join(
        hashlib.blake2b(tag, key=_key(key), salt=number.to_bytes(16, "big"), person=b"orlop.mix").digest()
        for number in range(-(-len(content) // 64))
    )
    return bytes(one ^ other for one, other in zip(content, stream, strict=False))


def _key(key: str) -> bytes:
    return key.encode()[:64]
