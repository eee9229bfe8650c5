"""Byte ranges: what a GET asks for, and where an upload's chunk belongs."""

import re
from typing import NamedTuple

from orlop.domain.errors import RangeUnsatisfiable, SizeInvalid, UploadOutOfOrder

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")
_CHUNK = re.compile(r"(?:bytes[ =])?([0-9]{1,18})-([0-9]{1,18})(?:/(?:[0-9]{1,18}|\*))?")


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """The first and last byte that a Range header asks for. None: send everything.

    RangeUnsatisfiable: it is malformed, or begins beyond the end. A list of ranges, and other units, are not served;
    RFC 9110 (section 14.2) lets the server send everything then.
    """
    if not header.startswith("bytes=") or "," in header:
        return None
    match = _RANGE.fullmatch(header)
    first, last = match.groups() if match else ("", "")
    if not first and not last:
        raise RangeUnsatisfiable(size)
    if not first:
        return _suffix(int(last), size)
    begin, end = int(first), min(int(last), size - 1) if last else size - 1
    if begin >= size or (last and int(last) < begin):
        raise RangeUnsatisfiable(size)
    return begin, end


def _suffix(length: int, size: int) -> tuple[int, int]:
    if length == 0 or size == 0:
        raise RangeUnsatisfiable(size)
    return max(0, size - length), size - 1


class Chunk(NamedTuple):
    """Where a chunk of an upload belongs."""

    offset: int
    length: int


def parse_chunk(header: str | None, length: int | None, held: int) -> Chunk | None:
    """Where a chunk belongs, from its Content-Range; None where it says none. `length` is None for a chunked body.

    UploadOutOfOrder: it cannot be read; `held` bytes are told. SizeInvalid: it disagrees with the Content-Length.
    """
    if header is None:
        return None
    match = _CHUNK.fullmatch(header)
    if match is None:
        raise UploadOutOfOrder(held)
    begin, end = int(match[1]), int(match[2])
    if end < begin:
        raise UploadOutOfOrder(held)
    chunk = Chunk(begin, end - begin + 1)
    if length is not None and chunk.length != length:
        raise SizeInvalid("Content-Range and Content-Length disagree")
    return chunk
