"""What other programs say of a layer and of an image: Python's tarfile, tar, and the files that umoci unpacks."""

import bz2
import gzip
import hashlib
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from orlop.domain.compression import Format, decompressed

KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "character",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}
LETTERS = {"file": "-", "directory": "d", "symlink": "l", "hardlink": "h", "character": "c", "block": "b", "fifo": "p"}
OF_MODES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}


class Member(NamedTuple):
    """One entry of a layer, or one file that was unpacked."""

    path: str
    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime: int
    link: str
    digest: str
    """Of the content, hexadecimal digits; empty for all but files."""


def opened(layer: bytes, folder: Path) -> Path:
    """The plain archive of a layer, as a file in the folder."""
    file = folder / f"{hashlib.sha256(layer).hexdigest()}.tar"
    if layer.startswith(b"\x1f\x8b"):
        layer = gzip.decompress(layer)
    elif layer.startswith(b"BZh"):
        layer = bz2.decompress(layer)
    elif layer.startswith(b"\x28\xb5\x2f\xfd"):
        layer = b"".join(decompressed([layer], Format.ZSTD))
    file.write_bytes(layer)
    return file


def absolute(name: str) -> str:
    """The one form of a path that stands in an archive as `./a/`, `a` or `/a`."""
    return "/" + name.removeprefix(".").strip("/")


def by_tarfile(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive, mode="r|") as members:
        for member in members:
            kind = KINDS[member.type]
            content = cast(IO[bytes], members.extractfile(member)) if kind == "file" else None
            yield Member(
                path=absolute(member.name),
                kind=kind,
                size=member.size if kind == "file" else 0,
                mode=member.mode & 0o7777,
                uid=member.uid,
                gid=member.gid,
                mtime=int(member.mtime // 1),
                link=absolute(member.linkname) if kind == "hardlink" else member.linkname,
                digest=hashlib.file_digest(content, "sha256").hexdigest() if content is not None else "",  # type: ignore[arg-type]
            )


def by_tar(archive: Path) -> list[str]:
    """A line for each entry, as `line` makes it."""
    command = ["tar", "--numeric-owner", "--full-time", "--quoting-style=literal", "-tvf", str(archive)]
    printed = subprocess.run(
        command, env=os.environ | {"TZ": "UTC", "LC_ALL": "C.UTF-8"}, capture_output=True, check=True
    )
    return [_of_tar(text) for text in printed.stdout.decode("utf-8", "surrogateescape").splitlines()]


def _of_tar(text: str) -> str:
    rights, owner, size, day, hour, name = text.split(maxsplit=5)
    name, arrow, target = name.partition(" link to " if rights[0] == "h" else " -> ")
    if rights[0] == "h":
        target = absolute(target)
    shown = size if rights[0] == "-" else "0"
    return " ".join([rights, owner, shown, day, hour.partition(".")[0], absolute(name) + (arrow and f" -> {target}")])


def line(member: Member) -> str:
    """The member as `tar -tv` prints it."""
    when = datetime.fromtimestamp(member.mtime, UTC)
    rights = LETTERS[member.kind] + stat.filemode(member.mode)[1:]
    target = f" -> {member.link}" if member.link else ""
    return f"{rights} {member.uid}/{member.gid} {member.size} {when:%Y-%m-%d %H:%M:%S} {member.path}{target}"


def on_disk(root: Path) -> Iterator[Member]:
    """All below a folder; hard links are files here."""
    for folder, folders, files in os.walk(root):
        for name in sorted(folders + files):
            path = Path(folder, name)
            found = path.lstat()
            kind = OF_MODES[stat.S_IFMT(found.st_mode)]
            yield Member(
                path=f"/{path.relative_to(root)}",
                kind=kind,
                size=found.st_size if kind == "file" else 0,
                mode=stat.S_IMODE(found.st_mode),
                uid=found.st_uid,
                gid=found.st_gid,
                mtime=int(found.st_mtime // 1),
                link=str(path.readlink()) if kind == "symlink" else "",
                digest=hashlib.sha256(path.read_bytes()).hexdigest() if kind == "file" else "",
            )


def of_listing(item: dict[str, Any]) -> Member:
    """The same of an item of the registry's own listing."""
    return Member(
        path=item["path"],
        kind=item["type"],
        size=item["size"],
        mode=int(item["mode"], 8),
        uid=item["uid"],
        gid=item["gid"],
        mtime=item["mtime"],
        link=item["link"] or "",
        digest=(item["digest"] or "").removeprefix("sha256:"),
    )
