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

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple, NoReturn

from orlop.domain.errors import LayerInvalid
from orlop.domain.pax import parse_integer, parse_records, parse_seconds

BLOCK = 512
MAX_HEADERS = 2_000_000
MAX_EXTENSION = 1 << 20
MAX_EXTENSIONS = 8
"""For one member. Three are the most that programs write: a pax header, a long name and a long link."""
MAX_EXTENSION_BYTES = 256 << 20
"""For all members together."""

_ZEROS = bytes(BLOCK)
_FIELDS = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12s")
_WITHOUT_CONTENT = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))
_DEVICES = frozenset((b"3", b"4"))
_LOW = bytes(range(128))
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
        self._source = _Source(pieces)
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
        self._left = 0 if member.typeflag in _WITHOUT_CONTENT else member.size
        self._padding = -self._left % BLOCK
        return member

    def _block(self) -> bytes | None:
        """The next header; None at the end of the archive, with all behind it read."""
        for _ in self.content():
            pass
        self._source.exactly(self._padding)  # that of the last member may be left out
        self._padding = 0
        block = self._source.exactly(BLOCK)
        if block == _ZEROS:
            # The end is two blocks of zeros. Some programs write one, and nothing behind it.
            if self._source.exactly(BLOCK) not in (_ZEROS, b""):
                raise LayerInvalid("the archive is damaged: a block of zeros in its midst")
            self._source.drain()
            return None
        if not block:
            return None
        if len(block) < BLOCK:
            raise LayerInvalid("the archive is cut short: a header does not end")
        self._headers += 1
        if self._headers > MAX_HEADERS:
            raise LayerInvalid(f"the archive has more than {MAX_HEADERS} headers")
        return block

    def _extension(self, size: int) -> bytes:
        self._extension_bytes += size
        if size > MAX_EXTENSION or self._extension_bytes > MAX_EXTENSION_BYTES:
            raise LayerInvalid("the archive has extended headers that are too large")
        content = self._source.exactly(size)
        if len(content) < size:
            raise LayerInvalid("the archive is cut short: an extended header does not end")
        self._padding = -size % BLOCK
        return content


class _Source:
    """Pieces of any size, cut as they are asked for."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")
        self._at = 0

    def portion(self, most: int) -> memoryview:
        """From one byte to `most`; none at the end."""
        while self._at == len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                return memoryview(b"")
            self._piece, self._at = memoryview(piece), 0
        portion = self._piece[self._at : self._at + most]
        self._at += len(portion)
        return portion

    def exactly(self, size: int) -> bytes:
        """`size` bytes; fewer at the end only."""
        portion = self.portion(size) if size else memoryview(b"")
        if len(portion) == size or not portion:
            return bytes(portion)
        parts = bytearray(portion)
        while len(parts) < size and (portion := self.portion(size - len(parts))):
            parts += portion
        return bytes(parts)

    def drain(self) -> None:
        self._at = len(self._piece)
        for _ in self._pieces:
            pass


def _parse(block: bytes) -> Member:
    (name, mode, uid, gid, size, mtime, checksum, typeflag, linkname, magic, uname, gname, major, minor, prefix, _) = (
        _FIELDS.unpack(block)
    )
    told, unsigned = _number(checksum), _unsigned_sum(block)
    if told != unsigned and told != unsigned - _signs(block):
        raise LayerInvalid("the layer is no tar archive, or is damaged: the checksum of a header does not match")
    name = _text(name)
    ustar = magic[:6] == b"ustar\0"
    extended = ustar or magic == b"ustar  \0"
    # GNU's own format has times where ustar has the prefix, and star has times behind a shorter one.
    if ustar and (prefix := _text(prefix[:131] if block[508:] == b"tar\0" else prefix)):
        name = prefix + b"/" + name
    device = extended and typeflag in _DEVICES
    member = Member(
        name=name,
        mode=_number(mode),
        uid=_number(uid),
        gid=_number(gid),
        size=_number(size),
        mtime=_number(mtime),
        typeflag=typeflag,
        linkname=_text(linkname),
        uname=_text(uname) if extended else b"",
        gname=_text(gname) if extended else b"",
        devmajor=_number(major) if device else 0,
        devminor=_number(minor) if device else 0,
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


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """A number in octal digits, or in binary with the first bit set (GNU, star), where it may be below zero."""
    if field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field) & ((1 << bits) - 1)
        if field[0] & 0x40:
            value -= 1 << bits
        if not -(1 << 63) <= value < 1 << 63:
            raise LayerInvalid("the archive is damaged: a number in a header is out of range")
        return value
    digits = _text(field.strip(b" \0"))
    if not digits:
        return 0
    # int() alone would take signs and underscores.
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise LayerInvalid("the archive is damaged: a number in a header is none")
    return int(digits, 8)


def _unsigned_sum(block: bytes) -> int:
    """Over the header, with its checksum's field as spaces."""
    return sum(block) - sum(block[148:156]) + 8 * 32


def _signs(block: bytes) -> int:
    """How much less some old programs count, which take bytes for signed numbers."""
    return 256 * len((block[:148] + block[156:]).translate(None, _LOW))
