"""Python's packages: the metadata that installers leave beside each of them."""

from collections.abc import Iterator

from orlop.contents.packages.package import Content, Package, Reader, told

NAMES = frozenset(("METADATA", "PKG-INFO"))


def is_installed(folder: str, name: str) -> bool:
    """Whether the file `name` in `folder`, one of NAMES or an `.egg-info`, tells of an installed package."""
    if name == "METADATA":
        return folder.endswith(".dist-info")
    if name == "PKG-INFO":
        return folder.endswith((".egg-info", "/EGG-INFO"))
    return True  # distutils had a file, where setuptools has a folder


def parse(path: str, content: Content) -> Iterator[Package]:
    return told(_packages(path, content))


# The name and the version come first; the description behind them may be a book.
READER = Reader(256 << 10, parse, whole=False)


def _packages(path: str, content: Content) -> Iterator[Package]:
    fields: dict[bytes, str] = {}
    for line in content.splitlines():
        if not line:
            break  # the end of the headers
        name, _, value = bytes(line).partition(b":")
        fields.setdefault(name.lower(), value.decode(errors="replace").strip())
    yield Package(ecosystem="python", name=fields.get(b"name", ""), version=fields.get(b"version", ""), path=path)
