"""Tarsums: as docker made them, of whatever archive, within limits."""

import hashlib
import io
import random
import tarfile
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.errors import ArchiveInvalid
from orlop.domain.v1 import tarsum
from orlop.domain.v1.tarsum import DEV, V0, V1, tarsums

JSON = b'{"id":"' + b"a" * 64 + b'"}'


def archive(*members: tuple[str, bytes | None, dict[str, Any]], form: int = tarfile.USTAR_FORMAT) -> bytes:
    """An archive of files, and of folders where there is no content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for name, content, more in members:
            info = tarfile.TarInfo(name)
            info.mode = 0o755 if content is None else 0o644
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.size = len(content or b"")
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content or b""))
    return stream.getvalue()


FIRST = archive(("etc", None, {}), ("etc/motd", b"hello\n", {}))


def by_the_formula(members: list[tuple[dict[str, str], bytes]]) -> str:
    """As the formula has it: sorted hashes of fields and content, after the JSON."""
    sums = sorted(
        hashlib.sha256("".join(key + value for key, value in fields.items()).encode() + content).hexdigest()
        for fields, content in members
    )
    return hashlib.sha256(JSON + "".join(sums).encode()).hexdigest()


def test_the_sums_of_a_known_archive() -> None:
    assert hashlib.sha256(FIRST).hexdigest() == "294e56bb5809b77bd6321849f9063cbaa85f199e357f85637a51599acab16634"
    found = tarsums([FIRST], JSON)
    assert found.sums[V0] == "tarsum+sha256:1b24cd58962af4188d039e29cc32e809e5923b6edbad72142e5e6ee65aefdf3b"
    assert found.sums[V1] == "tarsum.v1+sha256:f4c890e7def935eb1904b8450dda21e95a08fe2eefbbe404159922c577fd4692"
    assert found.sums[DEV].partition(":")[2] == found.sums[V1].partition(":")[2]
    assert not found.empty


def test_the_formula_gives_the_same() -> None:
    common = {"mode": "493", "uid": "0", "gid": "0", "size": "0", "mtime": "0", "typeflag": "5"}
    rest = {"linkname": "", "uname": "", "gname": "", "devmajor": "0", "devminor": "0"}
    folder = {"name": "etc/", **common, **rest}
    file = {"name": "etc/motd", **common, "mode": "420", "size": "6", "typeflag": "0", **rest}
    assert tarsums([FIRST], JSON).sums[V0].endswith(by_the_formula([(folder, b""), (file, b"hello\n")]))
    undated = [{key: value for key, value in fields.items() if key != "mtime"} for fields in (folder, file)]
    assert tarsums([FIRST], JSON).sums[V1].endswith(by_the_formula([(undated[0], b""), (undated[1], b"hello\n")]))


@pytest.mark.parametrize("size", [1, 7, 512, 513, 1 << 20])
def test_pieces_may_be_of_any_size(size: int) -> None:
    pieces = [FIRST[at : at + size] for at in range(0, len(FIRST), size)]
    assert tarsums(pieces, JSON) == tarsums([FIRST], JSON)


def test_the_order_of_members_does_not_matter_and_the_date_only_to_v0() -> None:
    a, b = ("a", b"1", {"mtime": 5}), ("b", b"22", {"mtime": 5})
    assert tarsums([archive(a, b)], JSON) == tarsums([archive(b, a)], JSON)
    later = tarsums([archive(a, ("b", b"22", {"mtime": 6}))], JSON).sums
    now = tarsums([archive(a, b)], JSON).sums
    assert later[V0] != now[V0]
    assert later[V1] == now[V1]


def test_of_two_members_of_one_name_the_last_counts() -> None:
    twice = archive(("a", b"old", {}), ("a", b"new", {}))
    assert tarsums([twice], JSON) == tarsums([archive(("a", b"new", {}))], JSON)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_the_same_in_every_form(form: int) -> None:
    name = "folder/" + "n" * 180
    long = ("x" * 90 + "/" + name, b"1", {})
    links = (("l", b"", {"type": tarfile.SYMTYPE, "linkname": "t" * 150}), ("ü", b"2", {}))
    found = tarsums([archive(long, *links, form=form)], JSON)
    assert found == tarsums([archive(long, *links, form=tarfile.PAX_FORMAT)], JSON)


def test_large_numbers_are_read_from_gnu_and_pax() -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        high = tarsums([archive(("a", b"", {"uid": 1 << 30, "gid": 3_000_000}), form=form)], JSON).sums
        assert high[V0] != tarsums([archive(("a", b"", {}))], JSON).sums[V0]


def test_extended_attributes_count_in_v1() -> None:
    plain = archive(("a", b"", {}), form=tarfile.PAX_FORMAT)
    more = archive(("a", b"", {"pax_headers": {"SCHILY.xattr.security.x": "y"}}), form=tarfile.PAX_FORMAT)
    assert tarsums([plain], JSON).sums[V0] == tarsums([more], JSON).sums[V0]
    assert tarsums([plain], JSON).sums[V1] != tarsums([more], JSON).sums[V1]


@pytest.mark.parametrize("content", [bytes(1024), bytes(10240), b""])
def test_an_archive_without_members_is_empty(content: bytes) -> None:
    found = tarsums([content] if content else [], JSON)
    assert found.empty
    assert found.sums[V0] == "tarsum+sha256:" + hashlib.sha256(JSON).hexdigest()


@pytest.mark.parametrize(
    "broken",
    [
        b"no archive at all".ljust(600, b"."),
        FIRST[:100],
        FIRST[:600],
        FIRST[:1030],
        FIRST[:124] + b"77777777777\0" + FIRST[136:],
        FIRST[:124] + b"\xff" * 12 + FIRST[136:],
        FIRST[:100] + b"9999999\0" + FIRST[108:],
    ],
)
def test_what_is_no_archive_is_refused(broken: bytes) -> None:
    with pytest.raises(ArchiveInvalid):
        tarsums([broken], JSON)


def header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(
    "records",
    [b"5 a=\n", b"999 path=x\n", b"0 path=x\n", b"-3 path=x\n", b"11 path=xyz\n", b"path=x\n", b"11 size=-1\n"],
)
def test_pax_records_that_are_none_are_refused(records: bytes) -> None:
    block = header("x", b"x", len(records)) + records.ljust(512, b"\0") + header("a", b"0", 0) + bytes(1024)
    if records == b"5 a=\n":
        assert tarsums([block], JSON)
        return
    with pytest.raises(ArchiveInvalid):
        tarsums([block], JSON)


def test_headers_without_end_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2019-20907 and its like: nothing is read twice, and nothing is collected for ever."""
    record = b"1000 comment" + b"=".ljust(987, b"x") + b"\n"
    chain = b"".join(header("x", b"x", 1000) + record.ljust(1024, b"\0") for _ in range(3000))
    begun = time.monotonic()
    with pytest.raises(ArchiveInvalid):
        tarsums([chain[: 512 + 1024] * 3000 + header("x", b"L", 1 << 21)], JSON)
    with pytest.raises(ArchiveInvalid):
        tarsums([header("x", b"x", (1 << 20) + 1)], JSON)
    monkeypatch.setattr(tarsum, "MOST_MEMBERS", 10)
    with pytest.raises(ArchiveInvalid, match="too many"):
        tarsums([archive(*[(str(number), b"", {}) for number in range(11)])], JSON)
    assert time.monotonic() - begun < 5


@given(st.integers(0, 1 << 32), st.integers(1, 12))
def test_whatever_is_changed_it_is_read_or_refused(seed: int, changes: int) -> None:
    source = random.Random(seed)
    broken = bytearray(archive(("a" * 120, b"1" * 700, {}), ("b", None, {}), form=tarfile.PAX_FORMAT))
    for _ in range(changes):
        broken[source.randrange(len(broken))] = source.randrange(256)
    try:
        assert tarsums([bytes(broken)], JSON).sums
    except ArchiveInvalid:
        return
