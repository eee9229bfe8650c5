"""Packages of rpm, from its database as SQLite file (rpm 4.16 and newer: Fedora 33, RHEL 9, and what is made of them).

A row of the table `Packages` is a package's header: how many entries its index has and the size of its data, the index
(of each entry its tag, type, place in the data, and count), and the data. The older databases, Berkeley DB's and
SUSE's ndb, are not read.
"""

import struct
from collections.abc import Iterator

from orlop.contents.packages import sqlite_table
from orlop.contents.packages.package import Content, Package, Reader, told

PATHS = (
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/share/rpm/rpmdb.sqlite",
)

_NAME, _VERSION, _RELEASE, _EPOCH, _ARCHITECTURE, _SOURCE = 1000, 1001, 1002, 1003, 1022, 1044
_TAGS = frozenset((_NAME, _VERSION, _RELEASE, _EPOCH, _ARCHITECTURE, _SOURCE))
_INT32, _STRING = 4, 6
_ENTRY = struct.Struct(">IIII")
_MAX_ENTRIES = 1 << 16
_MAX_STRING = 1024

# Keys to check signatures are kept as if they were packages.
_KEYS = "gpg-pubkey"


def parse(path: str, content: Content) -> Iterator[Package]:
    return told(_packages(path, content))


READER = Reader(128 << 20, parse, magic=sqlite_table.MAGIC)


def _packages(path: str, content: Content) -> Iterator[Package]:
    try:
        for row in sqlite_table.Database(content).rows("Packages"):
            header = row[1] if len(row) > 1 else None
            if isinstance(header, bytes) and (package := _package(path, _fields(header))):
                yield package
    except sqlite_table.DatabaseInvalid:
        return


def _package(path: str, fields: dict[int, str]) -> Package | None:
    if fields.get(_NAME, _KEYS) == _KEYS or _VERSION not in fields:
        return None
    version = _joined(fields.get(_EPOCH, ""), fields[_VERSION], fields.get(_RELEASE, ""))
    source, source_version = _source(fields.get(_SOURCE, ""))
    return Package(
        ecosystem="rpm",
        name=fields[_NAME],
        version=version,
        source=source or fields[_NAME],
        source_version=_joined(fields.get(_EPOCH, ""), source_version, "") if source else version,
        architecture=fields.get(_ARCHITECTURE, ""),
        path=path,
    )


def _joined(epoch: str, version: str, release: str) -> str:
    return (f"{epoch}:" if epoch not in ("", "0") else "") + version + (f"-{release}" if release else "")


def _source(name: str) -> tuple[str, str]:
    """Name and version of the source package whose file is `name-version-release.src.rpm`. It has no epoch there; that
    of a package is nearly always its source's."""
    stem = name.removesuffix(".rpm").removesuffix(".src").removesuffix(".nosrc")
    source, _, release = stem.rpartition("-")
    source, _, version = source.rpartition("-")
    return (source, f"{version}-{release}") if source else ("", "")


def _fields(header: bytes) -> dict[int, str]:
    """The tags that tell of the package; those that are damaged are left out."""
    count, size = struct.unpack_from(">II", header) if len(header) >= 8 else (0, 0)
    if count > _MAX_ENTRIES or len(header) < 8 + count * _ENTRY.size:
        return {}
    data = header[8 + count * _ENTRY.size :][:size]
    fields = {}
    for tag, kind, place, _ in _ENTRY.iter_unpack(header[8 : 8 + count * _ENTRY.size]):
        if tag not in _TAGS:
            continue
        if kind == _STRING:
            fields[tag] = data[place : place + _MAX_STRING].partition(b"\0")[0].decode(errors="replace")
        elif kind == _INT32 and place + 4 <= len(data):
            fields[tag] = str(int.from_bytes(data[place : place + 4]))
    return fields
