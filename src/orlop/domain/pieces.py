"""A stream that comes in pieces of any size, cut as it is asked for."""

from collections.abc import Iterable


class Pieces:
    """Holds one piece at a time."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")
        self._begin = 0  # of the piece
        self._at = 0  # in the piece

    @property
    def offset(self) -> int:
        """Bytes that were given or skipped."""
        return self._begin + self._at

    def portion(self, most: int) -> memoryview:
        """From one byte to `most`; none at the end."""
        while self._at == len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                return memoryview(b"")
            self._begin += self._at
            self._piece, self._at = memoryview(piece), 0
        portion = self._piece[self._at : self._at + most]
        self._at += len(portion)
        return portion

    def exactly(self, size: int) -> bytes:
        """`size` bytes; fewer at the end only."""
        portion = self.portion(size) if size else memoryview(b"")
        if len(portion) == size or not portion:
            return bytes(portion)
        parts = bytearray(portion)
        while len(parts) < size and (portion := self.portion(size - len(parts))):
            parts += portion
        return bytes(parts)

    def drain(self) -> None:
        """Read on to the end."""
        while self.portion(1 << 30):
            pass
