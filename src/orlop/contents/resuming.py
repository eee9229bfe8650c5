"""Going on in the middle of a gzip stream, at a bit, with what Python's zlib has.

It cannot be told to begin within a byte. But a stream may have blocks without content of any length in bits: a few of
them before the rest, and that begins where it has to.
"""

from orlop.domain.compression import Gunzip

_TRAILER = 8  # bytes: checksum and length, of the whole stream, so that they say nothing of its rest


def _bits(*fields: tuple[int, int]) -> tuple[int, int]:
    """A number of these fields (each a value and its bits), the first lowest, and how many bits it has."""
    number = count = 0
    for value, bits in fields:
        number |= value << count
        count += bits
    return number, count


# A block of the fixed code (RFC 1951, section 3.2.6) with the end of the block in it: 10 bits.
_EVEN = _bits((0, 1), (1, 2), (0, 7))

# One that brings its codes along (section 3.2.7): 91 bits. Of the codes for lengths, only those for "1" and for many
# zeros have a length themselves, one bit each. By these, the literals 0 and 256 (the end of the block) have one bit
# each, and so has distance 0.
_ODD = _bits(
    *((0, 1), (2, 2), (0, 5), (0, 5), (14, 4)),
    *((1 if place in (2, 17) else 0, 3) for place in range(18)),
    *((0, 1), (1, 1), (138 - 11, 7), (1, 1), (117 - 11, 7), (0, 1), (0, 1)),
    (1, 1),
)


def _blocks(bits: int) -> tuple[int, int]:
    """Blocks without content that leave `bits` bits of their last byte free."""
    blocks = [_ODD] if bits % 2 else []
    while (sum(count for _, count in blocks) + bits) % 8:
        blocks.append(_EVEN)
    return _bits(*blocks)


class Resumed:
    """The rest of one gzip stream, as an `orlop.domain.compression.Unpacker`; zlib.error where it is damaged."""

    def __init__(self, bits: int, window: bytes) -> None:
        """Of the first byte that is fed, `bits` count, its highest; 0: all do. `window` is the output before."""
        self._raw = Gunzip(-15, window)
        self._bits = bits
        self._trailer = _TRAILER
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        return self._raw.eof and not self._trailer

    @property
    def needs_input(self) -> bool:
        return self._raw.eof or self._raw.needs_input

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        if self._raw.eof:
            self._skip(bytes(data))
            return b""
        if self._bits and data:
            data = self._aligned(data)
        given = self._raw.decompress(data, max_length)
        if self._raw.eof:
            self._skip(self._raw.unused_data)
        return given

    def _aligned(self, data: bytes | memoryview) -> bytes:
        number, count = _blocks(self._bits)
        number |= data[0] >> (8 - self._bits) << count
        prefix = number.to_bytes((count + self._bits) // 8, "little")
        self._bits = 0
        return prefix + data[1:]

    def _skip(self, data: bytes) -> None:
        """Take the trailer from what follows."""
        skipped = min(self._trailer, len(data))
        self._trailer -= skipped
        self.unused_data = data[skipped:]
