"""How layers are packed, and their unpacking under limits.

What is refused is what Go's readers refuse, by which docker, containerd and podman unpack what they pull: a stream that
is cut short, and anything behind its end that is not another whole stream of the same format, zeros too. Only xz allows
zeros in fours there (its specification, section 2.2). So whoever hashes what `decompressed` yields has the layer's
diff ID.
"""

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import chain
from typing import NamedTuple, Protocol, TypeAlias

from orlop.domain.errors import LayerInvalid, Unsupported

PIECE = 1 << 20
"""The most bytes that one piece of output has."""

GZIP_LEVEL = 6

# A stream is fed in portions that begin small and double. What is left of a portion when its stream ends is copied, so
# that a large portion of many tiny streams would be copied as often as it holds streams.
_FIRST_PORTION = 1 << 12
_PORTION = 1 << 18

# `xz -9` takes 65 MiB to unpack; a header may ask for 4 GiB.
_XZ_MEMORY = 128 << 20


class Format(StrEnum):
    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTD = "zstd"
    PLAIN = "plain"
    """Not packed: a plain tar, or what only its reader can tell."""


class Limits(NamedTuple):
    """How much of it is let through before LayerInvalid."""

    bytes_out: int = 64 << 30
    ratio: int = 2000
    """Bytes out for each byte in, from `free_bytes` on. Gzip cannot do more than 1032; bzip2 and zstd do far more."""
    free_bytes: int = 256 << 20
    streams: int = 1_000_000
    """Streams in a row: eStargz has one for each file."""
    zstd_window_log: int = 27
    """The window of zstd as a power of two: 128 MiB, as the program `zstd` has it."""


LIMITS = Limits()

MAGIC_SIZE = 6
"""Bytes from the beginning that tell the format."""


def format_of(head: bytes) -> Format:
    """The format of what begins with `head`, of MAGIC_SIZE bytes, or fewer where there are no more."""
    if head.startswith(b"\x1f\x8b\x08"):
        return Format.GZIP
    if head.startswith(b"BZh"):
        return Format.BZIP2
    if head.startswith(b"\xfd7zXZ\x00"):
        return Format.XZ
    # The second is a frame to skip, which may come first (RFC 8878, section 3.1.2).
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50):
        return Format.ZSTD
    return Format.PLAIN


def recognized(pieces: Iterable[bytes]) -> tuple[Format, Iterator[bytes]]:
    """The format of `pieces`, and all of them again."""
    iterator = iter(pieces)
    head = b""
    for piece in iterator:
        head += piece
        if len(head) >= MAGIC_SIZE:
            break
    return format_of(head[:MAGIC_SIZE]), chain([head] if head else [], iterator)


class Unpacker(Protocol):
    """One stream, in the terms of `bz2`, `lzma` and `zstd`."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes: ...


Begin: TypeAlias = Callable[[int, int], Unpacker | None]


def decompressed(
    pieces: Iterable[bytes], form: Format, limits: Limits = LIMITS, begin: Begin | None = None
) -> Iterator[bytes]:
    """What is packed in `pieces`, exactly, in pieces of up to PIECE bytes (those of a plain one as they are).

    `begin` is called where a stream begins, with the bytes before it, packed and unpacked. What unpacker it gives is
    used for that stream; it raises what the format's own does.

    LayerInvalid where it is damaged, ends too early, or reaches a limit; Unsupported for zstd where its library is not
    installed; what `pieces` raises comes through. Memory is bounded by the format's window (128 MiB at most) and one
    piece.
    """
    tally = _Tally(limits)
    if form is Format.PLAIN:
        for piece in pieces:
            tally.count(len(piece), len(piece))
            yield piece
    else:
        yield from _unpacked(pieces, form, tally, begin or _no_unpacker)


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """One gzip stream of all `pieces`, without name or time: the same content gives the same bytes with one zlib."""
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 31)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


class _Tally:
    """Counts bytes, and ends what goes beyond the limits."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.taken = self.given = self._streams = 0

    def count(self, taken: int, given: int) -> None:
        self.taken += taken
        self.given += given
        if self.given > self.limits.bytes_out:
            raise LayerInvalid(f"the layer is larger than {self.limits.bytes_out} bytes when unpacked")
        if self.given > max(self.limits.free_bytes, self.taken * self.limits.ratio):
            raise LayerInvalid(f"the layer is more than {self.limits.ratio} times as large when unpacked")

    def begin_stream(self) -> None:
        self._streams += 1
        if self._streams > self.limits.streams:
            raise LayerInvalid(f"the layer is packed in more than {self.limits.streams} streams")


class Gunzip:
    """zlib in the same terms."""

    def __init__(self, wbits: int = 31, window: bytes = b"") -> None:
        """With `wbits` -15, a stream without header and checksum, which continues behind `window`."""
        self._stream = zlib.decompressobj(wbits, window)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes | memoryview, max_length: int) -> bytes:
        tail = self._stream.unconsumed_tail
        given = self._stream.decompress(tail or data, max_length)
        # zlib may hold output back when all its input is taken: a full piece says nothing about the rest.
        self.needs_input = not self._stream.unconsumed_tail and len(given) < max_length
        return given


def _no_unpacker(taken: int, given: int) -> None:
    """Leaves each stream to the unpacker of its format."""


def _unpacked(pieces: Iterable[bytes], form: Format, tally: _Tally, begin: Begin) -> Iterator[bytes]:
    new, failures = _unpacker(form, tally.limits)
    padding = _Padding() if form is Format.XZ else None
    stream: Unpacker | None = None
    begun = False
    for piece in pieces:
        view = memoryview(piece)
        at = 0
        while at < len(view):
            if stream is None:
                if begun and padding is not None:
                    behind = padding.skip(view, at)
                    tally.count(behind - at, 0)
                    at = behind
                    if at == len(view):
                        break
                tally.begin_stream()
                stream = begin(tally.taken, tally.given) or new()
                begun, size = True, _FIRST_PORTION
            portion = view[at : at + size]
            at += len(portion)
            tally.count(len(portion), 0)
            for given in _given(stream, portion, failures):
                tally.count(0, len(given))
                yield given
            size = min(size * 2, _PORTION)
            if stream.eof:
                unused = len(stream.unused_data)
                at -= unused
                tally.count(-unused, 0)
                stream = None
    if stream is not None or not begun:
        raise LayerInvalid(f"the layer is cut short: its {form} stream does not end")
    if padding is not None:
        padding.end()


def _given(stream: Unpacker, portion: memoryview, failures: tuple[type[Exception], ...]) -> Iterator[bytes]:
    """All that `stream` gives when it is fed with `portion`."""
    while True:
        try:
            given = stream.decompress(portion, PIECE)
        except failures as error:
            raise LayerInvalid(f"the layer is damaged: {error}") from error
        if given:
            yield given
        if stream.eof or stream.needs_input:
            return
        portion = portion[:0]


class _Padding:
    """The zeros behind an xz stream."""

    def __init__(self) -> None:
        self._zeros = 0

    def skip(self, view: memoryview, at: int) -> int:
        """Where in `view` the zeros end that begin at `at`."""
        start = at
        while at < len(view) and not view[at]:
            window = bytes(view[at : at + _FIRST_PORTION])
            at += len(window) - len(window.lstrip(b"\0"))
        self._zeros += at - start
        if at < len(view):
            self.end()
        return at

    def end(self) -> None:
        if self._zeros % 4:
            raise LayerInvalid("the layer is damaged: what follows its xz stream is none")
        self._zeros = 0


def _unpacker(form: Format, limits: Limits) -> tuple[Callable[[], Unpacker], tuple[type[Exception], ...]]:
    """What makes the unpacker of one stream, and what it raises over a damaged one."""
    if form is Format.GZIP:
        return Gunzip, (zlib.error,)
    if form is Format.BZIP2:
        return bz2.BZ2Decompressor, (OSError, ValueError)
    if form is Format.XZ:
        return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY), (lzma.LZMAError,)
    try:
        # Only here: few layers of v1 images are packed by it.
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as error:
        raise Unsupported("layers packed by zstd need the Python package backports.zstd") from error
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: limits.zstd_window_log}
    return lambda: zstd.ZstdDecompressor(options=options), (zstd.ZstdError,)
