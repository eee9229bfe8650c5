"""Tarsums: checksums of a v1 image over what its layer's archive holds, whatever order it is in.

Source: docker's pkg/tarsum, version 0, 1 and dev. Each member comes to a hash of its header's fields and its content;
these are sorted, and hashed after the image's JSON. Where a name comes twice, the last one counts, as docker has it.

The reader here knows what it needs of ustar, GNU and pax archives. It follows no offset that an archive names, so it
reads every byte once, and holds headers alone.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from orlop.domain.errors import ArchiveInvalid

BLOCK = 512
MOST_MEMBERS = 5_000_000
LONGEST_HEADER = 1 << 20
"""Bytes of a long name or of pax records before one member."""

V0, V1, DEV = "tarsum+sha256", "tarsum.v1+sha256", "tarsum.dev+sha256"

_SCHILY = "SCHILY.xattr."


class Sums(NamedTuple):
    sums: dict[str, str]
    """By label, with it: `tarsum+sha256` to `tarsum+sha256:…`."""
    empty: bool
    """Whether the archive has no member."""


class _Member:
    """The header of one member."""

    __slots__ = (
        "devmajor", "devminor", "gid", "gname", "linkname", "mode", "mtime", "name", "size", "type", "uid", "uname",
        "xattrs",
    )  # fmt: skip

    def __init__(self, block: bytes) -> None:
        if _sum(block) != _octal(block[148:156]):
            raise ArchiveInvalid("the layer is no archive: a header's checksum is wrong")
        self.name = _text(block[0:100])
        self.mode = _octal(block[100:108])
        self.uid = _octal(block[108:116])
        self.gid = _octal(block[116:124])
        self.size = _octal(block[124:136])
        self.mtime: str = str(_octal(block[136:148]))
        self.type = block[156:157].replace(b"\0", b"0").decode("latin-1")
        self.linkname = _text(block[157:257])
        self.uname = self.gname = b""
        self.devmajor = self.devminor = 0
        self.xattrs: dict[str, bytes] = {}
        magic = block[257:265]
        if magic.startswith(b"ustar"):
            self.uname, self.gname = _text(block[265:297]), _text(block[297:329])
            self.devmajor, self.devminor = _octal(block[329:337]), _octal(block[337:345])
            if magic == b"ustar\x0000" and (prefix := _text(block[345:500])):
                self.name = prefix + b"/" + self.name

    def fields(self, *, dated: bool) -> bytes:
        """What of the header is hashed, each name with its value."""
        name = self.name
        if self.type == "5" and not name.endswith(b"/"):
            name += b"/"
        pairs: list[tuple[str, bytes]] = [
            ("name", name),
            ("mode", str(self.mode).encode()),
            ("uid", str(self.uid).encode()),
            ("gid", str(self.gid).encode()),
            ("size", str(self.size).encode()),
            *([("mtime", self.mtime.encode())] if dated else []),
            ("typeflag", self.type.encode("latin-1")),
            ("linkname", self.linkname),
            ("uname", self.uname),
            ("gname", self.gname),
            ("devmajor", str(self.devmajor).encode()),
            ("devminor", str(self.devminor).encode()),
        ]
        if not dated:
            pairs += [(key, self.xattrs[key]) for key in sorted(self.xattrs)]
        return b"".join(key.encode() + value for key, value in pairs)


def tarsums(pieces: Iterable[bytes], image_json: bytes) -> Sums:
    """The tarsums of an archive without compression, together with the image's JSON. ArchiveInvalid."""
    reader = _Reader(pieces)
    dated: dict[bytes, str] = {}
    undated: dict[bytes, str] = {}
    count = 0
    for member in _members(reader):
        count += 1
        if count > MOST_MEMBERS:
            raise ArchiveInvalid("the layer has too many members")
        with_date, without = hashlib.sha256(member.fields(dated=True)), hashlib.sha256(member.fields(dated=False))
        for piece in reader.content(member.size if member.type in "07S" else 0):
            with_date.update(piece)
            without.update(piece)
        dated[member.name] = with_date.hexdigest()
        undated[member.name] = without.hexdigest()
    sums = {label: f"{label}:{_total(image_json, found)}" for label, found in ((V0, dated), (V1, undated))}
    return Sums({**sums, DEV: f"{DEV}:{sums[V1].partition(':')[2]}"}, count == 0)


def _total(image_json: bytes, found: dict[bytes, str]) -> str:
    return hashlib.sha256(image_json + "".join(sorted(found.values())).encode()).hexdigest()


class _Reader:
    """Blocks of a stream."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = memoryview(b"")

    def block(self) -> bytes | None:
        """The next header's block; None at the end of the stream."""
        found = b"".join(self._take(BLOCK))
        if not found:
            return None
        if len(found) < BLOCK:
            raise ArchiveInvalid("the layer is cut off in the middle of a header")
        return found

    def content(self, size: int) -> Iterator[memoryview]:
        """A member's content, without what fills its last block."""
        left = size
        for piece in self._take(size):
            left -= len(piece)
            yield piece
        if left:
            raise ArchiveInvalid("the layer is cut off in the middle of a file")
        fill = -size % BLOCK
        if sum(len(piece) for piece in self._take(fill)) < fill:
            raise ArchiveInvalid("the layer is cut off in the middle of a file")

    def _take(self, size: int) -> Iterator[memoryview]:
        while size:
            if not self._held:
                piece = next(self._pieces, None)
                if piece is None:
                    return
                self._held = memoryview(piece)
                continue
            found, self._held = self._held[:size], self._held[size:]
            size -= len(found)
            yield found


def _members(reader: _Reader) -> Iterator[_Member]:
    """The members, with what long names and pax records before them say. Each is to be read before the next."""
    pax: dict[str, bytes] = {}
    shared: dict[str, bytes] = {}
    names: dict[str, bytes] = {}
    while (block := reader.block()) is not None:
        if not block.strip(b"\0"):
            return  # the end: what follows fills a tape
        member = _Member(block)
        if member.type in "xgLK":
            if member.size > LONGEST_HEADER:
                raise ArchiveInvalid("the layer has a header that is too long")
            text = b"".join(reader.content(member.size))
            if member.type in "LK":
                names[member.type] = text.rstrip(b"\0")
            elif member.type == "x":
                pax |= _records(text)
            else:
                shared |= _records(text)
            if sum(map(len, pax.values())) + sum(map(len, shared.values())) > LONGEST_HEADER:
                raise ArchiveInvalid("the layer has too many records before a member")
            continue
        member.name = names.get("L", member.name)
        member.linkname = names.get("K", member.linkname)
        _apply(member, shared | pax)
        pax, names = {}, {}
        yield member


def _apply(member: _Member, records: dict[str, bytes]) -> None:
    for key, value in records.items():
        if key == "path":
            member.name = value
        elif key == "linkpath":
            member.linkname = value
        elif key == "uname":
            member.uname = value
        elif key == "gname":
            member.gname = value
        elif key in ("uid", "gid", "size"):
            setattr(member, key, _decimal(value))
        elif key == "mtime":
            member.mtime = str(_decimal(value.partition(b".")[0]))
        elif key.startswith(_SCHILY):
            member.xattrs[key.removeprefix(_SCHILY)] = value


def _records(text: bytes) -> dict[str, bytes]:
    """The records of a pax header: `LENGTH KEY=VALUE` and a line end, each of its own length."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(text):
        space = text.find(b" ", at, at + 20)
        length = _decimal(text[at:space]) if space > at else 0
        record = text[space + 1 : at + length]
        key, equals, value = record[:-1].partition(b"=")
        if length <= space - at + 1 or at + length > len(text) or record[-1:] != b"\n" or not equals:
            raise ArchiveInvalid("the layer has a pax record that is none")
        found[key.decode("utf-8", "surrogateescape")] = value
        at += length
    return found


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 18:
        raise ArchiveInvalid("the layer has a number that is none")
    return int(text)


def _octal(field: bytes) -> int:
    """A number in octal, or, where the first bit is set, in binary (GNU)."""
    if field[:1] in (b"\x80", b"\xff"):
        value = int.from_bytes(field[1:], "big")
        if field[:1] == b"\xff" or value >= 1 << 62:
            raise ArchiveInvalid("the layer has a number out of range")
        return value
    text = field.strip(b" \0").partition(b"\0")[0].strip()
    if not text:
        return 0
    if text.strip(b"01234567"):
        raise ArchiveInvalid("the layer has a number that is none")
    return int(text, 8)


def _sum(block: bytes) -> int:
    return sum(block[:148]) + 8 * 32 + sum(block[156:])
