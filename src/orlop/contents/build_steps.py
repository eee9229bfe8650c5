"""The commands of the steps that made an image's layers, from its config."""

from collections.abc import Callable
from functools import lru_cache

from orlop.contents.images import LARGEST_CONFIG
from orlop.database import blobs
from orlop.database.connection import Connection
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, DigestInvalid
from orlop.domain.image_config import layer_steps, parse_image_config

REMEMBERED = 1000
"""Configs."""
LONGEST = 1000
"""Characters of a command that are kept."""


class BuildSteps:
    def __init__(self, read: Callable[[Digest], bytes]) -> None:
        """`read` gives small content. BlobUnknown."""
        self._read = read
        self._parsed = lru_cache(REMEMBERED)(self._parse)

    def of(self, connection: Connection, config: str, layers: int, number: int) -> str | None:
        """The command that made the layer of that number, of `layers` in all; None where nothing tells."""
        try:
            digest = Digest.parse(config)
        except DigestInvalid:
            return None
        record = blobs.record(connection, digest)
        if record is None or record.size > LARGEST_CONFIG:
            return None
        try:
            return self._parsed(digest, layers)[number] or None
        except (BlobUnknown, IndexError):
            return None

    def _parse(self, digest: Digest, layers: int) -> tuple[str, ...]:
        config = parse_image_config(self._read(digest))
        if config is None:
            return ()
        numbers = layer_steps(config, layers)
        made = {number: step for number, step in zip(numbers, config.history, strict=True) if number is not None}
        return tuple(made[number].created_by[:LONGEST] if number in made else "" for number in range(layers))
