import pytest

from orlop.contents.packages import wanted
from tests.unit.contents.packages.reading import read, versions

LODASH = "/app/node_modules/lodash/package.json"


@pytest.mark.parametrize(
    "path",
    [
        LODASH,
        "/node_modules/lodash/package.json",
        "/usr/lib/node_modules/npm/node_modules/lodash/package.json",
        "/app/node_modules/@types/lodash/package.json",
        "/app/node_modules/.pnpm/lodash@4.17.21/node_modules/lodash/package.json",
    ],
)
def test_a_folder_in_node_modules_is_a_package(path: str) -> None:
    (package,) = read(path, b'{"name": "lodash", "version": "4.17.21", "dependencies": {"a": "1"}}')
    assert (package.ecosystem, package.name, package.version) == ("npm", "lodash", "4.17.21")


@pytest.mark.parametrize(
    "path",
    [
        "/app/package.json",
        "/app/node_modules/package.json",
        "/app/node_modules/glob/dist/esm/package.json",
        "/app/node_modules/@types/node/sub/package.json",
        "/app/node_modules/lodash/package-lock.json",
    ],
)
def test_other_files_are_not_looked_at(path: str) -> None:
    assert wanted(path) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b'{"type": "module"}',
        b'{"name": "a"}',
        b'{"name": "a", "version": 1}',
        b'{"name": "a", "version": null}',
        b'{"name": "a b", "version": "1"}',
        b'{"name": "a\\u0000", "version": "1"}',
        b'{"name": "a", "version": "1"',
        b'["name", "version"]',
        b"[" * 200_000,
        b'{"name": ' * 50_000,
        b'{"a": ' + b"9" * 100_000 + b"}",
        b'{"name": "\\ud800", "version": "1"}',
    ],
)
def test_what_is_no_package_tells_of_nothing(content: bytes) -> None:
    assert read(LODASH, content) == []


def test_marks_in_front_and_large_numbers_behind_are_no_matter() -> None:
    assert versions(LODASH, b'\xef\xbb\xbf{"name":"a","version":"1","x":1e999999,"y":[[[[]]]]}') == [("a", "1")]
