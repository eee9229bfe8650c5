from pathlib import Path

import pytest

from orlop.contents.packages import Package
from orlop.contents.packages.sqlite_table import Database, DatabaseInvalid
from tests.unit.contents.packages.reading import read, versions
from tests.unit.contents.packages.samples import RPM_HEADER, rpm_database, rpm_header

RPMDB = "/var/lib/rpm/rpmdb.sqlite"


def bash(number: int = 0, **more: str | int) -> bytes:
    fields: dict[str, str | int] = {"t1000": f"bash{number}", "t1001": "5.1", "t1002": "2.el9", "t1022": "x86_64"}
    return rpm_header(**fields | more)


def test_a_header_of_rpm_itself_is_read(tmp_path: Path) -> None:
    assert read(RPMDB, rpm_database(tmp_path, RPM_HEADER)) == [
        Package(
            ecosystem="rpm",
            name="curlish",
            version="2:7.76.1~rc1-14",
            source="curlish",
            source_version="2:7.76.1~rc1-14",
            architecture="noarch",
            path=RPMDB,
        )
    ]


@pytest.mark.parametrize("path", ["/usr/lib/sysimage/rpm/rpmdb.sqlite", "/usr/share/rpm/rpmdb.sqlite"])
def test_all_its_places_are_known(path: str, tmp_path: Path) -> None:
    assert [package.path for package in read(path, rpm_database(tmp_path, bash()))] == [path]


def test_a_package_has_its_source(tmp_path: Path) -> None:
    (package,) = read(RPMDB, rpm_database(tmp_path, bash(t1003=0, t1044="bash-shell-5.1-2.el9.src.rpm")))
    assert (package.version, package.source, package.source_version) == ("5.1-2.el9", "bash-shell", "5.1-2.el9")


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_many_packages_and_long_ones_are_found(page_size: int, tmp_path: Path) -> None:
    headers = [bash(number, t1005="x" * (number * 40)) for number in range(400)]
    found = versions(RPMDB, rpm_database(tmp_path, *headers, page_size=page_size))
    assert found == [(f"bash{number}", "5.1-2.el9") for number in range(400)]


def test_keys_for_signatures_are_no_packages(tmp_path: Path) -> None:
    key = rpm_header(t1000="gpg-pubkey", t1001="5a6340b3", t1002="6229229e")
    assert versions(RPMDB, rpm_database(tmp_path, key, bash())) == [("bash0", "5.1-2.el9")]


def test_a_damaged_header_is_left_out_and_the_rest_is_not(tmp_path: Path) -> None:
    wild = b"\xff" * 8, b"", b"\0" * 8, bash()[:30], rpm_header(t1000="a"), rpm_header(t1000=7, t1001="1")
    assert ("bash0", "5.1-2.el9") in versions(RPMDB, rpm_database(tmp_path, *wild, bash()))


def test_other_databases_tell_of_nothing(tmp_path: Path) -> None:
    whole = rpm_database(tmp_path, bash())
    for content in (b"", b"SQLite format 3\0", b"\x00\x06\x15\x61" * 2000, whole[:4096], whole[:100] + bytes(9000)):
        assert read(RPMDB, content) == []


def test_a_cycle_of_pages_ends(tmp_path: Path) -> None:
    whole = bytearray(rpm_database(tmp_path, *[bash(number) for number in range(400)]))
    pages = range(0, len(whole), 4096)
    (root,) = (at for at in pages if at and whole[at] == 5)
    whole[root + 8 : root + 12] = (root // 4096 + 1).to_bytes(4)  # its last child is itself
    with pytest.raises(DatabaseInvalid):
        list(Database(whole).rows("Packages"))
    assert len(read(RPMDB, whole)) > 0
