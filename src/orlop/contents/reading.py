"""Parts of a layer's archive, read from the layer without unpacking what is before them.

Only the bytes are read that lie between the last place to begin before what is wanted and the first one behind it.
Layers without such places (bzip2, xz, and zstd in one frame, as most are) are unpacked from their beginning.
"""

import hashlib
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter

from orlop.contents import toc
from orlop.contents.limits import Limits
from orlop.contents.resuming import Resumed
from orlop.contents.stopping import heed
from orlop.contents.toc import Checkpoint, Footer, Frame
from orlop.domain.compression import Format, Unpacker, decompressed
from orlop.domain.errors import LayerInvalid
from orlop.storage.base import Storage

_ZEROS = bytes(64 << 10)
_LIMITS = Limits()


def read(
    storage: Storage,
    blob_path: str,
    toc_path: str,
    footer: Footer,
    start: int,
    length: int,
    *,
    limits: Limits = _LIMITS,
) -> Iterator[bytes]:
    """The archive's bytes from `start` on, `length` of them, in pieces of up to 1 MiB.

    LayerInvalid where the layer or its table of contents is damaged in a way that can be noticed: the checksums of what
    is packed cover more than is read. FileNotFoundError where one of the two is not there.
    """
    if start < 0 or length < 0 or start + length > footer.unpacked:
        raise LayerInvalid("the layer ends before what is asked for of it")
    if not length:
        return
    form = _format(footer)
    if form is Format.PLAIN:
        yield from _part(storage.stream_read(blob_path, (start, start + length - 1)), 0, length)
        return
    place, stop = _surroundings(footer, start, start + length)
    if isinstance(place, Checkpoint):
        resumed = Resumed(place.bits, toc.window(storage, toc_path, footer, place))
        begin = place.in_ - (1 if place.bits else 0)
    else:
        resumed, begin = None, place.in_

    def unpacker(taken: int, given: int) -> Unpacker | None:
        return None if taken else resumed

    packed = storage.stream_read(blob_path, (begin, stop - 1))
    bounds = limits.compression._replace(bytes_out=footer.unpacked - place.out, ratio=sys.maxsize)
    yield from _part(decompressed(packed, form, bounds, unpacker), start - place.out, length)


def read_file(
    storage: Storage,
    blob_path: str,
    toc_path: str,
    footer: Footer,
    offset: int,
    size: int,
    sparse: Sequence[tuple[int, int]],
    first: int,
    count: int,
    *,
    digest: str = "",
    limits: Limits = _LIMITS,
) -> Iterator[bytes]:
    """A file's content from its byte `first` on, `count` bytes or what there is; holes are zeros.

    `offset`, `size`, `sparse` and `digest` are those of its `Entry`. Of a whole file the last piece is only given when
    all has the digest; LayerInvalid if it has not. The other errors are those of `read`.
    """
    if first < 0 or count < 0:
        raise ValueError(f"no part of a file: {count} bytes from {first} on")
    last = min(size, first + count)
    before, stretches = _stretches(size, sparse if sparse or offset < 0 else [(0, size)], first, last)
    wanted = sum(length for length, data in stretches if data)
    content = read(storage, blob_path, toc_path, footer, offset + before, wanted, limits=limits)
    pieces = _filled(content if wanted else iter(()), stretches)
    return _verified(pieces, digest) if digest and last - first == size else pieces


def _format(footer: Footer) -> Format:
    try:
        return Format(footer.compression)
    except ValueError as error:
        raise LayerInvalid(f"the layer is packed in a format that is not known here: {footer.compression}") from error


def _surroundings(footer: Footer, start: int, end: int) -> tuple[Checkpoint | Frame, int]:
    """The last place to begin that is not behind `start`, and how many bytes of the layer suffice for all to `end`."""
    places: Sequence[Checkpoint | Frame] = footer.checkpoints or footer.frames
    out = attrgetter("out")
    index = bisect_right(places, start, key=out)
    place = places[index - 1] if index else Frame(0, 0)
    following = bisect_left(places, end, index, key=out)
    stop = places[following].in_ if following < len(places) else footer.size
    bits = place.bits if isinstance(place, Checkpoint) else 0
    # Out of order they are where the file is damaged.
    if not (0 <= place.out <= start and 0 <= bits < 8 and (not bits or place.in_) and 0 <= place.in_ < stop):
        raise LayerInvalid("the table of contents is damaged: a checkpoint is not where it should be")
    return place, stop


def _part(pieces: Iterator[bytes], skip: int, length: int) -> Iterator[bytes]:
    for piece in pieces:
        heed()
        part = piece[skip : skip + length] if skip or length < len(piece) else piece
        skip = max(0, skip - len(piece))
        length -= len(part)
        if part:
            yield part
        if not length:
            return
    raise LayerInvalid("the layer is damaged: it ends too early")


def _stretches(
    size: int, sparse: Sequence[tuple[int, int]], first: int, last: int
) -> tuple[int, list[tuple[int, bool]]]:
    """The bytes of data before `first`; and what follows to `last`: lengths, and whether they are data or holes."""
    stretches: list[tuple[int, bool]] = []
    before, at, free = 0, first, 0
    for begin, length in sparse:
        end = begin + length
        if begin < free or length < 0 or end > size:
            raise LayerInvalid("the table of contents is damaged: a sparse file's data is not where it should be")
        free = end
        before += max(0, min(end, first) - begin)
        begin, end = max(begin, at), min(end, last)
        if begin < end:
            stretches += [(begin - at, False), (end - begin, True)]
            at = end
    return before, [*stretches, (max(0, last - at), False)]


def _filled(content: Iterator[bytes], stretches: list[tuple[int, bool]]) -> Iterator[bytes]:
    """The stretches, one after the other: of data from `content`, and of zeros."""
    piece = b""
    for length, data in stretches:
        while length:
            if data:
                piece = piece or next(content)
                part, piece = piece[:length], piece[length:]
            else:
                part = _ZEROS[:length]
            length -= len(part)
            yield part


def _verified(pieces: Iterator[bytes], digest: str) -> Iterator[bytes]:
    checksum = hashlib.sha256()
    held = b""
    for piece in pieces:
        checksum.update(piece)
        if held:
            yield held
        held = piece
    if digest != f"sha256:{checksum.hexdigest()}":
        raise LayerInvalid("the layer is damaged: a file in it is not what it was")
    if held:
        yield held
