"""A layer's archive as it is unpacked, and the places to begin that are found on the way."""

import bz2
import gzip
import io
import lzma
import random
import sys
import zlib
from collections.abc import Callable
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orlop.contents import inflate
from orlop.contents.limits import Limits
from orlop.contents.unpacking import SPACING, Checkpoint, Unpacking
from orlop.domain.compression import Format, decompressed
from orlop.domain.errors import LayerInvalid
from tests.unit.contents.packed_layer import gzip_member, places_every

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
TEXT = b"".join(b"%d lines of some text, %x\n" % (number, number * 7919) for number in range(40_000))


def text(size: int, seed: int = 1) -> bytes:
    """Packed by gzip it is about a third."""
    words = [b"%x" % random.Random(seed + number).getrandbits(40) for number in range(400)]
    return b" ".join(random.Random(seed).choices(words, k=size // 9))[:size]


class Trickle:
    """A source that gives a little at a time, as a pipe may."""

    def __init__(self, content: bytes, size: int) -> None:
        self._file = io.BytesIO(content)
        self._size = size

    def read(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._size))


def outcome(unpacked: Callable[[], bytes]) -> bytes | str:
    try:
        return unpacked()
    except LayerInvalid as error:
        return str(error)


@pytest.mark.parametrize("form", [*PACKERS, Format.PLAIN])
def test_all_formats_are_unpacked_and_told(form: Format) -> None:
    packed = PACKERS.get(form, bytes)(TEXT)
    unpacking = Unpacking(io.BytesIO(packed), Limits())
    pieces = []
    for piece in unpacking:
        assert 0 < len(piece) <= 1 << 20
        pieces.append(bytes(piece))
        assert unpacking.unpacked == sum(map(len, pieces))
        assert unpacking.format is form
    assert b"".join(pieces) == TEXT
    assert unpacking.size == len(packed)


def test_of_nothing_nothing_comes() -> None:
    unpacking = Unpacking(io.BytesIO(b""), Limits())
    assert list(unpacking) == []
    assert (unpacking.format, unpacking.size, unpacking.unpacked) == (Format.PLAIN, 0, 0)


@pytest.mark.parametrize("system", [True, False], ids=["the system's zlib", "Python's own"])
@settings(max_examples=60)
@given(
    contents=st.lists(st.binary(max_size=3000), min_size=1, max_size=4),
    flush=st.sampled_from([0, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]),
    level=st.sampled_from([0, 1, 9]),
    size=st.integers(1, 400),
    junk=st.sampled_from([b"", b"", b"\0", b"\x1f\x8b", b"junk"]),
    damage=st.none() | st.tuples(st.integers(0), st.integers(1, 255)),
    cut=st.none() | st.integers(0),
)
def test_what_is_refused_and_how_is_what_is_refused_on_the_push_path(
    system: bool,
    contents: list[bytes],
    flush: int,
    level: int,
    size: int,
    junk: bytes,
    damage: tuple[int, int] | None,
    cut: int | None,
) -> None:
    packed = bytearray(b"".join(gzip_member(content, level, flush=flush) for content in contents) + junk)
    if damage is not None:
        packed[3 + damage[0] % (len(packed) - 3)] ^= damage[1]
    if cut is not None:
        del packed[3 + cut % len(packed) :]
    blob = bytes(packed)
    with pytest.MonkeyPatch.context() as patch, places_every(500):
        if not system:
            patch.setattr(inflate, "_LIBRARY", None)
        found = outcome(lambda: b"".join(Unpacking(Trickle(blob, size), Limits())))
    pieces = [blob[at : at + size] for at in range(0, len(blob), size)]
    assert found == outcome(lambda: b"".join(decompressed(pieces, Format.GZIP)))


@pytest.mark.parametrize("form", [*PACKERS, Format.PLAIN])
def test_it_ends_at_the_limits(form: Format) -> None:
    packed = PACKERS.get(form, bytes)(bytes(3 << 20))
    with pytest.raises(LayerInvalid, match="larger than 2000000 bytes"):
        list(Unpacking(io.BytesIO(packed), Limits(unpacked=2_000_000)))
    if form is not Format.PLAIN:
        with pytest.raises(LayerInvalid, match="more than 2 streams"):
            list(Unpacking(io.BytesIO(PACKERS[form](b"") * 3), Limits(streams=2)))


@pytest.mark.timeout(60)
def test_a_bomb_ends_at_the_ratio() -> None:
    member = gzip.compress(bytes(64 << 20), 9)
    with pytest.raises(LayerInvalid, match="more than 100 times"):
        for _ in Unpacking(io.BytesIO(member * 5), Limits(ratio=100)):
            pass


def test_the_window_of_zstd_has_a_limit() -> None:
    packed = zstd.compress(bytes(9 << 20), options={zstd.CompressionParameter.window_log: 23})
    stream = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 23})
    packed = stream.compress(bytes(9 << 20)) + stream.flush()
    assert sum(map(len, Unpacking(io.BytesIO(packed), Limits(window=8 << 20)))) == 9 << 20
    with pytest.raises(LayerInvalid, match="damaged"):
        list(Unpacking(io.BytesIO(packed), Limits(window=4 << 20)))


def test_what_the_source_raises_comes_through() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError("disk")
            return super().read(20)

    source: BinaryIO = Broken(gzip.compress(TEXT))
    with pytest.raises(OSError, match="disk"):
        list(Unpacking(source, Limits()))


def test_checkpoints_are_some_megabytes_apart_and_weigh_little() -> None:
    content = text(24 << 20)
    packed = gzip.compress(content, 2)
    kept: list[Checkpoint] = []
    unpacking = Unpacking(io.BytesIO(packed), Limits(), kept.append)
    assert b"".join(unpacking) == content
    assert unpacking.checkpoints == []
    assert len(kept) >= 3
    for before, after in zip([Checkpoint(0, 0, 0, b""), *kept], kept, strict=False):
        assert SPACING <= after.out - before.out <= 2 * SPACING
        assert after.in_ > before.in_
        assert zlib.decompress(after.window) == content[after.out - 32768 : after.out]
    assert sum(len(checkpoint.window) for checkpoint in kept) < len(packed) / 50


@pytest.mark.timeout(60)
def test_where_the_content_is_packed_to_almost_nothing_the_checkpoints_are_few() -> None:
    # Each period is as incompressible as it gets, and all but the first cost nothing: a window would weigh more than
    # what it saves to read.
    content = random.Random(1).randbytes(32_000) * 4000
    packed = gzip.compress(content, 6)
    unpacking = Unpacking(io.BytesIO(packed), Limits())
    for _ in unpacking:
        pass
    assert len(packed) < 2 << 20
    assert len(unpacking.checkpoints) == 1
    zeros = Unpacking(io.BytesIO(gzip.compress(bytes(128 << 20), 9)), Limits())
    for _ in zeros:
        pass
    assert 2 <= len(zeros.checkpoints) <= 32


@pytest.mark.parametrize("form", [Format.ZSTD, Format.BZIP2, Format.XZ])
def test_the_frames_of_other_formats_are_places_to_begin(form: Format) -> None:
    parts = [TEXT[at : at + 100_000] for at in range(0, len(TEXT), 100_000)]
    blob = b"".join(map(PACKERS[form], parts))
    with places_every(200_000):
        unpacking = Unpacking(Trickle(blob, 1000), Limits())
        content = b"".join(unpacking)
    assert [frame.out for frame in unpacking.frames] == list(range(200_000, len(content), 200_000))
    for frame in unpacking.frames:
        assert b"".join(decompressed([blob[frame.in_ :]], form)) == content[frame.out :]
    assert unpacking.checkpoints == []


def test_without_the_systems_zlib_the_members_of_gzip_are_places_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "_LIBRARY", None)
    blob = gzip.compress(TEXT) * 3
    with places_every(1000):
        unpacking = Unpacking(io.BytesIO(blob), Limits())
        assert b"".join(unpacking) == TEXT * 3
    assert [frame.out for frame in unpacking.frames] == [len(TEXT), 2 * len(TEXT)]
    assert unpacking.checkpoints == []
