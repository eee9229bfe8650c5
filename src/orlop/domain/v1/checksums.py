"""Checksums of v1 images: of the JSON together with the layer as it was sent, or with what is in its archive."""

import hashlib
import re
from typing import NamedTuple

from orlop.domain.errors import ImageInvalid

PAYLOAD = "sha256"
TARSUMS = ("tarsum+sha256", "tarsum.v1+sha256", "tarsum.dev+sha256")

_CHECKSUM = re.compile(r"([a-z0-9.+]{1,40}):([0-9a-f]{64})")


class Checksum(NamedTuple):
    label: str
    """`sha256`, or one of TARSUMS."""
    hex: str

    def __str__(self) -> str:
        return f"{self.label}:{self.hex}"


def parse_checksum(text: str) -> Checksum:
    """ImageInvalid: it is of another form, or of a kind that is not known."""
    found = _CHECKSUM.fullmatch(text.strip())
    if found is None or found[1] not in (PAYLOAD, *TARSUMS):
        raise ImageInvalid("Invalid checksum format")
    return Checksum(found[1], found[2])


class PayloadChecksum:
    """Of the JSON, a line end, and the layer's bytes as they were sent."""

    def __init__(self, image_json: bytes) -> None:
        self._hasher = hashlib.sha256(image_json + b"\n")

    def update(self, piece: bytes) -> None:
        self._hasher.update(piece)

    def __str__(self) -> str:
        return f"{PAYLOAD}:{self._hasher.hexdigest()}"
