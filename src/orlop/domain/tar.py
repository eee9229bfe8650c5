"""The fields of a header of tar, as all its forms have them."""

import struct
from zlib import adler32

from orlop.domain.errors import LayerInvalid
from orlop.domain.pieces import Pieces

BLOCK = 512
ZEROS = bytes(BLOCK)

FIELDS = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12s")
"""name, mode, uid, gid, size, mtime, checksum, typeflag, linkname, magic with version, uname, gname, major, minor,
prefix, and what is behind it."""

USTAR = b"ustar\0"
"""How `magic` begins in the form of POSIX, whose version follows."""
GNU = b"ustar  \0"

WITHOUT_CONTENT = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))
"""Links, devices, folders and pipes have none, whatever size they claim; so Go's reader has it, and Python's."""
DEVICES = frozenset((b"3", b"4"))

_HALF = BLOCK // 2
_LOW = bytes(range(128))


def next_header(pieces: Pieces) -> bytes | None:
    """None at the end of the archive, with all behind it read. LayerInvalid where it is cut short."""
    block = pieces.exactly(BLOCK)
    if block == ZEROS:
        # The end is two blocks of zeros. Some programs write one, and nothing behind it.
        if pieces.exactly(BLOCK) not in (ZEROS, b""):
            raise LayerInvalid("the archive is damaged: a block of zeros in its midst")
        pieces.drain()
        return None
    if len(block) < BLOCK and block:
        raise LayerInvalid("the archive is cut short: a header does not end")
    return block or None


def extension(pieces: Pieces, size: int) -> bytes:
    """The content of an extended header. LayerInvalid where it is cut short."""
    content = pieces.exactly(size)
    if len(content) < size:
        raise LayerInvalid("the archive is cut short: an extended header does not end")
    return content


def text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def number(field: bytes) -> int:
    """A number in octal digits, or in binary with the first bit set (GNU, star), where it may be below zero."""
    digits = field.strip(b" \0")
    if not digits.isdigit():
        if field[0] & 0x80:
            return _binary(field)
        digits = text(digits) or b"0"
    # int() alone would take signs and underscores.
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise LayerInvalid("the archive is damaged: a number in a header is none")
    return int(digits, 8)


def named(name: bytes, magic: bytes, prefix: bytes, block: bytes) -> bytes:
    """The name of a header with what stands in its prefix."""
    # GNU's own format has times where ustar has the prefix, and star has times behind a shorter one.
    if magic[:6] == USTAR and (prefix := text(prefix[:131] if block[508:] == b"tar\0" else prefix)):
        return prefix + b"/" + text(name)
    return text(name)


def check(block: bytes, checksum: bytes) -> None:
    """LayerInvalid where the checksum of a header does not match."""
    try:
        told = number(checksum)
    except LayerInvalid:
        told = -1
    unsigned = _unsigned_sum(block, checksum)
    if told != unsigned and told != unsigned - _signs(block):
        raise LayerInvalid("the layer is no tar archive, or is damaged: the checksum of a header does not match")


def _binary(field: bytes) -> int:
    bits = 8 * len(field) - 1
    value = int.from_bytes(field) & ((1 << bits) - 1)
    if field[0] & 0x40:
        value -= 1 << bits
    if not -(1 << 63) <= value < 1 << 63:
        raise LayerInvalid("the archive is damaged: a number in a header is out of range")
    return value


def _unsigned_sum(block: bytes, checksum: bytes) -> int:
    """Over the header, with its checksum's field as spaces."""
    # The low half of adler32 is one more than the sum of the bytes, up to 65521: ten times as fast as sum().
    total = (adler32(block[:_HALF]) & 0xFFFF) + (adler32(block[_HALF:]) & 0xFFFF) - 2
    return total - sum(checksum) + 8 * 32


def _signs(block: bytes) -> int:
    """How much less some old programs count, which take bytes for signed numbers."""
    return 256 * len((block[:148] + block[156:]).translate(None, _LOW))
