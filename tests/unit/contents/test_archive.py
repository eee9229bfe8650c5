"""Reading archives: what real programs write is read as Python's tarfile reads it, entry by entry and byte by byte."""

import base64
import hashlib
import io
import math
import os
import random
import subprocess
import tarfile
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orlop.contents.archive import Archive
from orlop.contents.entry import Entry
from orlop.contents.limits import Limits
from orlop.domain.errors import LayerInvalid
from tests.unit.domain.v1.archives import END, FORMATS, block, entry, extension, record, tar

LIMITS = Limits()
_TYPES = {
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "character",
    tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "directory",
    tarfile.FIFOTYPE: "fifo",
}


def read(raw: bytes, limits: Limits = LIMITS, size: int = 1 << 20) -> list[Entry]:
    return list(Archive((raw[at : at + size] for at in range(0, len(raw), size)), limits).entries())


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def content_at(raw: bytes, found: Entry) -> bytes:
    """What a reader finds at the offset of an entry."""
    if not found.sparse:
        return raw[found.offset : found.offset + found.size] if found.size else b""
    content = bytearray(found.size)
    at = found.offset
    for offset, length in found.sparse:
        content[offset : offset + length] = raw[at : at + length]
        at += length
    return bytes(content)


def normal(name: str) -> bytes:
    parts = name.encode("utf-8", "surrogateescape").split(b"/")
    return b"/" + b"/".join(part for part in parts if part not in (b"", b"."))


def expected(raw: bytes) -> list[tuple[object, ...]]:
    """By tarfile, in the terms of `facts`."""
    rows: list[tuple[object, ...]] = []
    with tarfile.open(fileobj=io.BytesIO(raw), encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            content = file.read() if file else b""
            kind = _TYPES.get(member.type, "file")
            link = b""
            if kind == "symlink":
                link = member.linkname.encode("utf-8", "surrogateescape")
            elif kind == "hardlink":
                link = normal(member.linkname)
            device = (member.devmajor, member.devminor) if member.isdev() and not member.isfifo() else None
            numbers = (member.mode & 0o7777, member.uid, member.gid, math.floor(member.mtime))
            # It takes the made-up name of a sparse file where a header has that too.
            name = member.pax_headers.get("GNU.sparse.name", member.name)
            rows.append((normal(name), kind, link, device, *numbers, content if kind == "file" else b""))
    return rows


def facts(raw: bytes, found: list[Entry]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for item in found:
        content = content_at(raw, item)
        if item.type == "file":
            assert item.digest == sha256(content)
        numbers = (item.mode, item.uid, item.gid, item.mtime)
        rows.append((item.raw_path, item.type, item.raw_link, item.device, *numbers, content))
    return rows


def check(raw: bytes, size: int = 1 << 20) -> list[Entry]:
    found = read(raw, size=size)
    assert facts(raw, found) == expected(raw)
    return found


COMPONENT = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=0x17F, exclude_characters="/\x7f"), min_size=1, max_size=120),
    st.binary(min_size=1, max_size=20).map(
        lambda raw: raw.translate(None, b"\0/").decode("utf-8", "surrogateescape") or "x"
    ),
).filter(lambda name: name not in (".", "..") and not name.startswith(".wh."))
NAME = st.lists(COMPONENT, min_size=1, max_size=4).map("/".join)
TYPE = st.sampled_from([tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, *_TYPES])


@st.composite
def infos(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    kind = draw(TYPE)
    content = draw(st.binary(max_size=1500)) if kind in tarfile.REGULAR_TYPES else b""
    return entry(
        draw(NAME),
        content,
        type=kind,
        mode=draw(st.integers(0, 0o7777)),
        uid=draw(st.integers(0, 0o7777777)),
        gid=draw(st.integers(0, 0o7777777)),
        mtime=draw(st.integers(0, 2**33)),
        linkname=draw(NAME) if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else "",
        devmajor=draw(st.integers(0, 4095)),
        devminor=draw(st.integers(0, 0o7777777)),
    )


@pytest.mark.parametrize("form", list(FORMATS))
@settings(max_examples=100)
@given(entries=st.lists(infos(), max_size=6), size=st.integers(1, 5000))
def test_what_tarfile_writes_is_read_as_tarfile_reads_it(
    form: str, entries: list[tuple[tarfile.TarInfo, bytes]], size: int
) -> None:
    try:
        raw = tar(*entries, form=form)
    except (ValueError, UnicodeEncodeError):
        assume(False)
    check(raw, size)


@settings(max_examples=50)
@given(
    mtime=st.integers(-(2**40), 2**40).map(lambda number: number / 1024),
    uid=st.integers(0, 2**40),
    xattrs=st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="="), min_size=1, max_size=20),
        st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=40),
        max_size=4,
    ),
)
def test_pax_says_what_a_header_cannot(mtime: float, uid: int, xattrs: dict[str, str]) -> None:
    headers = {f"SCHILY.xattr.{key}": value for key, value in xattrs.items()}
    raw = tar(entry("a", b"b", mtime=mtime, uid=uid, pax_headers=headers), form="pax")
    [found] = check(raw)
    assert {key: base64.b64decode(value).decode() for key, value in found.xattrs.items()} == xattrs


@settings(max_examples=50)
@given(number=st.integers(-(2**40), 2**40))
def test_numbers_of_gnu_in_binary(number: int) -> None:
    [found] = check(tar(entry("a", mtime=number, uid=abs(number)), form="gnu"))
    assert (found.mtime, found.uid) == (number, abs(number))


def test_times_are_rounded_down() -> None:
    raw = tar(*(entry("a", mtime=mtime) for mtime in (1.5, -0.5, -2.0)), form="pax")
    assert [found.mtime for found in check(raw)] == [1, -1, -2]


def test_global_headers_hold_for_all_that_follow() -> None:
    raw = b"".join(
        [
            extension(record(b"uid", b"7") + record(b"comment", b"by git"), b"g"),
            block(b"a"),
            extension(record(b"uid", b"8")),
            block(b"b"),
            extension(record(b"uid", b"")),
            block(b"c", uid=b"0000003\0"),
            extension(record(b"uid", b""), b"g"),
            block(b"d"),
            extension(record(b"gid", b"9"), b"g"),
            END,
        ]
    )
    assert [(found.path, found.uid) for found in read(raw)] == [("/a", 7), ("/b", 8), ("/c", 3), ("/d", 0)]


def test_gnu_long_names_are_the_last_word() -> None:
    long = extension(b"l/" * 80 + b"long\0", b"L")
    pax = extension(record(b"path", b"pax") + record(b"hdrcharset", b"BINARY"))
    for raw in (long + pax, pax + long):
        [found] = read(raw + block(b"short") + END)
        assert found.path == "/" + "l/" * 80 + "long"


def test_names_end_at_their_first_nul() -> None:
    raw = b"".join(
        [extension(record(b"path", b"a\0b")), block(), extension(b"c\0d\0", b"L"), block(), block(b"e\0f"), END]
    )
    assert [found.path for found in read(raw)] == ["/a", "/c", "/e"]


@pytest.mark.parametrize(
    ("name", "path", "role"),
    [
        ("./x", "/x", ""),
        ("x", "/x", ""),
        ("/x", "/x", ""),
        ("x/", "/x", ""),
        ("a//b", "/a/b", ""),
        ("a/./b", "/a/b", ""),
        (".a/..b/...", "/.a/..b/...", ""),
        ("../x", "../x", "outside"),
        ("a/../x", "a/../x", "outside"),
        ("/..", "/..", "outside"),
        ("./", "/", "outside"),
        ("", "/", "outside"),
        (".wh.x", "/.wh.x", "whiteout"),
        ("a/.wh.x", "/a/.wh.x", "whiteout"),
        ("a/.wh..x", "/a/.wh..x", "whiteout"),
        ("a/.wh..wh..opq", "/a/.wh..wh..opq", "opaque"),
        (".wh..wh.aufs", "/.wh..wh.aufs", "metadata"),
        (".wh..wh.plnk/1.2", "/.wh..wh.plnk/1.2", "metadata"),
        (".wh..wh.plnk/.wh..wh..opq", "/.wh..wh.plnk/.wh..wh..opq", "metadata"),
        ("a/.wh.", "/a/.wh.", "metadata"),
        ("a/.wh..", "/a/.wh..", "metadata"),
        ("a/.wh...", "/a/.wh...", "metadata"),
        ("a.wh.b/x.wh.", "/a.wh.b/x.wh.", ""),
    ],
)
def test_paths_are_absolute_and_normal_and_some_have_a_role(name: str, path: str, role: str) -> None:
    [found] = read(tar(entry(name, b"content"), form="gnu") if name else block(b"", b"00000000000\0") + END)
    assert (found.path, found.role) == (path, role)


def test_the_root_may_be_a_directory() -> None:
    for name in ("./", "/", "."):
        [found] = read(tar(entry(name, type=tarfile.DIRTYPE)))
        assert (found.path, found.type, found.role) == ("/", "directory", "")


def test_links_have_targets() -> None:
    raw = tar(
        entry("s", type=tarfile.SYMTYPE, linkname="../a/./b"),
        entry("h", type=tarfile.LNKTYPE, linkname="./a//b", size=99),
        entry("o", type=tarfile.LNKTYPE, linkname="../a"),
        entry("last", b"read"),
    )
    assert [(found.path, found.link) for found in read(raw)] == [
        ("/s", "../a/./b"),
        ("/h", "/a/b"),
        ("/o", "../a"),
        ("/last", ""),
    ]


def test_paths_that_are_no_text_are_whole_in_base64() -> None:
    [found] = read(block(b"caf\xe9/\xff") + END)
    assert (found.path, found.raw_path) == ("/caf\ufffd/\ufffd", b"/caf\xe9/\xff")


def test_types_without_content_have_none_and_those_that_nobody_knows_are_files() -> None:
    claimed = b"00000001000\0"
    for typeflag in b"123456":
        found = read(block(b"a", claimed, bytes([typeflag])) + block(b"b") + END)
        assert [(item.path, item.size, item.offset) for item in found] == [("/a", 0, -1), ("/b", 0, -1)]
    for typeflag in b"0\x007zAV":
        raw = block(b"a", claimed, bytes([typeflag])) + b"x" * 512 + block(b"b") + END
        found = read(raw)
        assert [(item.path, item.type, item.size) for item in found] == [("/a", "file", 512), ("/b", "file", 0)]
        assert content_at(raw, found[0]) == b"x" * 512


def test_before_posix_a_directory_was_a_file_whose_name_ends_so() -> None:
    raw = block(b"a/", typeflag=b"\0") + block(b"b/", typeflag=b"0") + END
    assert [(found.path, found.type) for found in read(raw)] == [("/a", "directory"), ("/b", "file")]
    # Not by the short name that a long one replaces (CVE-2025-13462).
    raw = extension(b"a/b\0", b"L") + block(b"a/", b"00000000001\0", typeflag=b"\0") + b"x".ljust(512) + END
    assert [(found.path, found.type, found.size) for found in read(raw)] == [("/a/b", "file", 1)]


def test_a_directory_of_gnu_with_its_listing_is_a_directory() -> None:
    found = read(block(b"a/", b"00000000004\0", b"D") + b"Yb\0\0".ljust(512, b"\0") + block(b"a/b") + END)
    assert [(item.path, item.type, item.size) for item in found] == [("/a", "directory", 0), ("/a/b", "file", 0)]


def test_times_of_gnu_are_no_prefix_but_names_that_old_go_wrote_there_are() -> None:
    def gnu(prefix: bytes) -> bytes:
        head = bytearray(block(b"name")[:345] + prefix.ljust(155, b"\0") + bytes(12))
        head[257:265] = b"ustar  \0"
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        return bytes(head)

    raw = gnu(b"14321217737\x0014321217737\0") + gnu(b"some/folder") + END
    assert [found.path for found in read(raw)] == ["/name", "/some/folder/name"]


def test_an_archive_without_members_is_an_empty_layer() -> None:
    for raw in (b"", END, bytes(512), bytes(10240), extension(record(b"comment", b"x"), b"g") + END):
        assert read(raw) == []


def test_what_follows_the_end_is_read_past() -> None:
    assert len(read(tar(entry("a", b"b")) + b"garbage" * 999)) == 1


@pytest.mark.parametrize("form", ["gnu", "pax"])
def test_an_archive_that_is_cut_short_is_refused_wherever_it_is_cut(form: str) -> None:
    raw = tar(entry("n" * 150, b"x" * 700), entry("last", b"y" * 600), form=form)
    end = raw.index(b"y" * 600) + 600  # the padding may be missing, and the end of the archive
    for cut in range(1, end):
        with pytest.raises(LayerInvalid) if cut not in _ends(raw) else nullcontext():
            read(raw[:cut])
    for cut in (end, end + 1, len(raw) - 1024):
        assert len(read(raw[:cut])) == 2


def _ends(raw: bytes) -> range:
    """Where the first member ends, with its padding, and the next has not begun."""
    end = raw.index(b"x" * 700) + 700
    return range(end, end + 324 + 1)


@settings(max_examples=100)
@given(st.data())
def test_damage_is_one_error_or_none(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["gnu", "pax"]))
    raw = bytearray(tar(entry("é" * 80, b"x" * 700, mtime=1.5), entry("b", type=tarfile.LNKTYPE), form=form))
    raw += sparse_archive("1.0", 5000, [(0, 10), (100, 600)], b"z" * 610)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(raw))
    except LayerInvalid:
        pass


# --- Sparse files -----------------------------------------------------------------------------------------------------


def octal(number: int) -> bytes:
    return b"%011o\0" % number


def sparse_archive(form: str, size: int, stretches: list[tuple[int, int]], data: bytes) -> bytes:
    """One sparse file `real` in one of GNU tar's four forms."""
    padded = data + bytes(-len(data) % 512)
    if form == "old":
        return _old_sparse(size, stretches, len(data)) + padded + block(b"next") + END
    count = record(b"GNU.sparse.numblocks", b"%d" % len(stretches))
    if form == "0.0":
        pairs = (
            record(b"GNU.sparse.offset", b"%d" % offset) + record(b"GNU.sparse.numbytes", b"%d" % length)
            for offset, length in stretches
        )
        records = record(b"GNU.sparse.size", b"%d" % size) + count + b"".join(pairs)
        return extension(records) + block(b"real", octal(len(data))) + padded + block(b"next") + END
    name = record(b"GNU.sparse.name", b"real")
    numbers = [b"%d" % number for stretch in stretches for number in stretch]
    if form == "0.1":
        records = (
            record(b"GNU.sparse.size", b"%d" % size) + count + name + record(b"GNU.sparse.map", b",".join(numbers))
        )
        return extension(records) + block(b"made/up", octal(len(data))) + padded + block(b"next") + END
    version = record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.minor", b"0")
    lines = b"".join(b"%s\n" % number for number in [b"%d" % len(stretches), *numbers])
    lines += bytes(-len(lines) % 512)
    head = extension(version + name + record(b"GNU.sparse.realsize", b"%d" % size))
    return head + block(b"made/up", octal(len(lines) + len(data))) + lines + padded + block(b"next") + END


def _old_sparse(size: int, stretches: list[tuple[int, int]], stored: int) -> bytes:
    pairs = [octal(offset) + octal(length) for offset, length in stretches]
    head = bytearray(block(b"real", octal(stored), b"S"))
    head[257:265] = b"ustar  \0"
    head[386:482] = b"".join(pairs[:4]).ljust(96, b"\0")
    head[482] = len(pairs) > 4
    head[483:495] = octal(size)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    more = pairs[4:]
    blocks = [more[at : at + 21] for at in range(0, len(more), 21)]
    return bytes(head) + b"".join(
        b"".join(part).ljust(504, b"\0") + bytes([part is not blocks[-1]]) + bytes(7) for part in blocks
    )


@st.composite
def sparse_files(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], bytes]:
    gaps = draw(st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 700)), max_size=60))
    at = 0
    stretches = []
    for gap, length in gaps:
        stretches.append((at + gap, length))
        at += gap + length
    data = random.Random(at).randbytes(sum(length for _, length in stretches))
    size = at + draw(st.integers(0, 5000))
    if not stretches or draw(st.booleans()):
        stretches.append((size, 0))  # GNU tar ends each map so
    return size, stretches, data


@pytest.mark.parametrize("form", ["old", "0.0", "0.1", "1.0"])
@settings(max_examples=40)
@given(file=sparse_files(), size=st.integers(1, 5000))
def test_sparse_files_are_read_with_their_holes(
    form: str, file: tuple[int, list[tuple[int, int]], bytes], size: int
) -> None:
    total, stretches, data = file
    raw = sparse_archive(form, total, stretches, data)
    found, following = read(raw, size=size)
    whole = bytearray(total)
    at = 0
    for offset, length in stretches:
        whole[offset : offset + length] = data[at : at + length]
        at += length
    assert (found.path, found.type, found.size, following.path) == ("/real", "file", total, "/next")
    assert content_at(raw, found) == whole
    assert found.digest == sha256(whole)
    assert bool(found.sparse) == bool(total)
    assert facts(raw, [found, following]) == expected(raw)


def test_a_file_that_is_one_hole_is_told_from_one_that_is_not_sparse() -> None:
    found, _ = read(sparse_archive("1.0", 4096, [], b""))
    assert (found.size, found.sparse) == (4096, ((4096, 0),))
    assert found.digest == sha256(bytes(4096))


@pytest.mark.parametrize(
    ("size", "stretches", "stored"),
    [
        (100, [(50, 60)], 60),  # beyond the end
        (100, [(50, 10), (40, 10)], 20),  # backwards
        (100, [(0, 20), (10, 20)], 40),  # twice
        (100, [(0, 10)], 20),  # more data than stretches
        (100, [(0, 20)], 10),
    ],
)
def test_a_map_that_does_not_fit_is_refused(size: int, stretches: list[tuple[int, int]], stored: int) -> None:
    for form in ("old", "0.0", "0.1", "1.0"):
        with pytest.raises(LayerInvalid, match="sparse"):
            read(sparse_archive(form, size, stretches, bytes(stored)))


# --- What the system's tar writes -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    (root / "etc").mkdir(mode=0o750)
    (root / "etc/passwd").write_bytes(b"root:x:0:0\n")
    (root / "etc/empty").touch(mode=0o4755)
    (root / "etc/hard").hardlink_to(root / "etc/passwd")
    (root / "etc/soft").symlink_to("../etc/./passwd")
    (root / "large").write_bytes(random.Random(1).randbytes(3_000_000))
    os.mkfifo(root / "pipe")
    os.utime(root / "etc/passwd", ns=(0, 1_234_567_890_987_654_321))
    return root


@pytest.fixture(scope="module")
def long_tree(tree: Path) -> Path:
    deep = tree / ("folder" * 15) / ("below" * 18)
    deep.mkdir(parents=True)
    (deep / ("n" * 120)).write_bytes(b"deep")
    (deep / "link").symlink_to("t" * 200)
    (tree / os.fsdecode(b"caf\xe9")).write_bytes(b"no text")
    (tree / "new\nline\x1b[31m").write_bytes(b"tricky")
    return tree


def system_tar(folder: Path, *options: str) -> bytes:
    command = ["tar", "--create", "--sort=name", *options, "--directory", str(folder), "."]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


@pytest.mark.parametrize("form", ["v7", "ustar", "gnu", "oldgnu", "posix"])
def test_what_the_systems_tar_writes_is_read(form: str, tree: Path) -> None:
    found = check(system_tar(tree, f"--format={form}", "--exclude=folder*", *(["--exclude=pipe"] * (form == "v7"))))
    assert "/etc/passwd" in [item.path for item in found]


@pytest.mark.parametrize("form", ["gnu", "oldgnu", "posix"])
def test_long_and_strange_names_of_the_systems_tar_are_read(form: str, long_tree: Path) -> None:
    found = check(system_tar(long_tree, f"--format={form}"))
    assert {b"/caf\xe9", b"/new\nline\x1b[31m"} <= {item.raw_path for item in found}


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=posix", "--sparse-version=0.0"],
        ["--format=posix", "--sparse-version=0.1"],
        ["--format=posix", "--sparse-version=1.0"],
    ],
    ids=["gnu", "0.0", "0.1", "1.0"],
)
def test_sparse_files_of_the_systems_tar_are_read(options: list[str], tmp_path: Path) -> None:
    for name, places in {"start": [0], "end": [999_000], "many": range(0, 8_000_000, 200_000), "hole": []}.items():
        _write_sparse(tmp_path / name, places)
    _write_sparse(tmp_path / ("long" * 40), [400_000])
    raw = system_tar(tmp_path, "--sparse", *options)
    found = check(raw)
    assert [item.path for item in found if item.sparse] == ["/end", "/hole", "/" + "long" * 40, "/many", "/start"]


def _write_sparse(path: Path, places: Iterable[int]) -> None:
    with path.open("wb") as file:
        file.truncate(1_000_000)
        for place in places:
            file.seek(place)
            file.write(b"data at %d" % place)
