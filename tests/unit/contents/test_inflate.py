"""The system's zlib, by ctypes: the same bytes and the same words as Python's own, and where blocks end."""

import gzip
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import orlop
from orlop.contents import inflate
from orlop.contents.inflate import PIECE, Inflate
from orlop.domain.compression import Gunzip

TEXT = b"".join(b"%d lines of some text, %x\n" % (number, number * 7919) for number in range(40_000))


def test_the_system_has_a_zlib() -> None:
    assert inflate.available()


def test_a_stream_is_unpacked_into_the_room_there_is() -> None:
    packed = gzip.compress(TEXT)
    unpacker = Inflate()
    unpacker.feed(packed + b"rest")
    content = b""
    while not unpacker.ended:
        end = unpacker.run(1000)
        assert end <= PIECE
        content += unpacker.output[1000:end]
    assert content == TEXT
    assert unpacker.unused == b"rest"


def test_it_stops_behind_the_header_and_behind_each_block_but_the_last() -> None:
    unpacker = Inflate()
    unpacker.feed(gzip.compress(TEXT))
    places = []
    content = b""
    while not unpacker.ended:
        content += unpacker.output[: unpacker.run(0, to_boundary=True)]
        if unpacker.bits is not None:
            places.append((len(content), unpacker.bits, unpacker.window()))
    assert places[0] == (0, 0, b"")
    assert len(places) > 5
    for out, bits, window in places:
        assert window == TEXT[max(0, out - 32768) : out]
        assert 0 <= bits < 8


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_stream_is_refused_in_the_words_of_pythons_own(seed: int) -> None:
    chance = random.Random(seed)
    packed = bytearray(gzip.compress(TEXT[:100_000], mtime=0))
    place = [0, 3, len(packed) - 1, len(packed) - 6, *(chance.randrange(10, len(packed)) for _ in range(4))][seed]
    packed[place] ^= 0xFF
    with pytest.raises(zlib.error) as known:
        zlib.decompressobj(31).decompress(bytes(packed))
    unpacker = Inflate()
    unpacker.feed(bytes(packed))
    with pytest.raises(zlib.error) as error:  # noqa: PT012
        while not unpacker.ended:
            unpacker.run(0)
    assert str(error.value) == str(known.value)


def test_after_an_error_or_an_end_it_begins_anew() -> None:
    unpacker = Inflate()
    unpacker.feed(b"this is no gzip")
    with pytest.raises(zlib.error):
        unpacker.run(0)
    for content in (b"one", b"two"):
        unpacker.reset()
        unpacker.feed(gzip.compress(content))
        assert unpacker.output[: unpacker.run(0, to_boundary=True)] == b""
        assert unpacker.output[: unpacker.run(0)] == content
        assert unpacker.ended


def test_without_input_nothing_happens() -> None:
    unpacker = Inflate()
    assert unpacker.run(0, to_boundary=True) == 0
    unpacker.feed(b"")
    assert unpacker.run(5) == 5
    assert not unpacker.ended


def test_many_of_them_take_no_memory_when_they_are_gone() -> None:
    program = (
        "import gzip, resource\n"
        "from orlop.contents.inflate import Inflate\n"
        "packed = gzip.compress(bytes(1 << 20))\n"
        "def one():\n"
        "    unpacker = Inflate(); unpacker.feed(packed); unpacker.run(0)\n"
        "for _ in range(50): one()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for _ in range(300): one()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    source = str(Path(orlop.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": source}
    )
    assert int(done.stdout) < 4 << 10


def test_pythons_own_takes_its_place_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "_LIBRARY", None)
    assert not inflate.available()
    with pytest.raises(OSError, match="no zlib"):
        Inflate()
    assert Gunzip().decompress(gzip.compress(b"hello"), 100) == b"hello"


@pytest.mark.parametrize("name", ["no-such-library.so", "libc.so.6"])
def test_a_library_that_is_missing_or_is_no_zlib_is_not_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(inflate, "_NAMES", (name,))
    assert inflate._load() is None
