"""Single members of a zip archive that is whole in memory, of someone who is not trusted.

A reader of our own, because zipfile keeps an object for each member that the archive claims, some hundred bytes for as
few as 46, and unpacks without bounds. Here members pass by one at a time, and only what is asked for is unpacked.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from orlop.contents.packages.package import Content

_END = struct.Struct("<4s4H2IH")
_MEMBER = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_MAX_COMMENT = 65535
_MAX_MEMBERS = 200_000
_STORED, _DEFLATED = 0, 8


class Member(NamedTuple):
    name: str
    method: int
    packed: int
    """Bytes in the archive."""
    offset: int
    """Of its local header."""


class Zip:
    """`content` is the whole file; what is none has no members."""

    def __init__(self, content: Content | memoryview) -> None:
        self._content = memoryview(content)
        tail = bytes(self._content[-_END.size - _MAX_COMMENT :])
        at = tail.rfind(b"PK\5\6")
        self._start = self._shift = self._directory_end = 0
        if 0 <= at <= len(tail) - _END.size:
            size, offset = _END.unpack_from(tail, at)[5:7]
            self._directory_end = len(self._content) - len(tail) + at
            self._start = max(0, self._directory_end - size)
            self._shift = self._start - offset  # a program may stand in front

    def members(self) -> Iterator[Member]:
        at = self._start
        for _ in range(_MAX_MEMBERS):
            if at + _MEMBER.size > self._directory_end:
                return
            fields = _MEMBER.unpack_from(self._content, at)
            if fields[0] != b"PK\1\2":
                return
            method, packed, lengths, offset = fields[4], fields[8], fields[10:13], fields[16]
            at += _MEMBER.size
            name = bytes(self._content[at : at + lengths[0]]).decode(errors="replace")
            yield Member(name, method, packed, offset + self._shift)
            at += sum(lengths)

    def read(self, member: Member, limit: int) -> memoryview | None:
        """Its content; None where that is damaged, encrypted, packed otherwise, or larger than `limit` bytes."""
        if not 0 <= member.offset <= len(self._content) - _LOCAL.size:
            return None
        fields = _LOCAL.unpack_from(self._content, member.offset)
        start = member.offset + _LOCAL.size + fields[9] + fields[10]
        packed = self._content[start : start + member.packed]
        if fields[0] != b"PK\3\4" or fields[2] & 1:
            return None
        if member.method == _STORED:
            return packed if len(packed) <= limit else None
        return _inflated(packed, limit) if member.method == _DEFLATED else None


def _inflated(packed: memoryview, limit: int) -> memoryview | None:
    stream = zlib.decompressobj(-15)
    try:
        content = stream.decompress(packed, limit + 1)
    except zlib.error:
        return None
    return memoryview(content) if stream.eof and len(content) <= limit else None
