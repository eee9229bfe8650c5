"""A tar archive, read as a stream from someone who is not trusted.

A reader of our own, because tarfile promises no bounds: it reads extended headers whole whatever size they claim,
follows them by recursion, takes sizes below zero (CVE-2025-8194), keeps every member that it has seen, reads on where a
header is damaged, and decodes names that are only bytes. Here every header costs the archive 512 bytes, nothing is held
but one header and its extensions, and an archive has few of those that are large. Nothing is extracted, and no name is
taken for a path.

What a header means is as in Go's archive/tar of the years when docker spoke v1 (Go 1.2 to 1.8), for the clients' sums
are made with it: fields stay as they stand in the archive; a global header is a member like others; devices have
numbers, other members have none; links, devices, folders and pipes have no content whatever size they claim.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, NoReturn

from orlop.domain import tar
from orlop.domain.errors import LayerInvalid
from orlop.domain.pax import parse_integer, parse_records, parse_seconds
from orlop.domain.pieces import Pieces
from orlop.domain.tar import BLOCK, number, text

MAX_HEADERS = 2_000_000
MAX_EXTENSION = 1 << 20
MAX_EXTENSIONS = 8
"""For one member. Three are the most that programs write: a pax header, a long name and a long link."""
MAX_EXTENSION_BYTES = 256 << 20
"""For all members together."""

_XATTR = b"SCHILY.xattr."


class Member(NamedTuple):
    """Names are bytes, as they stand in the archive."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    """As the header has it. Of a member without content it may be anything from 0 on."""
    mtime: int
    """Seconds."""
    typeflag: bytes
    linkname: bytes
    uname: bytes
    gname: bytes
    devmajor: int
    devminor: int
    xattrs: dict[bytes, bytes]


class Archive:
    """The members of the archive in `pieces`, one after the other.

    Everything is read to its end: also what follows the end of the archive, which no reader of tar looks at.
    LayerInvalid where it is no archive, is cut short, or is beyond a limit.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._source = Pieces(pieces)
        self._left = 0  # of the content of the member that was given last
        self._padding = 0
        self._headers = 0
        self._extension_bytes = 0

    def members(self) -> Iterator[Member]:
        """What of a member's content was not read is passed over."""
        while (member := self._next()) is not None:
            yield member

    def content(self) -> Iterator[memoryview]:
        """The content of the member that was given last."""
        while self._left:
            portion = self._source.portion(self._left)
            if not portion:
                raise LayerInvalid("the archive is cut short: the content of a member does not end")
            self._left -= len(portion)
            yield portion

    def _next(self) -> Member | None:
        records: dict[bytes, bytes] = {}
        names: dict[bytes, bytes] = {}
        for extensions in range(MAX_EXTENSIONS + 1):
            block = self._block()
            if block is None:
                if extensions:
                    raise LayerInvalid("the archive is cut short: an extended header has no member")
                return None
            member = _parse(block)
            if member.typeflag == b"x":
                records = parse_records(self._extension(member.size))
            elif member.typeflag in (b"L", b"K"):
                names[member.typeflag] = self._extension(member.size).partition(b"\0")[0]
            else:
                return self._begin(_extended(member, records, names))
        raise LayerInvalid(f"a member of the archive has more than {MAX_EXTENSIONS} extended headers")

    def _begin(self, member: Member) -> Member:
        self._left = 0 if member.typeflag in tar.WITHOUT_CONTENT else member.size
        self._padding = -self._left % BLOCK
        return member

    def _block(self) -> bytes | None:
        """The next header; None at the end of the archive, with all behind it read."""
        for _ in self.content():
            pass
        self._source.exactly(self._padding)  # that of the last member may be left out
        self._padding = 0
        block = tar.next_header(self._source)
        if block is None:
            return None
        self._headers += 1
        if self._headers > MAX_HEADERS:
            raise LayerInvalid(f"the archive has more than {MAX_HEADERS} headers")
        return block

    def _extension(self, size: int) -> bytes:
        self._extension_bytes += size
        if size > MAX_EXTENSION or self._extension_bytes > MAX_EXTENSION_BYTES:
            raise LayerInvalid("the archive has extended headers that are too large")
        content = tar.extension(self._source, size)
        self._padding = -size % BLOCK
        return content


def _parse(block: bytes) -> Member:
    (name, mode, uid, gid, size, mtime, checksum, typeflag, linkname, magic, uname, gname, major, minor, prefix, _) = (
        tar.FIELDS.unpack(block)
    )
    tar.check(block, checksum)
    extended = magic[:6] == tar.USTAR or magic == tar.GNU
    device = extended and typeflag in tar.DEVICES
    member = Member(
        name=tar.named(name, magic, prefix, block),
        mode=number(mode),
        uid=number(uid),
        gid=number(gid),
        size=number(size),
        mtime=number(mtime),
        typeflag=typeflag,
        linkname=text(linkname),
        uname=text(uname) if extended else b"",
        gname=text(gname) if extended else b"",
        devmajor=number(major) if device else 0,
        devminor=number(minor) if device else 0,
        xattrs={},
    )
    return _checked(member)


def _extended(member: Member, records: dict[bytes, bytes], names: dict[bytes, bytes]) -> Member:
    """`member` with what its extended headers say; a GNU long name is the last word."""
    changes: dict[str, object] = {}
    xattrs: dict[bytes, bytes] = {}
    for key, value in records.items():
        if key.startswith(b"GNU.sparse."):
            _refuse_sparse()
        if key.startswith(_XATTR):
            xattrs[key[len(_XATTR) :]] = value
        elif value:  # an empty one says that the header's own is meant
            changes |= _change(key, value)
    if b"L" in names:
        changes["name"] = names[b"L"]
    if b"K" in names:
        changes["linkname"] = names[b"K"]
    return _checked(member._replace(**changes, xattrs=xattrs)) if changes or xattrs else member  # type: ignore[arg-type]


def _change(key: bytes, value: bytes) -> dict[str, object]:
    if key == b"path":
        return {"name": value}
    if key == b"linkpath":
        return {"linkname": value}
    if key in (b"uname", b"gname"):
        return {key.decode(): value}
    if key in (b"uid", b"gid", b"size"):
        return {key.decode(): parse_integer(value)}
    return {"mtime": parse_seconds(value)} if key == b"mtime" else {}


def _checked(member: Member) -> Member:
    if member.size < 0:
        raise LayerInvalid("the archive is damaged: a member's size is below zero")
    if member.typeflag == b"S":
        _refuse_sparse()
    return member


def _refuse_sparse() -> NoReturn:
    # Clients of v1 write none, and a header can claim exabytes of zeros that a sum would have to go through.
    raise LayerInvalid("the archive has sparse members, which are not supported")
