"""The checksums that v1 clients send with an image: `label:hex`, always over its JSON and its layer together.

`sha256` is over the bytes as they were sent, `tarsum…` over what the archive in them says (`tarsum.py`).
"""

import hashlib
import re
from typing import Self

from orlop.domain.errors import ChecksumInvalid

PAYLOAD = "sha256"
TARSUM = "tarsum+sha256"
TARSUM_V1 = "tarsum.v1+sha256"
TARSUM_DEV = "tarsum.dev+sha256"

_CHECKSUM = re.compile(rf"(?:{'|'.join(map(re.escape, (PAYLOAD, TARSUM, TARSUM_V1, TARSUM_DEV)))}):[0-9a-f]{{64}}")


class Checksum(str):
    """A checked checksum. Made by `parse` and `of` only; equal where label and hex are."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """The checksum in a header, else ChecksumInvalid."""
        if _CHECKSUM.fullmatch(text) is None:
            raise ChecksumInvalid(detail={"checksum": text[:200]})
        return cls(text)

    @classmethod
    def of(cls, label: str, hex_digest: str) -> Self:
        return cls(f"{label}:{hex_digest}")

    @property
    def label(self) -> str:
        return self[:-65]

    @property
    def hex(self) -> str:
        return self[-64:]


class PayloadChecksum:
    """Counts the checksum of a layer while it arrives: sha256 over the JSON, a line feed, and the bytes as sent."""

    def __init__(self, image_json: bytes) -> None:
        self._hasher = hashlib.sha256(image_json + b"\n")

    def update(self, piece: bytes | bytearray | memoryview) -> None:
        self._hasher.update(piece)

    def checksum(self) -> Checksum:
        """Of what has come so far."""
        return Checksum.of(PAYLOAD, self._hasher.hexdigest())
