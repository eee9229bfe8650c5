"""A package as an image tells of it, and how files that tell of packages are read.

Such a file comes from someone who is not trusted. So a reader takes no more of it than its limit, gives up what it
cannot read, raises nothing over it, and tells only of what can be a package.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

import msgspec

MAX_TEXT = 300
"""Characters of a name or a version."""

Content = bytes | bytearray


class Package(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True, gc=False):
    """Names and versions are as they stand in the file: printable, without spaces, up to MAX_TEXT characters."""

    ecosystem: str
    """`dpkg`, `apk`, `rpm`, `python`, `npm`, `golang` or `java`."""
    name: str
    version: str
    source: str = ""
    """The source package that it was built from; empty where the ecosystem has none."""
    source_version: str = ""
    architecture: str = ""
    path: str = ""
    """Of the file that told of it."""


class Collector(Protocol):
    """Takes the content of one file as it comes."""

    def feed(self, piece: bytes | memoryview) -> None: ...

    def packages(self) -> Iterator[Package]:
        """What the file tells of, when all of it was fed."""
        ...


class Reader(NamedTuple):
    """How files of one kind are read."""

    limit: int
    """Bytes; a larger file tells of nothing, unless `whole` is false."""
    parse: Callable[[str, Content], Iterator[Package]]
    """From the path and the content. Whatever the content is, it raises nothing."""
    whole: bool = True
    """False: the first `limit` bytes are enough."""
    magic: bytes = b""
    """A file that begins otherwise tells of nothing."""
    scan: Callable[[str], Collector] | None = None
    """For large files of which little is kept: takes the place of `parse`."""

    def collector(self, path: str) -> Collector:
        return self.scan(path) if self.scan else _Whole(self, path)


class _Whole:
    """Keeps the content, up to the limit, for `parse`."""

    def __init__(self, reader: Reader, path: str) -> None:
        self._reader = reader
        self._path = path
        self._content = bytearray()
        self._refused = False

    def feed(self, piece: bytes | memoryview) -> None:
        if self._refused:
            return
        left = self._reader.limit - len(self._content)
        if len(piece) > left and self._reader.whole:
            self._refuse()
            return
        begun = len(self._content) >= len(self._reader.magic)
        self._content += piece[:left]
        if not begun and not self._reader.magic.startswith(self._content[: len(self._reader.magic)]):
            self._refuse()

    def packages(self) -> Iterator[Package]:
        if self._refused or len(self._content) < len(self._reader.magic):
            return iter(())
        return self._reader.parse(self._path, self._content)

    def _refuse(self) -> None:
        self._refused = True
        self._content = bytearray()


def lines(content: Content) -> Iterator[bytes]:
    """Without their ends, one at a time: a list of them may be many times as large as the content."""
    at = 0
    while (end := content.find(b"\n", at)) >= 0:
        yield bytes(content[at:end])
        at = end + 1
    yield bytes(content[at:])


def is_text(text: str) -> bool:
    """Whether it can be a name or a version: else what holds it is no package."""
    return 0 < len(text) <= MAX_TEXT and text.isprintable() and " " not in text


def told(packages: Iterable[Package]) -> Iterator[Package]:
    """Those of `packages` that can be. What a package need not have is left out where it cannot be."""
    for package in packages:
        if not is_text(package.name) or not is_text(package.version):
            continue
        if _optional_are_text(package):
            yield package
        else:
            yield Package(ecosystem=package.ecosystem, name=package.name, version=package.version, path=package.path)


def _optional_are_text(package: Package) -> bool:
    return all(not text or is_text(text) for text in (package.source, package.source_version, package.architecture))
