"""Tarsums: the sums that docker makes, whatever the archive is packed like."""

import hashlib
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.errors import LayerInvalid
from orlop.domain.v1 import tarsum as tarsum_module
from orlop.domain.v1.checksums import TARSUM, TARSUM_DEV, TARSUM_V1, PayloadChecksum
from orlop.domain.v1.tarsum import is_empty_tar, tarsums
from tests.unit.domain.v1.archives import END, block, entry, extension, record, tar

JSON = b'{"id":"' + b"a" * 64 + b'"}'
TWO = tar(entry("etc", type=tarfile.DIRTYPE, mode=0o755), entry("etc/motd", b"hello\n", mode=0o644))


def sha(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


FOLDER = (b"nameetc/mode493uid0gid0size0", b"typeflag5linknameunamegnamedevmajor0devminor0")
FILE = (b"nameetc/motdmode420uid0gid0size6", b"typeflag0linknameunamegnamedevmajor0devminor0hello\n")


def test_the_sums_are_those_of_the_formulas_written_out() -> None:
    v0 = sorted([sha(FOLDER[0], b"mtime0", FOLDER[1]), sha(FILE[0], b"mtime0", FILE[1])])
    v1 = sorted([sha(*FOLDER), sha(*FILE)])
    assert tarsums([TWO], JSON) == {
        TARSUM: "tarsum+sha256:" + sha(JSON, "".join(v0).encode()),
        TARSUM_V1: "tarsum.v1+sha256:" + sha(JSON, "".join(v1).encode()),
        TARSUM_DEV: "tarsum.dev+sha256:" + sha(JSON, "".join(v1).encode()),
    }


def test_the_sums_of_a_known_archive() -> None:
    assert hashlib.sha256(TWO).hexdigest() == "294e56bb5809b77bd6321849f9063cbaa85f199e357f85637a51599acab16634"
    payload = PayloadChecksum(JSON)
    payload.update(TWO)
    assert payload.checksum() == "sha256:9ad1e742cf20cabbdac52c0f8c8dc2f1ea0f61e668ab0e33fdc4018304faf59a"
    sums = tarsums([TWO], JSON)
    assert sums[TARSUM] == "tarsum+sha256:1b24cd58962af4188d039e29cc32e809e5923b6edbad72142e5e6ee65aefdf3b"
    assert sums[TARSUM_V1] == "tarsum.v1+sha256:f4c890e7def935eb1904b8450dda21e95a08fe2eefbbe404159922c577fd4692"


def member(name: str, content: bytes = b"", **fields: object) -> bytes:
    return tar(entry(name, content, **{"mode": 0} | fields), form="pax")


OWNED = {"uid": 1000, "gid": 1000, "uname": "slartibartfast", "gname": "users"}


def attributed(**attributes: str) -> bytes:
    headers = {f"SCHILY.xattr.user.{key}": value for key, value in attributes.items()}
    return member("xattrs.txt", b"test", **OWNED, pax_headers=headers)


@pytest.mark.parametrize(
    ("raw", "label", "expected"),
    [
        (member("file.txt"), TARSUM, "626c4a2e9a467d65c33ae81f7f3dedd4de8ccaee72af73223c4bc4718cbc7bbd"),
        (member("file.txt"), TARSUM_DEV, "6ffd43a1573a9913325b4918e124ee982a99c0f3cba90fc032a65f5e20bdd465"),
        (
            member("another.txt", b"test", **OWNED),
            TARSUM_DEV,
            "b38166c059e11fb77bef30bf16fba7584446e80fcc156ff46d47e36c5305d8ef",
        ),
        (
            attributed(key1="value1", key2="value2"),
            TARSUM_DEV,
            "4cc2e71ac5d31833ab2be9b4f7842a14ce595ec96a37af4ed08f87bc374228cd",
        ),
        (
            attributed(KEY1="value1", key2="value2"),
            TARSUM_DEV,
            "65f4284fa32c0d4112dd93c3637697805866415b570587e4fd266af241503760",
        ),
        (attributed(NOT="CALCULATED"), TARSUM, "c12bb6f1303a9ddbf4576c52da74973c00d14c109bcfa76b708d5da1154a07fa"),
        # Go before 1.11 leaves the type of an old regular file as the NUL that it is.
        (
            tar(entry("/testdata0", bytes(1 << 20), mode=0o755, type=tarfile.AREGTYPE)),
            TARSUM,
            "8bf12d7e67c51ee2e8306cba569398b1b9f419969521a12ffb9d8875e8836738",
        ),
    ],
)
def test_the_sums_are_those_that_dockers_own_tests_expect(raw: bytes, label: str, expected: str) -> None:
    """The figures are from pkg/tarsum/tarsum_test.go of moby."""
    assert tarsums([raw], b"")[label] == f"{label}:{expected}"


def test_an_empty_archive_has_the_sum_of_the_json() -> None:
    for raw in (b"", END, bytes(10240), tar()):
        assert tarsums([raw], JSON)[TARSUM] == "tarsum+sha256:" + sha(JSON)
        assert is_empty_tar([raw])


@given(st.integers(1, 4000), st.permutations(["a", "b", "c", "d"]))
def test_neither_packing_nor_order_changes_a_sum(size: int, names: list[str]) -> None:
    expected = tarsums([tar(*(entry(name, name.encode() * 700) for name in "abcd"), form="pax")], JSON)
    for form in ("ustar", "gnu", "pax"):
        raw = tar(*(entry(name, name.encode() * 700) for name in names), form=form)
        assert tarsums((raw[at : at + size] for at in range(0, len(raw), size)), JSON) == expected


def test_times_and_attributes_count_in_the_versions_that_have_them() -> None:
    plain, later, attributed_ = (
        tarsums([tar(entry("a", b"x", **fields), form="pax")], JSON)
        for fields in ({}, {"mtime": 5}, {"pax_headers": {"SCHILY.xattr.user.x": "1"}})
    )
    assert later[TARSUM] != plain[TARSUM]
    assert later[TARSUM_V1] == plain[TARSUM_V1]
    assert attributed_[TARSUM] == plain[TARSUM]
    assert attributed_[TARSUM_V1] != plain[TARSUM_V1]


def test_attributes_and_names_are_bytes() -> None:
    raw = extension(record(b"SCHILY.xattr.security.capability", b"\1\0\0\2\xff")) + block(b"\xff\xfe") + END
    header = b"name\xff\xfemode420uid0gid0size0typeflag0linknameunamegnamedevmajor0devminor0"
    one = sha(header, b"security.capability", b"\1\0\0\2\xff")
    assert tarsums([raw], JSON)[TARSUM_V1].hex == sha(JSON, one.encode())


FIRST, SECOND, OTHER = entry("./a", b"first"), entry("a", b"second"), entry("b", b"other")


def test_of_one_path_the_last_counts_in_the_first_version_and_all_in_the_later_ones() -> None:
    both, turned = (tarsums([tar(*entries)], JSON) for entries in ((FIRST, SECOND), (SECOND, FIRST)))
    alone = tarsums([tar(SECOND)], JSON)
    assert both[TARSUM] == alone[TARSUM]
    assert len({both[TARSUM_V1], turned[TARSUM_V1], alone[TARSUM_V1]}) == 3
    with_other = {
        tarsums([tar(*entries)], JSON)[TARSUM_V1] for entries in ((FIRST, SECOND, OTHER), (OTHER, FIRST, SECOND))
    }
    assert len(with_other) == 1


def test_members_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarsum_module, "MAX_MEMBERS", 3)
    assert tarsums([block() * 3 + END], JSON)
    with pytest.raises(LayerInvalid, match="more than 3 members"):
        tarsums([block() * 4 + END], JSON)


def test_an_archive_with_any_member_is_not_empty() -> None:
    assert not is_empty_tar([TWO])
    assert not is_empty_tar([tar(entry("./", type=tarfile.DIRTYPE))])
    with pytest.raises(LayerInvalid):
        is_empty_tar([b"no archive"])
