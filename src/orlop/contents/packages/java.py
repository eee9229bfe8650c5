"""Libraries of Java, from archives: what Maven wrote into them, else their manifest and the name of their file.

Archives in archives count, as Spring Boot and application servers have them: two levels down.
"""

import re
from collections.abc import Iterator

from orlop.contents.packages.package import Content, Package, Reader, told
from orlop.contents.packages.zip_members import Member, Zip

ENDINGS = (".jar", ".war", ".ear", ".hpi", ".jpi")

_MANIFEST = "META-INF/MANIFEST.MF"
_MAX_DEPTH = 2
_MAX_NESTED = 32 << 20
"""Bytes of an archive in an archive."""
_MAX_UNPACKED = 256 << 20
"""Bytes of all that are in one file."""
_MAX_TEXT_FILE = 1 << 20

_FILE = re.compile(r"(?P<name>[A-Za-z0-9_.+-]+?)-(?P<version>[0-9][A-Za-z0-9_.+-]*)\.[a-z]+")
_VERSIONS = ("implementation-version", "bundle-version", "specification-version")
_NAMES = ("bundle-symbolicname", "automatic-module-name", "implementation-title")


def parse(path: str, content: Content) -> Iterator[Package]:
    return told(_Archives(path).packages(path.rpartition("/")[2], memoryview(content), 0))


READER = Reader(96 << 20, parse)


class _Archives:
    """One file and the archives in it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._left = _MAX_UNPACKED

    def packages(self, name: str, content: memoryview, depth: int) -> Iterator[Package]:
        """Of the archive `name`, and of those in it."""
        archive = Zip(content)
        manifest: dict[str, str] = {}
        artifacts = set()
        for member in archive.members():
            if member.name == _MANIFEST:
                manifest = _headers(self._read(archive, member, _MAX_TEXT_FILE) or b"")
            elif member.name.startswith("META-INF/maven/") and member.name.endswith("/pom.properties"):
                package = self._maven(_properties(self._read(archive, member, _MAX_TEXT_FILE) or b""))
                artifacts.add(package.source)
                yield package
            elif member.name.endswith(ENDINGS) and depth < _MAX_DEPTH:
                nested = self._read(archive, member, _MAX_NESTED)
                if nested:
                    yield from self.packages(member.name.rpartition("/")[2], nested, depth + 1)
        file = _FILE.fullmatch(name)
        # What took others' classes into its own file has their names in it, and often not its own.
        if not artifacts or (file and file["name"] not in artifacts):
            yield self._other(file, manifest)

    def _read(self, archive: Zip, member: Member, limit: int) -> memoryview | None:
        content = archive.read(member, min(limit, self._left))
        self._left -= len(content) if content else 0
        return content

    def _maven(self, properties: dict[str, str]) -> Package:
        group, artifact = properties.get("groupId", ""), properties.get("artifactId", "")
        return Package(
            ecosystem="java",
            name=f"{group}:{artifact}" if group and artifact else "",
            version=properties.get("version", ""),
            source=artifact,
            path=self._path,
        )

    def _other(self, file: re.Match[str] | None, manifest: dict[str, str]) -> Package:
        """The file's name is that of the artifact more often than anything in the manifest is."""
        told_name = next((manifest[key].partition(";")[0] for key in _NAMES if manifest.get(key)), "")
        told_version = next((manifest[key] for key in _VERSIONS if manifest.get(key)), "")
        return Package(
            ecosystem="java",
            name=file["name"] if file else told_name,
            version=file["version"] if file else told_version,
            path=self._path,
        )


def _properties(content: Content | memoryview) -> dict[str, str]:
    fields = {}
    for line in bytes(content).decode(errors="replace").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", "!")):
            fields[key.strip()] = value.strip()
    return fields


def _headers(content: Content | memoryview) -> dict[str, str]:
    """Of the manifest's first section. A line that begins with a space goes on with the one before."""
    text = bytes(content).decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    fields = {}
    for line in text.partition("\n\n")[0].replace("\n ", "").split("\n"):
        key, _, value = line.partition(":")
        fields[key.lower()] = value.strip()
    return fields
