"""The chunked coding: wherever buffers are cut, the content is the same, and nothing else is taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.errors import UploadInvalid
from orlop.web.chunked import LONGEST_LINE, MOST_TRAILERS, Chunks
from orlop.web.transfer import _joined


def decode(coded: bytes, cuts: list[int]) -> tuple[bytes, bool]:
    chunks, content, position = Chunks(), b"", 0
    for cut in [*cuts, len(coded)]:
        content += b"".join(chunks.feed(memoryview(coded)[position : position + cut]))
        position += cut
    return content, chunks.done


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=300), max_size=8),
    cuts=st.lists(st.integers(1, 50), max_size=40),
    extension=st.sampled_from([b"", b";x", b" ;name=value"]),
    trailers=st.sampled_from([b"", b"X: y\r\n", b"A: b\r\nC: d\r\n"]),
)
def test_content_is_the_same_for_all_cuts(
    pieces: list[bytes], cuts: list[int], extension: bytes, trailers: bytes
) -> None:
    coded = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    coded += b"0\r\n" + trailers + b"\r\n"
    assert decode(coded, cuts) == (b"".join(pieces), True)
    assert decode(coded[:-1], cuts)[1] is False, "a cut body never ends"


@pytest.mark.parametrize(
    "coded",
    [
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"1_0\r\n",
        b"\xd9\xa5\r\nhello\r\n",
        b"5\r\nhello!\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5;a\nb\r\nhello\r\n",
        b"1" * 16 + b"\r\n",
        b"0\r\n" + b"T: t\r\n" * (MOST_TRAILERS + 1) + b"\r\n",
        b"5;" + b"x" * LONGEST_LINE,
    ],
)
def test_what_is_not_the_coding_is_refused(coded: bytes) -> None:
    with pytest.raises(UploadInvalid):
        decode(coded, [])


def test_nothing_after_the_end_is_taken() -> None:
    assert decode(b"2\r\nab\r\n0\r\n\r\nGET / HTTP/1.1\r\n", []) == (b"ab", True)


@given(st.binary(max_size=2000), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=40))
def test_pieces_of_a_buffer_are_moved_together(content: bytes, cuts: list[tuple[int, int]]) -> None:
    """Also where they overlap the place to which they are moved."""
    buffer = memoryview(bytearray(content))
    pieces, position = [], 0
    for gap, size in cuts:
        pieces.append(buffer[position + gap : position + gap + size])
        position += gap + size
    expected = b"".join(bytes(piece) for piece in pieces)
    assert b"".join(bytes(piece) for piece in _joined(buffer, pieces)) == expected
