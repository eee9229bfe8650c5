"""Going on in the middle of a gzip stream."""

import gzip
import zlib

import pytest

from orlop.contents.resuming import Resumed, _blocks


@pytest.mark.parametrize("bits", range(8))
def test_the_blocks_in_front_have_no_content_and_end_where_the_rest_begins(bits: int) -> None:
    number, count = _blocks(bits)
    assert (count + bits) % 8 == 0
    # What follows, at that bit, is the last block, of the fixed code, and empty.
    following = number | 0b0000000_01_1 << count
    stream = zlib.decompressobj(-15, zdict=b"window")
    assert stream.decompress(following.to_bytes(count // 8 + 3, "little")) == b""
    assert stream.eof


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_end_of_its_stream_is_found_however_it_is_fed(size: int) -> None:
    packed = gzip.compress(b"hello")[10:] + b"next"
    resumed = Resumed(0, b"")
    content = b""
    for at in range(0, len(packed), size):
        assert resumed.needs_input
        content += resumed.decompress(memoryview(packed)[at : at + size], 1 << 20)
        if resumed.eof:
            break
    assert content == b"hello"
    assert b"next".startswith(resumed.unused_data)
    assert resumed.unused_data == b"next"[: len(resumed.unused_data)]


def test_what_is_no_stream_is_refused() -> None:
    with pytest.raises(zlib.error):
        Resumed(3, b"").decompress(b"\xff" * 100, 100)
