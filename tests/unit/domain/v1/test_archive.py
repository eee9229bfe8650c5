"""Reading archives: what real programs write is read as Go reads it; anything else is one error, soon."""

import io
import random
import tarfile
import time
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.errors import LayerInvalid
from orlop.domain.v1 import archive as archive_module
from orlop.domain.v1.archive import Archive, Member
from tests.unit.domain.v1.archives import END, FORMATS, block, entry, extension, record, tar


def read(pieces: Iterable[bytes]) -> list[tuple[Member, bytes]]:
    archive = Archive(pieces)
    return [(member, b"".join(archive.content())) for member in archive.members()]


NAMES = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x17F, exclude_characters="/\x7f"), min_size=1, max_size=300
)
ENTRIES = st.lists(
    st.tuples(NAMES, st.binary(max_size=1500), st.integers(0, 2**31), st.integers(-(2**33), 2**40)), max_size=5
)


@pytest.mark.parametrize("form", ["gnu", "pax"])
@given(entries=ENTRIES, size=st.integers(1, 3000))
def test_what_tarfile_writes_is_read(form: str, entries: list[tuple[str, bytes, int, int]], size: int) -> None:
    raw = tar(*(entry(name, content, uid=uid, mtime=mtime) for name, content, uid, mtime in entries), form=form)
    found = read(raw[at : at + size] for at in range(0, len(raw), size))
    assert [(member.name.decode(), content, member.uid, member.mtime) for member, content in found] == entries


@pytest.mark.parametrize("form", list(FORMATS))
def test_fields_are_as_they_stand_in_the_archive(form: str) -> None:
    long = "d/" * 60 + "name"
    found = read(
        [
            tar(
                entry("etc", type=tarfile.DIRTYPE, mode=0o755, size=0),
                entry(long, b"hello", mode=0o4644, uname="somebody", gname="users", mtime=1234567890),
                entry("link", type=tarfile.LNKTYPE, linkname=long[:90], size=7),
                entry("sym", type=tarfile.SYMTYPE, linkname="../etc"),
                entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
                entry("pipe", type=tarfile.FIFOTYPE),
                entry("last", b"x" * 513),
                form=form,
            )
        ]
    )
    members = [member for member, _ in found]
    assert [member.name for member in members] == [b"etc/", long.encode(), b"link", b"sym", b"null", b"pipe", b"last"]
    assert [member.typeflag for member in members] == [b"5", b"0", b"1", b"2", b"3", b"6", b"0"]
    assert (members[1].mode, members[1].uname, members[1].gname, members[1].mtime) == (
        0o4644,
        b"somebody",
        b"users",
        1234567890,
    )
    assert (members[2].size, found[2][1]) == (7, b"")  # a hard link has a size, and no content
    assert members[3].linkname == b"../etc"
    assert (members[4].devmajor, members[4].devminor) == (1, 3)
    assert found[6][1] == b"x" * 513


def test_long_links_of_gnu_and_pax_are_read() -> None:
    for form in ("gnu", "pax"):
        [(member, _)] = read([tar(entry("a" * 200, type=tarfile.SYMTYPE, linkname="b" * 300), form=form)])
        assert (member.name, member.linkname) == (b"a" * 200, b"b" * 300)


def test_extended_headers_say_more_than_the_header() -> None:
    records = b"".join(
        [
            record(b"path", b"p" * 300),
            record(b"mtime", b"-1.5"),
            record(b"uid", b"5000000000"),
            record(b"uname", b""),  # means the header's own
            record(b"SCHILY.xattr.user.a", b"v=\n1"),
            record(b"comment", b"nothing"),
        ]
    )
    [(member, _)] = read([extension(records) + block() + END])
    assert (member.name, member.mtime, member.uid, member.xattrs) == (b"p" * 300, -2, 5000000000, {b"user.a": b"v=\n1"})


def test_a_global_header_is_a_member_that_says_nothing_of_others() -> None:
    found = read([extension(record(b"path", b"all"), b"g") + block(b"one") + END])
    assert [(member.name, member.typeflag) for member, _ in found] == [(b"ext", b"g"), (b"one", b"0")]


def test_only_devices_have_device_numbers() -> None:
    head = bytearray(block())
    head[329:337] = b"0000007\0"
    total = sum(head) - sum(head[148:156]) + 256
    head[148:156] = b"%06o\0 " % total
    assert read([bytes(head) + END])[0][0].devmajor == 0


def test_a_checksum_may_be_of_signed_bytes() -> None:
    head = bytearray(block(b"\xff\xfe"))
    total = sum(byte - 256 * (byte > 127) for byte in head[:148] + b" " * 8 + head[156:])
    head[148:156] = b"%06o\0 " % total
    assert read([bytes(head) + END])[0][0].name == b"\xff\xfe"


@pytest.mark.parametrize(
    "end", [b"", bytes(512), bytes(1024), bytes(10240), bytes(1024) + b"what follows is not looked at"]
)
def test_the_end_may_be_there_or_not(end: bytes) -> None:
    assert len(read([block() + end])) == 1


def test_everything_is_read_to_its_end() -> None:
    taken = []

    def pieces() -> Iterator[bytes]:
        for piece in (block() + END, b"behind", b"it"):
            taken.append(piece)
            yield piece

    read(pieces())
    assert taken[-1] == b"it"


HUGE = b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "raw",
    [
        b"x",
        b"no archive " * 100,
        block()[:511],
        block(size=b"00000001000\0") + bytes(511),
        block(size=HUGE),
        block(size=b"\xff" * 12) + END,  # minus one, in binary: CVE-2025-8194
        block(size=b"\xff" * 11 + b"\0", typeflag=b"5") + END,
        block(size=b"\x80" + b"\xff" * 11) + END,
        block(size=b"0000000008\0 ") + END,
        block(size=b"-0000000001\0") + END,
        block(size=b"+0000000001\0") + END,
        block(size=b"0_0000001\0\0\0") + END,
        block(uid=b"zzzzzzz\0") + END,
        block() + bytes(512) + block() + END,
        block(typeflag=b"S") + END,
        extension(record(b"size", b"-1")) + block() + END,
        extension(record(b"size", b"1e3")) + block() + END,
        extension(record(b"size", b"9" * 30)) + block() + END,
        extension(record(b"size", str(2**63 - 1).encode())) + block() + END,
        extension(record(b"mtime", b"1.x")) + block() + END,
        extension(record(b"GNU.sparse.map", b"0,1")) + block() + END,
        extension(b"5 a=b") + block() + END,
        extension(b"999 a=b\n") + block() + END,
        extension(b"0 a=b\n") + block() + END,
        extension(b"-6 a=b\n") + block() + END,
        extension(b"3 \n") + block() + END,
        extension(b"\xb2 a=b\n") + block() + END,  # a digit that is none in ASCII
        extension(b"4 =\n") + block() + END,
        extension(b"9" * 5000 + b" a=b\n") + block() + END,
        extension(b"6 a=b\n") + END,
        extension(b"6 a=b\n"),
        block(size=b"77777777777\0", typeflag=b"x") + END,
        block(size=b"77777777777\0", typeflag=b"L") + END,
        extension(record(b"a", b"b")) * 1000 + block() + END,
        extension(b"name\0", b"L") * 1000 + block() + END,
        block(typeflag=b"x") * 1000 + END,
    ],
)
def test_what_is_no_archive_is_refused_by_the_one_error(raw: bytes) -> None:
    for size in (len(raw), 100):
        with pytest.raises(LayerInvalid):
            read(raw[at : at + size] for at in range(0, len(raw), size))


def test_headers_and_extended_headers_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "MAX_HEADERS", 100)
    assert len(read([block() * 100 + END])) == 100
    with pytest.raises(LayerInvalid, match="more than 100 headers"):
        read([block() * 101 + END])
    monkeypatch.setattr(archive_module, "MAX_EXTENSION_BYTES", 1000)
    with pytest.raises(LayerInvalid, match="too large"):
        read([(extension(record(b"a", b"b" * 300)) + block()) * 4 + END])


def test_large_content_is_passed_over_in_little_memory() -> None:
    piece = bytes(1 << 20)

    def pieces() -> Iterator[bytes]:
        yield block(size=b"%011o\0" % (200 << 20))
        yield from (piece for _ in range(200))
        yield END

    tracemalloc.start()
    try:
        assert len(list(Archive(pieces()).members())) == 1
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.timeout(60)
def test_many_records_cost_time_in_proportion() -> None:
    records = extension(record(b"k", b"") * ((1 << 20) // 5))
    begun = time.monotonic()
    read([records + block() + END])
    assert time.monotonic() - begun < 10


@pytest.mark.timeout(120)
def test_whatever_is_changed_in_an_archive_gives_members_or_the_one_error() -> None:
    chance = random.Random(3)
    raw = b"".join(
        tar(entry("n" * 150, b"hello" * 200, uname="ü"), entry("dir", type=tarfile.DIRTYPE), form=form)[:4096]
        for form in FORMATS
        if form != "ustar"
    )
    raw += extension(record(b"SCHILY.xattr.user.a", b"1") + record(b"mtime", b"1.5")) + block() + END
    for _ in range(4000):
        damaged = bytearray(raw)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.choice([0, 0x30, 0x37, 0x80, 0xFF, chance.randrange(256)])
        if chance.random() < 0.9:  # checksums put right, so that what is behind them is reached
            for at in range(0, len(damaged) - 511, 512):
                if damaged[at + 257 : at + 262] == b"ustar":
                    total = sum(damaged[at : at + 512]) - sum(damaged[at + 148 : at + 156]) + 256
                    damaged[at + 148 : at + 156] = b"%06o\0 " % total
        try:
            read([bytes(damaged)])
        except LayerInvalid:
            pass


def test_tarfile_reads_the_same() -> None:
    raw = tar(*(entry(f"file{number}", b"x" * number) for number in range(600)), form="gnu")
    with tarfile.open(fileobj=io.BytesIO(raw)) as other:
        assert [member.name.decode() for member, _ in read([raw])] == [info.name for info in other]
