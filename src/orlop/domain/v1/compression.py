"""Compressed layers: which form they have, and their bytes without it, within limits.

Layers come from anybody. What they come to is bounded in size and in its ratio to what was sent, and a layer is read as
a stream, piece by piece.
"""

import bz2
import enum
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from orlop.domain.errors import ArchiveInvalid

TAKEN = 1 << 18
"""Bytes that go in at once."""
PIECE = 1 << 20
"""Bytes that come out at once, at most."""
MOST_OUT = 1 << 40
MOST_RATIO = 1100
"""Bytes out for each byte in. Deflate ends at 1,032; xz and bzip2 have none."""
FREE = 64 << 20
"""Bytes that may come out whatever the ratio: layers of zeros are small and harmless."""
MOST_MEMORY = 256 << 20
"""Bytes that the decoder of xz may take."""
LARGEST_WINDOW = 27
"""Of zstd: 128 MiB, as a power of two."""


class Format(enum.Enum):
    """By the first bytes of a layer. What is none of the others is taken for a plain archive."""

    GZIP = b"\x1f\x8b"
    BZIP2 = b"BZh"
    XZ = b"\xfd7zXZ\x00"
    ZSTD = b"\x28\xb5\x2f\xfd"
    TAR = b""


def detect(head: bytes) -> Format:
    """The form of a layer that begins so."""
    return next(form for form in Format if head.startswith(form.value))


class _Decoder(Protocol):
    """One member of a compressed stream, as bz2 and lzma have it."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Deflate:
    """zlib's decoder in the shape of the others'."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)
        self._held = b""

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._held

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        found = self._decoder.decompress(self._held + data, max_length)
        self._held = self._decoder.unconsumed_tail
        return found


def _zstd() -> _Decoder:
    # Loaded where such a layer comes: over v1, hardly ever.
    if sys.version_info >= (3, 14):
        from compression.zstd import DecompressionParameter, ZstdDecompressor
    else:
        from backports.zstd import DecompressionParameter, ZstdDecompressor

    return ZstdDecompressor(options={DecompressionParameter.window_log_max: LARGEST_WINDOW})


_DECODERS: dict[Format, Callable[[], _Decoder]] = {
    Format.GZIP: _Deflate,
    Format.BZIP2: bz2.BZ2Decompressor,
    Format.ZSTD: _zstd,
    Format.XZ: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY),
}


def decompressed(pieces: Iterable[bytes], form: Format) -> Iterator[bytes]:
    """The bytes of a layer without its compression, of all its members. ArchiveInvalid: it is cut, damaged, or a bomb.

    What follows the last member is refused, but for zeros: some tools fill the last block with them.
    """
    if form is Format.TAR:
        yield from pieces
        return
    came = went = 0
    decoder: _Decoder | None = _DECODERS[form]()
    # zlib gives back what it has not used: of large pieces that would be copied again and again.
    for piece in (large[at : at + TAKEN] for large in pieces for at in range(0, len(large), TAKEN)):
        came += len(piece)
        while piece or (decoder is not None and not decoder.needs_input and not decoder.eof):
            if decoder is None:
                piece = _next_member(piece, form)
                if not piece:
                    break
                decoder = _DECODERS[form]()
            found = _step(decoder, piece, form)
            went += len(found)
            if went > MOST_OUT or (went > FREE and went > came * MOST_RATIO):
                raise ArchiveInvalid("the layer comes to too much when it is unpacked")
            if found:
                yield found
            piece = b""
            if decoder.eof:
                piece, decoder = decoder.unused_data, None
    if decoder is not None and came:
        raise ArchiveInvalid("the layer is cut off")


def _step(decoder: _Decoder, piece: bytes, form: Format) -> bytes:
    try:
        return decoder.decompress(piece, PIECE)
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, MemoryError) as error:
        raise ArchiveInvalid(f"the layer is not valid {form.name.lower()}: {error}") from error
    except Exception as error:
        if type(error).__name__ == "ZstdError":
            raise ArchiveInvalid(f"the layer is not valid zstd: {error}") from error
        raise


def _next_member(piece: bytes, form: Format) -> bytes:
    """Where the next member begins; nothing where only zeros follow."""
    rest = piece.lstrip(b"\0")
    if rest and not form.value.startswith(rest[: len(form.value)]):
        raise ArchiveInvalid("something follows the end of the layer")
    return rest


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes compressed: the same for the same bytes and pieces' sum, on every machine with one zlib."""
    encoder = zlib.compressobj(6, zlib.DEFLATED, 31)
    for piece in pieces:
        if found := encoder.compress(piece):
            yield found
    yield encoder.flush()
