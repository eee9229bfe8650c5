"""The archive of a layer, read as a stream from someone who is not trusted: its entries, one after the other.

All forms of tar. A reader of our own, as `orlop.domain.v1.archive` is and for its reasons, but exact to today's
unpackers instead of to old checksums, and fast: a layer has tens of thousands of small files, so what is done for each
of them counts. Nothing is kept of an entry that was given; nothing is extracted, and no name is taken for a path here.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Protocol

from orlop.contents import sparse
from orlop.contents.entry import Entry, lossy
from orlop.contents.limits import Limits
from orlop.contents.member import EXTENSIONS, Extensions, Member, xattrs_of
from orlop.contents.place import absolute, place
from orlop.domain import tar
from orlop.domain.errors import LayerInvalid
from orlop.domain.pax import parse_integer
from orlop.domain.pieces import Pieces
from orlop.domain.tar import BLOCK

_HOLE = bytes(1 << 20)
_NUMBERS = 16  # bytes that count for one stretch of a sparse file

_NO_RECORDS: dict[bytes, bytes] = {}


class Content(Protocol):
    """Takes the content of one file as it comes."""

    def feed(self, piece: bytes | memoryview) -> None: ...


class Archive:
    """Reads `pieces` to their end: also what follows the end of the archive, which no reader of tar looks at.

    LayerInvalid where it is no archive, is cut short, damaged, or beyond a limit.
    """

    def __init__(
        self, pieces: Iterable[bytes], limits: Limits, wanted: Callable[[str], Content | None] = lambda _: None
    ) -> None:
        """`wanted` is asked for each file of the image by its path: what it returns is fed with the file's content."""
        self._pieces = Pieces(pieces)
        self._limits = limits
        self._wanted = wanted
        self._extensions = Extensions(limits)
        self._entries = 0
        self._paths = 0  # bytes of paths and the like
        self._content = 0  # bytes of all files

    def entries(self) -> Iterator[Entry]:
        while (block := tar.next_header(self._pieces)) is not None:
            member = Member(block)
            if member.typeflag in EXTENSIONS:
                self._extensions.announce(member.size)
                self._extensions.add(member.typeflag, tar.extension(self._pieces, member.size))
                self._pad(member.size)
            else:
                self._entries += 1
                if self._entries > self._limits.entries:
                    raise LayerInvalid(f"the archive has more than {self._limits.entries} entries")
                yield self._entry(member)
        if self._extensions.pending:
            raise LayerInvalid("the archive is cut short: an extended header has no member")

    def _entry(self, member: Member) -> Entry:
        said = _NO_RECORDS
        if self._extensions.any:
            said = self._extensions.apply(member)
            self._extensions.clear()
        stored = member.stored
        kind = member.type
        stretches: tuple[sparse.Stretch, ...] = ()
        padding = -stored % BLOCK
        if member.typeflag == b"S" or b"GNU.sparse.map" in said or b"GNU.sparse.major" in said:
            stored, stretches = self._sparse(member, said)
        entry = self._described(member)
        if said:
            self._add_xattrs(entry, said)
        if kind != "file":
            self._pass(stored)
        elif member.size or stored:
            self._count_content(member.size)
            entry.offset, entry.size, entry.sparse = self._pieces.offset, member.size, stretches
            entry.digest = self._digest(entry, stored)
        else:
            entry.digest = _EMPTY
        self._pieces.exactly(padding)  # that of the last member may be left out
        return entry

    def _described(self, member: Member) -> Entry:
        """All but the content."""
        name, link, kind = member.name, member.link, member.type
        most = self._limits.name
        if len(name) > most or len(link) > most:
            raise LayerInvalid(f"a path in the archive is longer than {most} bytes")
        raw, role = place(name)
        if raw == b"/" and kind != "directory":
            role = "outside"
        self._count_paths(len(raw) + len(link))
        path, path_b64 = lossy(raw)
        entry = Entry(
            path=path,
            path_b64=path_b64,
            type=kind,
            role=role,
            mode=member.mode,
            uid=member.uid,
            gid=member.gid,
            mtime=member.mtime,
            device=member.device,
        )
        if kind == "symlink":
            entry.link, entry.link_b64 = lossy(link)
        elif kind == "hardlink":
            entry.link, entry.link_b64 = lossy(absolute(link) or link)
        return entry

    def _add_xattrs(self, entry: Entry, said: dict[bytes, bytes]) -> None:
        if xattrs := xattrs_of(said):
            self._count_paths(sum(len(key) + len(value) for key, value in xattrs.items()))
            entry.xattrs = {lossy(key)[0]: base64.b64encode(value).decode() for key, value in xattrs.items()}

    def _sparse(self, member: Member, said: dict[bytes, bytes]) -> tuple[int, tuple[sparse.Stretch, ...]]:
        """Bytes of data that a sparse file has from here on, and where they stand; `member` gets its real size."""
        stored, most = member.stored, self._limits.pax
        if member.typeflag == b"S":
            if not member.gnu:  # star has the type too, and another map
                sparse.refuse()
            member.size = sparse.old_size(member.block)
            stretches = sparse.old_map(member.block, self._pieces, most)
        else:
            form = (said.get(b"GNU.sparse.major", b""), said.get(b"GNU.sparse.minor", b""))
            if form not in ((b"1", b"0"), (b"0", b"0"), (b"0", b"1"), (b"", b"")):
                return stored, ()
            member.name = tar.text(said.get(b"GNU.sparse.name", b"")) or member.name
            if size := said.get(b"GNU.sparse.size") or said.get(b"GNU.sparse.realsize"):
                member.size = parse_integer(size)
            if form == (b"1", b"0"):
                begin = self._pieces.offset
                stretches = sparse.leading_map(self._pieces, min(most, stored))
                stored -= self._pieces.offset - begin
            else:
                stretches = sparse.listed_map(said.get(b"GNU.sparse.map", b""))
        kept = sparse.checked(stretches, member.size, stored)
        if member.type != "file":
            sparse.refuse()
        self._count_paths(_NUMBERS * len(kept))
        return stored, kept

    def _digest(self, entry: Entry, stored: int) -> str:
        """Of the content, which is read."""
        content = self._wanted(entry.path) if not entry.role else None
        if content is None and not entry.sparse:
            portion = self._pieces.portion(stored)
            if len(portion) == stored:
                return f"sha256:{hashlib.sha256(portion).hexdigest()}"
            digest = hashlib.sha256(portion)
            for piece in self._data(stored - len(portion)):
                digest.update(piece)
            return f"sha256:{digest.hexdigest()}"
        digest = hashlib.sha256()
        for part in self._whole(entry, stored):
            digest.update(part)
            if content is not None:
                content.feed(part)
        return f"sha256:{digest.hexdigest()}"

    def _whole(self, entry: Entry, stored: int) -> Iterator[memoryview | bytes]:
        """The content, with holes as zeros."""
        if not entry.sparse:
            yield from self._data(stored)
            return
        at = 0
        for offset, length in entry.sparse:
            yield from _hole(offset - at)
            yield from self._data(length)
            at = offset + length
        yield from _hole(entry.size - at)

    def _data(self, size: int) -> Iterator[memoryview]:
        while size:
            portion = self._pieces.portion(size)
            if not portion:
                raise LayerInvalid("the archive is cut short: the content of a member does not end")
            size -= len(portion)
            yield portion

    def _pass(self, size: int) -> None:
        for _ in self._data(size):
            pass

    def _pad(self, size: int) -> None:
        self._pieces.exactly(-size % BLOCK)

    def _count_content(self, size: int) -> None:
        self._content += size
        if self._content > self._limits.unpacked:
            raise LayerInvalid(f"the layer's files are larger than {self._limits.unpacked} bytes")

    def _count_paths(self, size: int) -> None:
        self._paths += size
        if self._paths > self._limits.paths:
            raise LayerInvalid(f"the paths in the archive are longer than {self._limits.paths} bytes together")


_EMPTY = f"sha256:{hashlib.sha256().hexdigest()}"


def _hole(size: int) -> Iterator[bytes]:
    yield from repeat(_HOLE, size // len(_HOLE))
    if rest := size % len(_HOLE):
        yield _HOLE[:rest]
