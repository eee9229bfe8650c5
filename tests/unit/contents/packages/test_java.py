import zipfile

import pytest

from orlop.contents.packages import Package
from tests.unit.contents.packages.reading import read, versions
from tests.unit.contents.packages.samples import archive, pom

LOG4J = pom("org.apache.logging.log4j", "log4j-core", "2.14.1")
MANIFEST = "META-INF/MANIFEST.MF"


def test_what_maven_wrote_counts() -> None:
    assert read("/app/renamed.jar", archive({MANIFEST: b"Implementation-Version: 9\n", **LOG4J})) == [
        Package(
            ecosystem="java",
            name="org.apache.logging.log4j:log4j-core",
            version="2.14.1",
            source="log4j-core",
            path="/app/renamed.jar",
        )
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives_in_archives_are_opened(method: int) -> None:
    inner = archive(LOG4J)
    war = archive({"WEB-INF/lib/log4j-core-2.14.1.jar": inner, "WEB-INF/lib/plain-1.0.jar": archive({})}, method)
    ear = archive({"shop.war": war}, method)
    assert ("org.apache.logging.log4j:log4j-core", "2.14.1") in versions("/srv/shop.ear", ear)
    assert ("plain", "1.0") in versions("/srv/shop.ear", ear)
    deeper = archive({"a.ear": archive({"b.ear": ear})})
    assert ("plain", "1.0") not in versions("/srv/shop.ear", deeper)


def test_what_was_taken_in_and_what_took_it_both_count() -> None:
    shaded = archive(pom("org.jctools", "jctools-core", "4.0.5") | LOG4J)
    assert versions("/app/sdk-trace-1.55.0.jar", shaded) == [
        ("org.jctools:jctools-core", "4.0.5"),
        ("org.apache.logging.log4j:log4j-core", "2.14.1"),
        ("sdk-trace", "1.55.0"),
    ]


@pytest.mark.parametrize(
    ("path", "manifest", "expected"),
    [
        ("/app/commons-lang3-3.12.0.jar", b"", [("commons-lang3", "3.12.0")]),
        ("/app/a-b-1.0-SNAPSHOT.jar", b"", [("a-b", "1.0-SNAPSHOT")]),
        ("/app/x.jar", b"Bundle-SymbolicName: org.x;singleton:=true\r\nBundle-Version: 1.2\r\n", [("org.x", "1.2")]),
        (
            "/app/x.jar",
            b"Implementation-Title: a-name-that-g\n oes-on\nImplementation-Version: 3\n",
            [("a-name-that-goes-on", "3")],
        ),
        ("/app/x.jar", b"Implementation-Title: two words\nImplementation-Version: 3\n", []),
        ("/app/x.jar", b"A: b\n\nName: c\nBundle-SymbolicName: d\nBundle-Version: 1\n", []),
        ("/app/x.jar", b"", []),
    ],
)
def test_without_maven_the_file_or_the_manifest_says_it(
    path: str, manifest: bytes, expected: list[tuple[str, str]]
) -> None:
    assert versions(path, archive({MANIFEST: manifest})) == expected


def test_a_program_may_stand_in_front() -> None:
    jar = archive(LOG4J)
    assert versions("/app/run.jar", b"#!/bin/sh\nexec java -jar $0\n" + jar) == versions("/app/run.jar", jar) != []


def test_a_bomb_is_not_unpacked() -> None:
    bomb = archive({MANIFEST: b"Bundle-SymbolicName: " + bytes(40 << 20), **LOG4J, "lib/a-1.jar": bytes(40 << 20)})
    assert len(bomb) < 1 << 20
    assert versions("/app/x.jar", bomb) == [("org.apache.logging.log4j:log4j-core", "2.14.1")]


def test_what_is_no_archive_tells_of_nothing() -> None:
    for content in (b"", b"PK", b"PK\5\6" + b"\xff" * 18, archive(LOG4J)[:-30], b"\x7fELF" * 9):
        assert read("/app/x.jar", content) == []
