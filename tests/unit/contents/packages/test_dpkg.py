import subprocess
from pathlib import Path

from tests import left_out
from tests.unit.contents.packages.reading import read, versions

STATUS = "/var/lib/dpkg/status"
OPENSSL = b"""Package: libssl3
Status: install ok installed
Priority: optional
Architecture: amd64
Source: openssl (3.0.11-1)
Version: 3.0.11-1+b1
Description: Secure Sockets Layer
 Version: of a description
 .
 Package: none
"""


def test_this_machine_has_what_dpkg_says() -> None:
    if reason := left_out.missing_programs("dpkg-query"):
        left_out.leave_out("dpkg", reason)
    form = "${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n"
    answer = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True, check=True).stdout
    expected = [line.partition(" ")[2] for line in answer.splitlines() if line.startswith("installed ")]
    assert len(expected) > 50
    found = read(STATUS, Path(STATUS).read_bytes())
    told = [f"{one.name} {one.version} {one.architecture} {one.source} {one.source_version}" for one in found]
    assert sorted(told) == sorted(expected)


def test_a_package_has_its_source() -> None:
    (package,) = read(STATUS, OPENSSL)
    assert (package.name, package.version, package.architecture) == ("libssl3", "3.0.11-1+b1", "amd64")
    assert (package.source, package.source_version) == ("openssl", "3.0.11-1")
    assert (package.ecosystem, package.path) == ("dpkg", STATUS)


def test_a_package_without_source_is_its_own() -> None:
    (package,) = read(STATUS, b"Package: curl\nStatus: install ok installed\nVersion: 1-2\n")
    assert (package.source, package.source_version) == ("curl", "1-2")
    (package,) = read(STATUS, b"Package: a\nStatus: install ok installed\nVersion: 1-2\nSource: b\n")
    assert (package.source, package.source_version) == ("b", "1-2")


def test_only_what_is_installed_counts() -> None:
    states = ("installed", "config-files", "not-installed", "half-installed", "unpacked", "half-configured")
    paragraphs = [f"Package: {state}\nStatus: deinstall ok {state}\nVersion: 1\n" for state in states]
    assert versions(STATUS, "\n".join(paragraphs).encode()) == [("installed", "1")]
    waiting = b"Package: man-db\nStatus: install ok triggers-pending\nVersion: 1\n"
    assert versions(STATUS, waiting) == [("man-db", "1")]


def test_distroless_images_have_a_file_for_each_package() -> None:
    content = b"Package: tzdata\nArchitecture: all\nVersion: 2024a-0+deb12u1\nSource: tz\n"
    (package,) = read("/var/lib/dpkg/status.d/tzdata", content)
    assert (package.name, package.version, package.source) == ("tzdata", "2024a-0+deb12u1", "tz")


def test_names_of_fields_may_be_written_anyhow() -> None:
    assert versions(STATUS, b"PACKAGE: a\nstatus: install ok installed\nversion:1\r\n") == [("a", "1")]


def test_what_is_damaged_is_left_out_and_the_rest_is_not() -> None:
    damaged = (
        b"Package: a\nVersion: 1\nSource: x\x00y (\x01)\n\nPackage: b\n\nVersion: 2\n\nPackage: c d\nVersion: 1\n\n"
    )
    assert versions(STATUS, damaged + OPENSSL) == [("a", "1"), ("libssl3", "3.0.11-1+b1")]
    assert read(STATUS, damaged)[0].source == ""
