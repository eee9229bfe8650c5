"""Alpine's packages, from the database of apk: lines of a letter, a colon and a value; an empty line ends a package."""

from collections.abc import Iterator

from orlop.contents.packages.package import Content, Package, Reader, lines, told

PATHS = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")

_FIELDS = frozenset((b"P", b"V", b"A", b"o"))


def parse(path: str, content: Content) -> Iterator[Package]:
    return told(_packages(path, content))


READER = Reader(32 << 20, parse)


def _packages(path: str, content: Content) -> Iterator[Package]:
    fields: dict[bytes, str] = {}
    for line in lines(content):
        letter, _, value = line.partition(b":")
        if letter in _FIELDS:
            fields[letter] = value.decode(errors="replace").strip()
        elif not letter and fields:
            yield _package(path, fields)
            fields = {}
    if fields:
        yield _package(path, fields)


def _package(path: str, fields: dict[bytes, str]) -> Package:
    version = fields.get(b"V", "")
    name = fields.get(b"P", "")
    return Package(
        ecosystem="apk",
        name=name,
        version=version,
        source=fields.get(b"o", "") or name,
        source_version=version,  # what is built together has one version
        architecture=fields.get(b"A", ""),
        path=path,
    )
