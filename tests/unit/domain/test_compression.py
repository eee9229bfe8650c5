"""Unpacking layers: exact, refused where Go's readers refuse, bounded whatever comes."""

import builtins
import bz2
import gzip
import lzma
import random
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.compression import PIECE, Format, Limits, decompressed, format_of, gzipped, recognized
from orlop.domain.errors import LayerInvalid, Unsupported

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKERS: dict[Format, Callable[[bytes], bytes]] = {
    Format.GZIP: lambda content: gzip.compress(content, 6, mtime=0),
    Format.BZIP2: bz2.compress,
    Format.XZ: lzma.compress,
    Format.ZSTD: zstd.compress,
}
PACKED = pytest.mark.parametrize("form", list(PACKERS))


def cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def unpacked(content: bytes, form: Format, size: int = 1 << 20, limits: Limits | None = None) -> bytes:
    return b"".join(decompressed(cut(content, size), form, limits or Limits()))


@PACKED
@given(contents=st.lists(st.binary(max_size=2000), min_size=1, max_size=4), size=st.integers(1, 500))
def test_all_streams_in_a_row_are_unpacked_however_they_are_cut(form: Format, contents: list[bytes], size: int) -> None:
    packed = b"".join(map(PACKERS[form], contents))
    assert unpacked(packed, form, size) == b"".join(contents)
    assert recognized(cut(packed, size))[0] is form


@PACKED
def test_large_content_is_unpacked_exactly_in_pieces_of_bounded_size(form: Format) -> None:
    content = random.Random(1).randbytes(3 << 20) + bytes(9 << 20) + b"end"
    pieces = list(decompressed(cut(PACKERS[form](content), 1 << 20), form))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= PIECE


@PACKED
def test_what_is_cut_short_is_refused_wherever_it_is_cut(form: Format) -> None:
    packed = PACKERS[form](b"hello, world " * 50) + PACKERS[form](b"again")
    whole = len(PACKERS[form](b"hello, world " * 50))
    for size in range(len(packed)):
        if size != whole:
            with pytest.raises(LayerInvalid):
                unpacked(packed[:size], form)


@PACKED
@pytest.mark.parametrize(
    "junk", [b"\0", b"\0" * 3, b"\0" * 512, b"junk", b"\x1f", b"\x1f\x8b", b"PK\3\4", b"BZ", b"\xff"]
)
def test_anything_behind_the_end_is_refused(form: Format, junk: bytes) -> None:
    packed = PACKERS[form](b"hello")
    if form is Format.XZ and junk == bytes(512):
        assert unpacked(packed + junk, form) == b"hello"
    else:
        for size in (1, 1 << 20):
            with pytest.raises(LayerInvalid):
                unpacked(packed + junk, form, size)


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_xz_streams_may_have_zeros_in_fours_between_them(size: int) -> None:
    packed = lzma.compress(b"hello, ")
    assert unpacked(packed + bytes(8) + lzma.compress(b"world") + bytes(8196), Format.XZ, size) == b"hello, world"
    with pytest.raises(LayerInvalid):
        unpacked(packed + bytes(6) + lzma.compress(b"world"), Format.XZ, size)
    with pytest.raises(LayerInvalid):
        unpacked(packed + bytes(4097), Format.XZ, size)


def test_a_wrong_checksum_is_refused() -> None:
    packed = bytearray(gzip.compress(b"hello" * 100))
    packed[-5] ^= 1
    with pytest.raises(LayerInvalid, match="damaged"):
        unpacked(bytes(packed), Format.GZIP)


def test_a_gzip_header_may_have_all_that_the_format_has() -> None:
    body = zlib.compressobj(wbits=-15)
    raw = body.compress(b"hello") + body.flush()
    header = b"\x1f\x8b\x08\x1c\1\2\3\4\0\xff" + b"\3\0abc" + b"name\0" + b"comment\0"
    packed = header + raw + zlib.crc32(b"hello").to_bytes(4, "little") + (5).to_bytes(4, "little")
    assert unpacked(packed, Format.GZIP, 1) == b"hello"


@PACKED
def test_a_bomb_ends_at_the_limits_of_size_and_ratio(form: Format) -> None:
    packed = PACKERS[form](bytes(64 << 20))
    with pytest.raises(LayerInvalid, match="larger than 33554432 bytes"):
        for _ in decompressed([packed], form, Limits(bytes_out=32 << 20)):
            pass
    given_out = 0
    pieces = decompressed([packed], form, Limits(ratio=100, free_bytes=4 << 20))
    with pytest.raises(LayerInvalid, match="more than 100 times"):  # noqa: PT012
        for piece in pieces:
            given_out += len(piece)
    assert given_out <= max(4 << 20, 100 * len(packed))


def test_a_plain_layer_has_the_limit_of_size_too() -> None:
    assert unpacked(b"plain", Format.PLAIN, 2) == b"plain"
    with pytest.raises(LayerInvalid):
        unpacked(b"plain", Format.PLAIN, 2, Limits(bytes_out=4))


@PACKED
def test_a_bomb_takes_little_memory(form: Format) -> None:
    packed = PACKERS[form](bytes(64 << 20))
    tracemalloc.start()
    try:
        for _ in decompressed([packed], form):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


@PACKED
@pytest.mark.timeout(60)
def test_many_tiny_streams_cost_time_in_proportion_and_have_a_limit(form: Format) -> None:
    one = PACKERS[form](b"")
    packed = one * 20_000
    begun = time.monotonic()
    assert unpacked(packed, form, 1 << 30) == b""
    assert time.monotonic() - begun < 20
    with pytest.raises(LayerInvalid, match="more than 19999 streams"):
        unpacked(packed, form, 1 << 30, Limits(streams=19_999))


@PACKED
@pytest.mark.timeout(120)
def test_whatever_is_changed_in_a_stream_gives_content_or_the_one_error(form: Format) -> None:
    chance = random.Random(7)
    content = b"".join(b"%d some text\n" % number for number in range(300))
    packed = PACKERS[form](content) + PACKERS[form](b"second")
    for _ in range(1500):
        damaged = bytearray(packed)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            unpacked(bytes(damaged), form, chance.choice([1 << 20, 100]), Limits(bytes_out=1 << 26))
        except LayerInvalid:
            pass


def test_an_xz_header_that_asks_for_gigabytes_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20, "preset": 0}]
    with pytest.raises(LayerInvalid, match="damaged: Memory"):
        unpacked(lzma.compress(b"x", filters=filters), Format.XZ)


def test_zstd_has_its_window_limited_and_its_skippable_frames_skipped() -> None:
    skipped = b"\x50\x2a\x4d\x18\4\0\0\0junk"
    packed = skipped + zstd.compress(b"hello") + skipped + zstd.compress(b"again")
    assert recognized([packed])[0] is Format.ZSTD
    for size in (1, 5, 1000):
        assert unpacked(packed, Format.ZSTD, size) == b"helloagain"
    # Single-segment frames have no window; this header asks for one of 2 GiB.
    with pytest.raises(LayerInvalid):
        unpacked(b"\x28\xb5\x2f\xfd\x00\xa8\x29\0\0hello", Format.ZSTD)


def test_without_its_library_zstd_is_said_to_be_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: object, **more: object) -> object:
        if name in ("backports", "compression"):
            raise ImportError(name)
        return real(name, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Unsupported, match=r"backports\.zstd"):
        unpacked(b"\x28\xb5\x2f\xfd", Format.ZSTD)


def test_errors_of_the_source_come_through() -> None:
    def broken() -> Iterator[bytes]:
        yield bz2.compress(b"hello")[:10]
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(decompressed(broken(), Format.BZIP2))


@pytest.mark.parametrize(
    "head", [b"", b"\x1f", b"\x1f\x8b", b"BZ", b"hello", b"\x28\xb5\x2f", bytes(512), b"\x60\x2a\x4d\x18"]
)
def test_whatever_else_is_plain(head: bytes) -> None:
    assert format_of(head[:6]) is Format.PLAIN
    form, pieces = recognized([head, b"", b"rest"] if len(head) > 5 else [head])
    assert form is Format.PLAIN
    assert b"".join(pieces).startswith(head)


@given(st.lists(st.binary(max_size=3000)))
def test_gzipped_is_one_stream_with_nothing_of_time_or_place(pieces: list[bytes]) -> None:
    packed = b"".join(gzipped(pieces))
    assert gzip.decompress(packed) == b"".join(pieces) == unpacked(packed, Format.GZIP)
    assert packed[:9] == b"\x1f\x8b\x08\0\0\0\0\0\0"
    assert packed == b"".join(gzipped([b"".join(pieces)]))
