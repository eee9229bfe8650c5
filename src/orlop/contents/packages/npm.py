"""Packages of Node.js: a folder in `node_modules` with a package.json."""

from collections.abc import Iterator

import msgspec

from orlop.contents.packages.package import Content, Package, Reader, told


class _PackageJson(msgspec.Struct):
    name: str
    version: str


_decoder = msgspec.json.Decoder(_PackageJson)


def is_installed(folder: str) -> bool:
    """Whether `folder` is one of a package: right in a `node_modules`, or in the folder of a scope there."""
    parent, _, _ = folder.rpartition("/")
    if parent.endswith("/node_modules"):
        return True
    above, _, scope = parent.rpartition("/")
    return scope.startswith("@") and above.endswith("/node_modules")


def parse(path: str, content: Content) -> Iterator[Package]:
    try:
        document = _decoder.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):  # among them that name or version are missing or no text
        return iter(())
    return told([Package(ecosystem="npm", name=document.name, version=document.version, path=path)])


READER = Reader(4 << 20, parse)
