import importlib.metadata
import sys
from pathlib import Path

import pytest

from orlop.contents.packages import wanted
from orlop.contents.packages.names import same
from tests.unit.contents.packages.reading import read, versions

SITE = "/usr/lib/python3/dist-packages"


def test_this_interpreter_has_what_it_says_itself() -> None:
    expected, found = set(), set()
    for folder in filter(None, sys.path):
        for distribution in importlib.metadata.distributions(path=[folder]):
            expected.add((same("python", distribution.metadata["Name"]), distribution.version))
        for name in ("*.dist-info/METADATA", "*.egg-info/PKG-INFO", "*.egg-info"):
            for file in filter(Path.is_file, Path(folder).glob(name)):
                found |= {(same("python", name), version) for name, version in versions(str(file), file.read_bytes())}
    assert len(expected) > 20
    assert found == expected


@pytest.mark.parametrize(
    "path",
    [
        f"{SITE}/PyYAML-6.0.dist-info/METADATA",
        f"{SITE}/PyYAML.egg-info/PKG-INFO",
        f"{SITE}/PyYAML-6.0.egg/EGG-INFO/PKG-INFO",
        f"{SITE}/PyYAML-6.0.egg-info",
        "/app/.venv/lib/python3.12/site-packages/PyYAML-6.0.dist-info/METADATA",
    ],
)
def test_each_form_of_metadata_is_read(path: str) -> None:
    (package,) = read(path, b"Metadata-Version: 2.1\r\nName: PyYAML\r\nVersion: 6.0\r\n\r\nName: none\r\n")
    assert (package.ecosystem, package.name, package.version) == ("python", "PyYAML", "6.0")


def test_what_is_no_installed_package_is_not_looked_at() -> None:
    for path in ("/src/PKG-INFO", "/src/METADATA", f"{SITE}/yaml/METADATA", f"{SITE}/a.dist-info/RECORD"):
        assert wanted(path) is None


def test_a_description_may_be_a_book() -> None:
    content = b"Name: a\nVersion: 1\n\n" + b"word " * 1_000_000
    assert versions(f"{SITE}/a.dist-info/METADATA", content) == [("a", "1")]


def test_metadata_without_name_or_version_tells_of_nothing() -> None:
    for content in (b"", b"Name: a\n", b"Version: 1\n", b"Name: a\n\nVersion: 1\n", b"Name: a b\nVersion: 1\n"):
        assert read(f"{SITE}/a.dist-info/METADATA", content) == []
