"""Sparse files: members of an archive that have the stretches of their data only, and a map of where these stand.

GNU tar has had four forms of it; all are read as Go's archive/tar reads them.
"""

from collections.abc import Iterable, Iterator
from typing import NoReturn

from orlop.domain.errors import LayerInvalid
from orlop.domain.pax import parse_integer
from orlop.domain.pieces import Pieces
from orlop.domain.tar import BLOCK, extension, number

Stretch = tuple[int, int]
"""Where in the content it begins, and its length."""

_HEADER_STRETCHES = 4
_HEADER_MAP = 386
_HEADER_EXTENDED = 482
_HEADER_SIZE = 483
_BLOCK_STRETCHES = 21
_BLOCK_EXTENDED = 504
_STRETCH = 24
_NUMBER = 12

_SHORTEST = len("0\n0\n")


def checked(stretches: Iterable[Stretch], size: int, stored: int) -> tuple[Stretch, ...]:
    """Those of a file of `size` bytes that has `stored` bytes in the archive; LayerInvalid where they do not fit it.

    Empty ones are left out; but a file without data has one, of no length, at its end.
    """
    at = total = 0
    kept = []
    for offset, length in stretches:
        if offset < at or length < 0:
            refuse()
        at = offset + length
        total += length
        if length:
            kept.append((offset, length))
    if at > size or total != stored:
        refuse()
    return tuple(kept) or ((size, 0),)


def refuse() -> NoReturn:
    raise LayerInvalid("the archive is damaged: the map of a sparse file does not fit it")


def old_size(block: bytes) -> int:
    """The size of the file whose header is `block`, in the form that has a type of its own."""
    return number(block[_HEADER_SIZE : _HEADER_SIZE + _NUMBER])


def old_map(block: bytes, pieces: Pieces, most: int) -> Iterator[Stretch]:
    """What is in the header, and in blocks behind it of up to `most` bytes."""
    yield from _stretches(block[_HEADER_MAP:], _HEADER_STRETCHES)
    extended = block[_HEADER_EXTENDED]
    while extended:
        most -= BLOCK
        if most < 0:
            raise LayerInvalid("the map of a sparse file in the archive is too large")
        block = extension(pieces, BLOCK)
        yield from _stretches(block, _BLOCK_STRETCHES)
        extended = block[_BLOCK_EXTENDED]


def listed_map(value: bytes) -> Iterator[Stretch]:
    """What an extended header has: numbers with commas between."""
    return _pairs([parse_integer(part) for part in value.split(b",")] if value else [])


def leading_map(pieces: Pieces, most: int) -> Iterator[Stretch]:
    """What stands in blocks before the data, of up to `most` bytes: how many there are, then each, number by line."""
    lines = bytearray()
    found, needed = 0, 1
    while found < needed:
        if len(lines) + BLOCK > most:
            raise LayerInvalid("the map of a sparse file in the archive is too large, or does not end")
        block = extension(pieces, BLOCK)
        lines += block
        found += block.count(b"\n")
        if needed == 1 and found:
            count = parse_integer(bytes(lines[: lines.index(b"\n")]))
            if not 0 <= count <= most // _SHORTEST:
                refuse()
            needed = 1 + 2 * count
    return _pairs([parse_integer(line) for line in bytes(lines).split(b"\n", needed)[1:needed]])


def _pairs(numbers: list[int]) -> Iterator[Stretch]:
    if len(numbers) % 2:
        refuse()
    return zip(numbers[::2], numbers[1::2], strict=True)


def _stretches(fields: bytes, count: int) -> Iterator[Stretch]:
    for at in range(0, count * _STRETCH, _STRETCH):
        if not fields[at]:
            return
        yield number(fields[at : at + _NUMBER]), number(fields[at + _NUMBER : at + _STRETCH])
