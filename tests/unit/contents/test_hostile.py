"""Layers that were made to do harm: each is one sentence, soon, and with little memory, or is data like any other."""

import bz2
import gzip
import io
import os
import random
import tarfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orlop.contents import parser
from orlop.contents.archive import Archive
from orlop.contents.entry import Entry
from orlop.contents.limits import Limits
from orlop.domain.errors import LayerInvalid
from tests.unit.contents.test_archive import read, sparse_archive
from tests.unit.contents.test_parser import LAYER, PACKERS, Read, zstd
from tests.unit.domain.v1.archives import END, block, entry, extension, record, tar

MIB = 1 << 20
SECONDS = 5
MEMORY = 24 * MIB


def refused(layer: bytes, reason: str, limits: Limits | None = None) -> None:
    """The whole way, from the packed layer on."""
    refused_stream(io.BytesIO(layer), reason, limits)


def refused_stream(source: io.RawIOBase | io.BytesIO, reason: str, limits: Limits | None = None) -> None:
    tracemalloc.start()
    begun = time.monotonic()
    try:
        with pytest.raises(LayerInvalid, match=reason) as raised:
            parser.index(source, io.BytesIO(), limits or Limits())  # type: ignore[arg-type]
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begun < SECONDS
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


class Endless(io.RawIOBase):
    """A layer that comes as it is read, from pieces that never end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = next(self._pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


def endless(piece: bytes) -> Endless:
    """The same again and again."""
    many = piece * (1 + (64 << 10) // len(piece))
    assert len(many) <= 256 << 10

    def pieces() -> Iterator[bytes]:
        while True:
            yield many

    return Endless(pieces())


# --- Headers ----------------------------------------------------------------------------------------------------------


def test_a_negative_size_is_refused() -> None:
    """CVE-2025-8194: tarfile read such an archive without end."""
    below = b"\xff" * 12
    for typeflag in (b"0", b"7", b"S", b"V"):
        refused(block(b"a", below, typeflag) + END, "below zero")
    for typeflag in (b"x", b"g", b"L", b"K"):
        refused(block(b"a", below, typeflag) + END, "below zero")
    refused(extension(record(b"size", b"-512")) + block() + END, "below zero")
    refused(sparse_archive("1.0", -5, [], b""), "below zero|sparse")
    refused(extension(record(b"GNU.sparse.size", b"-5") + record(b"GNU.sparse.map", b"0,0")) + block() + END, "sparse")


def test_a_size_that_no_archive_has_is_refused() -> None:
    for size in (b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7, b"77777777777\0"):
        refused(block(b"a", size) + b"x" * 10_000, "larger than|cut short", Limits(unpacked=1 << 30))
    refused(block(b"a", b"\x80" + b"\xff" * 11), "out of range")


@pytest.mark.parametrize(
    "records", [b"0 a=b\n", b"1 a=b\n", b"3 a=b\n", b"-5 a=b\n", b"99999999999999999999 a=b\n", b"5 a\n"]
)
def test_records_that_lead_nowhere_are_refused(records: bytes) -> None:
    """CVE-2019-20907: a record of length 0 was the next one again, for ever."""
    refused(extension(records * 50) + block() + END, "extended header")


@pytest.mark.parametrize("typeflag", [b"x", b"X", b"g", b"L", b"K"])
def test_a_chain_of_extended_headers_is_refused(typeflag: bytes) -> None:
    content = b"name\0" if typeflag in b"LK" else record(b"comment", b"c")
    refused_stream(endless(extension(content, typeflag)), "more than 8 extended headers")


def test_a_mix_of_extended_headers_is_no_way_around() -> None:
    chain = b"".join(extension(record(b"a", b"b"), typeflag) for typeflag in (b"x", b"g")) + extension(b"n", b"L")
    refused_stream(endless(chain), "more than 8 extended headers")


def test_extended_headers_have_a_size() -> None:
    most = Limits(pax=1 << 20)
    refused(extension(record(b"comment", b"c" * MIB)) + block() + END, "more than 1048576 bytes", most)
    refused(extension(b"n" * (MIB + 1), b"L") + block() + END, "more than 1048576 bytes", most)
    half = extension(record(b"comment", b"c" * (600 << 10)))
    refused(half + half + block() + END, "more than 1048576 bytes", most)
    assert len(read(half + block() + END, most)) == 1
    refused(block(b"a", b"\x80" + bytes(5) + b"\x7f" + bytes(5), b"x"), "more than 1048576 bytes", most)


def test_global_headers_have_a_size_all_together() -> None:
    def pieces() -> Iterator[bytes]:
        number = 0
        while True:
            number += 1
            yield extension(record(b"key%d" % number, b"v" * 100_000), b"g") + block()

    refused_stream(Endless(pieces()), "global headers of more than 1048576 bytes")


def test_many_records_are_read_in_no_time() -> None:
    begun = time.monotonic()
    records = b"".join(record(b"k%d" % number, b"v") for number in range(70_000))
    raw = b"".join(extension(records) + block() for _ in range(4)) + END
    assert len(read(raw)) == 4
    assert time.monotonic() - begun < SECONDS


def test_numbers_beyond_what_a_database_holds_are_refused_or_the_last_that_it_does() -> None:
    [found] = read(extension(record(b"mtime", b"-9223372036854775808.5")) + block() + END)
    assert found.mtime == -(1 << 63)
    for key in (b"mtime", b"uid", b"gid", b"size"):
        refused(extension(record(key, b"9223372036854775808")) + block() + END, "a number in an extended header")


# --- Names ------------------------------------------------------------------------------------------------------------


def test_names_have_a_length() -> None:
    long = b"n" * (64 << 10)
    for raw in (
        extension(long + b"\0", b"L") + block(),
        extension(long + b"\0", b"K") + block(typeflag=b"2"),
        extension(record(b"path", long)) + block(),
        extension(record(b"linkpath", long)) + block(typeflag=b"1"),
        extension(record(b"GNU.sparse.name", long) + record(b"GNU.sparse.map", b"0,0")) + block(),
    ):
        refused(raw + END, "a path in the archive is longer than 4096 bytes")


def test_all_names_together_have_a_length() -> None:
    raw = tar(*(entry("n" * 90 + str(number)) for number in range(200)))
    refused(raw, "the paths in the archive are longer than 10000 bytes together", Limits(paths=10_000))
    xattrs = extension(record(b"SCHILY.xattr.user.x", b"v" * 5000)) + block()
    refused(xattrs * 3 + END, "longer than 10000 bytes together", Limits(paths=10_000))
    stretches = [(2 * number, 1) for number in range(2000)]
    refused(sparse_archive("0.1", 9000, stretches, bytes(2000)), "longer than 10000 bytes", Limits(paths=10_000))


def test_ten_thousand_folders_deep_is_a_path_like_any_other_or_too_long() -> None:
    refused(tar(entry("d/" * 10_000, type=tarfile.DIRTYPE), form="pax"), "longer than 4096 bytes")
    deep = [entry("d/" * depth, type=tarfile.DIRTYPE) for depth in range(1, 2000, 50)]
    assert len(read(tar(*deep, form="gnu"))) == 40


def test_names_that_would_do_something_to_a_terminal_are_data() -> None:
    names = ["new\nline", "\x1b[2J\x1b]0;title\a", "tab\t", "\u202egpj.exe", '"}\n{"path":"/etc/shadow', "C:\\x"]
    found = Read(tar(*(entry(name, b"x") for name in names), form="pax"))
    assert [item.path for item in found.entries] == [f"/{name}" for name in names]


def test_where_an_archive_wants_to_break_out_it_is_data() -> None:
    raw = tar(
        entry("../../etc/passwd", b"out"),
        entry("/etc/passwd", b"absolute"),
        entry("link", type=tarfile.SYMTYPE, linkname="/etc"),
        entry("link/shadow", b"through"),
        entry("hard", type=tarfile.LNKTYPE, linkname="../../etc/shadow"),
        entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        entry("disk", type=tarfile.BLKTYPE, devmajor=8),
        entry("pipe", type=tarfile.FIFOTYPE),
        entry("link/shadow", b"again"),
    )
    found = read(raw)
    assert [(item.path, item.type, item.role, item.link, item.device) for item in found] == [
        ("../../etc/passwd", "file", "outside", "", None),
        ("/etc/passwd", "file", "", "", None),
        ("/link", "symlink", "", "/etc", None),
        ("/link/shadow", "file", "", "", None),
        ("/hard", "hardlink", "", "../../etc/shadow", None),
        ("/null", "character", "", "", (1, 3)),
        ("/disk", "block", "", "", (8, 0)),
        ("/pipe", "fifo", "", "", None),
        ("/link/shadow", "file", "", "", None),
    ]


def test_what_an_extended_header_says_of_a_path_is_what_counts() -> None:
    raw = extension(record(b"path", b"../real") + record(b"size", b"3")) + block(b"shown", b"00000000000\0")
    [found] = read(raw + b"abc".ljust(512, b"\0") + END)
    assert (found.path, found.role, found.size) == ("../real", "outside", 3)


def test_nothing_is_written_where_the_parser_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Read(tar(entry("a", b"b"), entry("../b", b"c"), entry(str(tmp_path / "c"), b"d")))
    assert list(tmp_path.iterdir()) == []


# --- How many, how large ----------------------------------------------------------------------------------------------


def test_there_is_a_limit_to_entries() -> None:
    many = endless(block(b"empty"))
    refused_stream(many, "the archive has more than 8000 entries", Limits(entries=8_000))


def test_what_is_kept_does_not_grow_with_the_entries() -> None:
    def pieces() -> Iterator[bytes]:
        for number in range(8_000):
            yield block(b"folder%d/file%d" % (number, number), typeflag=b"0") + (END if number == 7_999 else b"")

    def peak(entries: Iterator[Entry]) -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in entries) == 8_000
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(Archive(pieces(), Limits()).entries()) < MIB


@pytest.mark.parametrize("form", ["old", "0.0", "0.1", "1.0"])
def test_a_hole_of_a_tebibyte_is_refused_before_it_is_read(form: str) -> None:
    size = (1 << 33) - 1 if form == "old" else 1 << 40
    refused(
        sparse_archive(form, size, [(0, 5), (size, 0)], b"start"), "files are larger than", Limits(unpacked=1 << 30)
    )


def test_many_holes_are_no_way_around() -> None:
    one = sparse_archive("1.0", 1 << 20, [(1 << 20, 0)], b"").removesuffix(block(b"next") + END)
    refused_stream(endless(one), "the layer's files are larger than 50000000 bytes", Limits(unpacked=50_000_000))


def test_maps_of_sparse_files_have_a_size() -> None:
    stretches = [(2 * number, 1) for number in range(200_000)]
    few = Limits(pax=100_000)
    refused(sparse_archive("old", 500_000, stretches, bytes(200_000)), "map of a sparse file", few)
    refused(sparse_archive("1.0", 500_000, stretches, bytes(200_000)), "map of a sparse file", few)
    refused(sparse_archive("0.1", 500_000, stretches, bytes(200_000)), "extended headers", few)
    claims = extension(record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.minor", b"0"))
    refused(claims + block(b"a", b"00000001000\0") + b"9999999999\n".ljust(512, b"\0") + END, "map of a sparse file")
    refused(claims + block(b"a", b"00000001000\0") + b"9" * 512 + END, "map of a sparse file")


# --- Compression ------------------------------------------------------------------------------------------------------


def test_a_bomb_is_refused_by_its_size() -> None:
    bomb = gzip.compress(bytes(64 * MIB))
    assert len(bomb) < 70_000  # 1028 to 1
    refused(bomb, "larger than 1048576 bytes when unpacked", Limits(unpacked=MIB))
    content = tar(entry("zeros", bytes(8 * MIB)))
    for pack in (gzip.compress, bz2.compress, zstd.compress, PACKERS["xz"]):
        refused(pack(content), "larger than 1048576 bytes", Limits(unpacked=MIB))


def test_a_bomb_is_refused_by_its_ratio() -> None:
    packer = zstd.ZstdCompressor(1)
    zeros = bytes(16 * MIB)
    bomb = b"".join(packer.compress(zeros) for _ in range(20)) + packer.flush()
    refused(bomb, "more than 2000 times as large when unpacked")


def test_a_bomb_in_a_bomb_is_a_file() -> None:
    inner = gzip.compress(bytes(MIB))
    [found] = Read(gzip.compress(tar(entry("bomb.gz", inner)))).entries
    assert (found.size, found.path) == (len(inner), "/bomb.gz")
    refused(gzip.compress(gzip.compress(LAYER)), "no tar archive|cut short")


def test_a_layer_may_have_members_but_not_without_end() -> None:
    cut = [LAYER[at : at + 10_000] for at in range(0, len(LAYER), 10_000)]
    for pack in (gzip.compress, zstd.compress, bz2.compress, PACKERS["xz"]):
        assert len(Read(b"".join(pack(part) for part in cut)).entries) == 4
        refused(pack(LAYER) + pack(b"") * 50, "more than 20 streams", Limits(streams=20))
    refused_stream(endless(gzip.compress(b"")), "more than 10000 streams", Limits(streams=10_000))
    refused_stream(endless(zstd.compress(b"")), "more than 10000 streams", Limits(streams=10_000))


def test_the_window_of_zstd_has_a_limit() -> None:
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([21 << 3]) + b"\x01\x00\x00"  # 2 GiB, and one block without bytes
    refused(frame, "damaged")
    assert Read(frame[:5] + bytes([17 << 3]) + frame[6:]).footer.entries == 0


@pytest.mark.parametrize("form", ["gzip", "zstd", "bzip2", "xz"])
def test_what_follows_the_last_stream_is_refused_as_is_one_that_is_cut_short(form: str) -> None:
    packed = PACKERS[form](LAYER)
    refused(packed + b"junk" * 10, "damaged")
    refused(packed[:-5], "cut short|damaged")


def test_bytes_count_and_not_what_they_are_called() -> None:
    """Nothing tells the parser of a media type."""
    refused(b'{"schemaVersion": 2}' * 100, "the layer is no tar archive")
    refused(b"\x1f\x8b\x08" + b"no gzip" * 100, "damaged")
    refused(os.urandom(5000), "no tar archive|damaged")
    refused(b"PK\x03\x04" + bytes(508) + b"zip", "no tar archive")


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.sampled_from(list(PACKERS)), st.integers(1, 5))
def test_damage_anywhere_is_one_error_or_none(seed: int, form: str, changes: int) -> None:
    chance = random.Random(seed)
    packed = bytearray(PACKERS[form](tar(entry("a" * 120, b"x" * 3000), entry("b", b"y"), form="gnu")))
    for _ in range(changes):
        packed[chance.randrange(len(packed))] = chance.randrange(256)
    try:
        parser.index(io.BytesIO(packed), io.BytesIO(), Limits(unpacked=8 * MIB))
    except LayerInvalid:
        pass
