"""Reads objects at a pace, piece by piece, whatever their size."""

import errno
import time
from typing import NamedTuple

from orlop.domain.digest import Digest, new_hasher
from orlop.maintenance.pace import Pace
from orlop.storage.base import Storage

GIVEN_OUT = (errno.EIO, errno.EBADMSG, errno.EUCLEAN)
"""Errors of a disk that cannot give the bytes back. Any other says nothing of the object, and ends the scrub."""

PIECE = 256 * 1024
"""Bytes between two pauses: shorter ones would be longer than they should."""
NAME_BYTES = 512
"""No tag and no media type is longer."""


class Content(NamedTuple):
    """What was read of an object."""

    digest: Digest | None
    """None: the disk does not give it back."""
    size: int
    fault: str = ""


class Reading:
    """Counts what it reads."""

    def __init__(self, storage: Storage, pace: Pace) -> None:
        self._storage = storage
        self._pace = pace
        self._owed = 0
        self.bytes = 0
        self.seconds = 0.0

    def content(self, path: str, algorithm: str) -> Content:
        """The digest of all that lies there. FileNotFoundError; Stopped."""
        hasher = new_hasher(algorithm)
        size = 0
        begun = time.monotonic()
        try:
            for piece in self._storage.stream_read(path):
                hasher.update(piece)
                size += len(piece)
                self._spend(len(piece))
        except OSError as error:
            if error.errno not in GIVEN_OUT:
                raise
            return Content(None, size, f"it cannot be read: {error.strerror}")
        finally:
            self.seconds += time.monotonic() - begun
        return Content(Digest.from_hasher(algorithm, hasher), size)

    def name(self, path: str, most: int = NAME_BYTES) -> bytes | None:
        """What a tag or an entry says, cut where no name is longer, or what else is at most that long; None where it is
        not there."""
        try:
            return b"".join(self._storage.stream_read(path, (0, most)))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in GIVEN_OUT:
                raise
            return b""

    def _spend(self, size: int) -> None:
        self.bytes += size
        self._owed += size
        if self._owed >= PIECE:
            owed, self._owed = self._owed, 0
            self._pace.spend(owed)
