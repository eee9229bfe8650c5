"""Layers without their compression: exactly, piece by piece, and never more than is bearable."""

import bz2
import gzip
import lzma
import random
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.errors import ArchiveInvalid
from orlop.domain.v1 import compression
from orlop.domain.v1.compression import Format, decompressed, detect, gzipped

CONTENT = random.Random(1).randbytes(100_000) + bytes(400_000) + b"end"
PACK = {
    Format.GZIP: gzip.compress,
    Format.BZIP2: bz2.compress,
    Format.XZ: lzma.compress,
    Format.ZSTD: zstd.compress,
    Format.TAR: bytes,
}


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def unpacked(packed: bytes, size: int = 1 << 16) -> bytes:
    return b"".join(decompressed(pieces(packed, size), detect(packed)))


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("size", [1000, 65536, 1 << 20])
def test_what_was_packed_comes_out(form: Format, size: int) -> None:
    packed = PACK[form](CONTENT)
    assert detect(packed) is form
    assert unpacked(packed, size) == CONTENT


@pytest.mark.parametrize("form", [Format.GZIP, Format.BZIP2, Format.XZ, Format.ZSTD])
@pytest.mark.parametrize("size", [1, 3, 100_000])
def test_every_member_counts_and_zeros_after_them_do_not(form: Format, size: int) -> None:
    packed = PACK[form](b"one") + PACK[form](b"two") + bytes(700)
    assert unpacked(packed, size) == b"onetwo"


@pytest.mark.parametrize("form", [Format.GZIP, Format.BZIP2, Format.XZ, Format.ZSTD])
def test_a_layer_that_is_cut_or_damaged_is_refused(form: Format) -> None:
    packed = PACK[form](CONTENT)
    for broken in (packed[:-3], packed[: len(packed) // 2], packed[:7], packed + b"junk", form.value + b"\xff" * 50):
        with pytest.raises(ArchiveInvalid):
            unpacked(broken)


@given(st.sampled_from([Format.GZIP, Format.BZIP2, Format.XZ, Format.ZSTD]), st.data())
def test_a_changed_byte_is_noticed_or_changes_nothing(form: Format, data: st.DataObject) -> None:
    packed = bytearray(PACK[form](b"some layer" * 20))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = b"".join(decompressed([bytes(packed)], form))
    except ArchiveInvalid:
        return
    # zstd has no checksum by default, and gzip none of its header.
    assert form is Format.ZSTD or found == b"some layer" * 20


@pytest.mark.parametrize("packed", [lzma.compress(bytes(200 << 20)), bz2.compress(bytes(200 << 20))])
def test_a_bomb_is_stopped(packed: bytes) -> None:
    begun = time.monotonic()
    tracemalloc.start()
    with pytest.raises(ArchiveInvalid, match="too much"):
        for _ in decompressed(pieces(packed, 1 << 16), detect(packed)):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20
    assert time.monotonic() - begun < 20


def test_a_layer_of_zeros_is_no_bomb() -> None:
    assert len(unpacked(gzip.compress(bytes(100 << 20)))) == 100 << 20


def test_size_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MOST_OUT", 1000)
    with pytest.raises(ArchiveInvalid, match="too much"):
        unpacked(gzip.compress(bytes(1001)))


def test_packing_is_the_same_every_time_and_for_any_pieces() -> None:
    packed = b"".join(gzipped(pieces(CONTENT, 1000)))
    assert packed == b"".join(gzipped([CONTENT]))
    assert gzip.decompress(packed) == CONTENT
    assert packed[4:8] == bytes(4)  # no time stamp
