"""Debian's packages: what dpkg has installed, and what distroless images say that they hold."""

from collections.abc import Iterator

from orlop.contents.packages.package import Content, Package, Reader, lines, told

PATHS = ("/var/lib/dpkg/status",)

FOLDER = "/var/lib/dpkg/status.d"
"""Distroless images have a file here for each package, and its checksums beside it."""

_FIELDS = frozenset(("package", "status", "version", "architecture", "source"))
_STATES = frozenset(("installed", "triggers-awaited", "triggers-pending"))


def is_status(name: str) -> bool:
    """Whether the file `name` in FOLDER has a package."""
    return bool(name) and not name.endswith(".md5sums")


def parse(path: str, content: Content) -> Iterator[Package]:
    return told(_packages(path, content))


READER = Reader(32 << 20, parse)


def _packages(path: str, content: Content) -> Iterator[Package]:
    for fields in _paragraphs(content):
        if not _is_installed(fields.get("status")):
            continue
        version = fields.get("version", "")
        source, _, rest = fields.get("source", "").partition(" ")
        yield Package(
            ecosystem="dpkg",
            name=fields.get("package", ""),
            version=version,
            source=source or fields.get("package", ""),
            source_version=rest.strip().removeprefix("(").removesuffix(")") or version,
            architecture=fields.get("architecture", ""),
            path=path,
        )


def _is_installed(status: str | None) -> bool:
    """`status` is what is wanted, whether an error was met, and the state; files of distroless images have none."""
    return status is None or status.rpartition(" ")[2] in _STATES


def _paragraphs(content: Content) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in lines(content):
        if not line.strip():
            if fields:
                yield fields
                fields = {}
        elif line[0] not in b" \t":  # not the next line of a field
            name, _, value = line.partition(b":")
            key = name.decode(errors="replace").lower()
            if key in _FIELDS:
                fields[key] = value.decode(errors="replace").strip()
    if fields:
        yield fields
