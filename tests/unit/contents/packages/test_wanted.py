import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orlop.contents.packages import wanted
from orlop.contents.packages.package import MAX_TEXT, Reader
from tests.unit.contents.packages import samples
from tests.unit.contents.packages.test_apk import INSTALLED
from tests.unit.contents.packages.test_dpkg import OPENSSL
from tests.unit.contents.packages.test_golang import MODULES
from tests.unit.contents.packages.test_java import LOG4J

WHOLE = {
    "/var/lib/dpkg/status": OPENSSL,
    "/lib/apk/db/installed": INSTALLED,
    "/a.dist-info/METADATA": b"Metadata-Version: 2.1\nName: a\nVersion: 1\n",
    "/node_modules/a/package.json": b'{"name": "a", "version": "1"}',
    "/usr/bin/app": samples.go_program(MODULES)[:1024],
    "/app/a-1.jar": samples.archive(LOG4J | {"lib/b-1.jar": samples.archive(LOG4J)}),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    database = samples.rpm_database(tmp_path_factory.mktemp("rpm"), samples.RPM_HEADER, page_size=512)
    return WHOLE | {"/var/lib/rpm/rpmdb.sqlite": database}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/a",
        "/etc/passwd",
        "/package.json",
        "/usr/lib/libc.so.6",
        "/tmp/var/lib/dpkg/status",
        "/var/lib/dpkg/status-old",
        "/var/lib/dpkg/status.d/",
        "/var/lib/dpkg/status.d/a.md5sums",
    ],
)
def test_other_files_are_not_looked_at(path: str) -> None:
    reader = wanted(path)
    assert reader is None or reader.magic, path


def test_to_ask_costs_next_to_nothing() -> None:
    paths = ["/usr/share/doc/a/copyright", "/usr/lib/python3/dist-packages/a/b.py", "/usr/include/sys/types.h"] * 1000

    def once() -> float:
        started = time.perf_counter()
        for path in paths:
            wanted(path)
        return (time.perf_counter() - started) / len(paths)

    assert min(once() for _ in range(20)) < 2e-6  # twice what is promised: machines differ


def test_what_reads_layers_imports_little() -> None:
    code = "import sys, orlop.contents.packages; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "sqlalchemy",
        "aiohttp",
        "sqlite3",
        "zipfile",
        "packaging",
        "email",
        "json",
        "orlop.contents.packages.orders",
    }
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize("path", [*WHOLE, "/var/lib/rpm/rpmdb.sqlite"])
@settings(max_examples=80)
@given(data=st.data())
def test_whatever_a_file_holds_only_packages_come_of_it(
    path: str, whole: dict[str, bytes], data: st.DataObject
) -> None:
    content = bytearray(whole[path])
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    reader = wanted(path)
    assert reader is not None
    collector = reader.collector(path)
    collector.feed(bytes(content))
    for package in (*collector.packages(), *reader.parse(path, bytes(content))):
        for text in (package.name, package.version):
            assert 0 < len(text) <= MAX_TEXT
            assert text.isprintable()
            assert " " not in text
        assert package.path == path


@pytest.mark.parametrize("path", [*WHOLE, "/var/lib/rpm/rpmdb.sqlite"])
def test_a_file_that_was_cut_short_is_no_matter(path: str, whole: dict[str, bytes]) -> None:
    reader = wanted(path)
    assert reader is not None
    content = whole[path]
    for end in range(0, len(content), max(1, len(content) // 300)):
        list(reader.parse(path, content[:end]))


def test_a_file_beyond_the_limit_is_not_kept() -> None:
    reader = Reader(10, lambda path, content: pytest.fail("it was read"))
    collector = reader.collector("/a")
    for _ in range(3):
        collector.feed(b"12345")
    assert list(collector.packages()) == []


def test_lines_without_number_cost_no_memory() -> None:
    code = """
import resource, sys
from orlop.contents.packages import wanted
content = b"\\n" * (1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reader = wanted(sys.argv[1])
print(len(list(reader.parse(sys.argv[1], content))))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    for path in ("/var/lib/dpkg/status", "/lib/apk/db/installed"):
        command = [sys.executable, "-c", code, path]
        found, kibibytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert found == "0"
        assert int(kibibytes) < 6 << 10


def test_every_ecosystem_is_documented() -> None:
    page = (Path(__file__).parents[4] / "docs" / "howto" / "packages.md").read_text()
    for ecosystem in ("dpkg", "apk", "rpm", "python", "npm", "golang", "java"):
        assert f"`{ecosystem}`" in page
