"""A layer's archive, unpacked, and the places in it from which a reader can begin later.

Unpacked as `orlop.domain.compression` does, with its strictness, its limits and its words.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from orlop.contents import inflate
from orlop.contents.limits import Limits
from orlop.contents.toc import Frame
from orlop.domain import compression
from orlop.domain.compression import Format, Unpacker, decompressed, recognized

PIECE = 256 << 10
"""Bytes asked of the source at a time."""

SPACING = 4 << 20
"""The fewest bytes of output between two places to begin. On the way to what it wants, a reader unpacks half of this on
the average, in some 6 ms."""

# A place must weigh little in the table of contents beside the input that it saves. But no reader should have to unpack
# more than FARTHEST, in 0.2 s, where blocks end at all.
_WEIGHT = 64
_FARTHEST = 64 << 20
_OVERHEAD = 64  # bytes for a place in the footer

_LEVEL = 1


class Source(Protocol):
    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


class Checkpoint(NamedTuple):
    """A place in a gzip stream between two blocks."""

    out: int
    """Bytes of output before it."""
    in_: int
    """Bytes of input before it, of which the last is taken only in part where there are bits left."""
    bits: int
    """How many bits of that last byte, its highest, belong to what follows: 0 to 7."""
    window: bytes
    """The last 32 KiB of output of this stream, or all of it where there is less, packed by zlib."""


class Unpacking:
    """Iterate it once, for the unpacked pieces: of up to 1 MiB each.

    LayerInvalid where the layer is damaged or reaches a limit; Unsupported for zstd where its library is not installed;
    what the source raises comes through.
    """

    def __init__(
        self, source: Source, limits: Limits, on_checkpoint: Callable[[Checkpoint], None] | None = None
    ) -> None:
        """`on_checkpoint` takes each checkpoint as it comes, and keeps it; without it they are in `checkpoints`."""
        self.checkpoints: list[Checkpoint] = []
        self.frames: list[Frame] = []
        self.format = Format.PLAIN
        """Known from the first piece on."""
        self.size = 0
        """Bytes read from the source."""
        self.unpacked = 0
        """Bytes given, with the piece that is being given."""
        self._source = source
        self._limits = limits
        self._on_checkpoint = on_checkpoint or self.checkpoints.append
        self._spacing = _Spacing()

    def __iter__(self) -> Iterator[bytes]:
        self.format, pieces = recognized(self._read())
        begin: compression.Begin = self._begin_frame
        if self.format is Format.GZIP and inflate.available():
            begin = _Gunzip(self._spacing, self._on_checkpoint).begin
        for piece in decompressed(pieces, self.format, self._limits.compression, begin):
            self.unpacked += len(piece)
            yield piece

    def _read(self) -> Iterator[bytes]:
        while piece := self._source.read(PIECE):
            self.size += len(piece)
            yield piece

    def _begin_frame(self, taken: int, given: int) -> Unpacker | None:
        if not self._spacing.left(given) and self._spacing.take(taken, given, 0):
            self.frames.append(Frame(given, taken))
        return None


class _Spacing:
    """Decides which places are kept."""

    def __init__(self) -> None:
        self._in = self._out = 0  # of the last one
        self._next = SPACING

    def left(self, given: int) -> int:
        """Bytes of output until the next place is due; 0 where it is."""
        return max(0, self._next - given)

    def take(self, taken: int, given: int, weight: int) -> bool:
        """Whether a place is kept that takes `weight` bytes; if not, none is due for a while."""
        self._next = given + SPACING
        if taken - self._in < (weight + _OVERHEAD) * _WEIGHT and given - self._out < _FARTHEST:
            return False
        self._in, self._out = taken, given
        return True


class _Gunzip:
    """Gzip streams in a row in the terms of `Unpacker`, with checkpoints."""

    def __init__(self, spacing: _Spacing, on_checkpoint: Callable[[Checkpoint], None]) -> None:
        self._inflate = inflate.Inflate()
        self._spacing = spacing
        self._on_checkpoint = on_checkpoint
        self._in = self._out = 0
        self.needs_input = True

    def begin(self, taken: int, given: int) -> Unpacker:
        self._inflate.reset()
        self._in, self._out = taken, given
        return self

    @property
    def eof(self) -> bool:
        return self._inflate.ended

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        """`max_length` must be `inflate.PIECE`, and all output is taken before more data is given."""
        if data:
            self._inflate.feed(bytes(data))
            self._in += len(data)
        filled = 0
        while filled < max_length and not self.eof:
            left = self._spacing.left(self._out)
            room = min(max_length, filled + (left or max_length))
            end = self._inflate.run(filled, room, to_boundary=not left)
            self._out += end - filled
            filled = end
            if not left and (bits := self._inflate.bits) is not None:
                self._mark(bits)
            elif not self._inflate.left and filled < room:
                break
        self.needs_input = filled < max_length
        return bytes(self._inflate.output[:filled])

    def _mark(self, bits: int) -> None:
        taken = self._in - self._inflate.left
        window = zlib.compress(self._inflate.window(), _LEVEL)
        if self._spacing.take(taken, self._out, len(window)):
            self._on_checkpoint(Checkpoint(self._out, taken, bits, window))
