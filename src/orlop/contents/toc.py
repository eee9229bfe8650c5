"""A layer's table of contents as a file: `docs/formats/toc.md` has it byte by byte.

What is in it comes in the end from someone who is not trusted, and it may be damaged like any file: reading it raises
LayerInvalid then, and FileNotFoundError where there is none. Only what the parser of layers needs is imported, for it
is started for each.
"""

import hashlib
import sys
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple, TypeVar

import msgspec

from orlop.contents.entry import Entry
from orlop.contents.packages.package import Package
from orlop.domain.errors import LayerInvalid

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from orlop.storage.base import Storage

VERSION = 1
WINDOW = 32 << 10
"""The most bytes that a checkpoint's window has."""

_HEAD = f"orlop-toc {VERSION}\n".encode()
_TAIL = b"orlop-toc"
_LENGTH = 8
_END = hashlib.sha256().digest_size + _LENGTH + len(_TAIL)
_MOST_FOOTER = 256 << 20
_LIKELY_FOOTER = 64 << 10

_PIECE = 64 << 10
_LEVEL = 3
_WINDOWS_AT_ONCE = 4 << 20
_MOST_WINDOW_LOG = 23
_MOST_LINE = 16 << 20

T = TypeVar("T")


class Checkpoint(NamedTuple):
    """A place between two blocks of a gzip stream from which its unpacking can go on."""

    out: int
    """Bytes of output before it."""
    in_: int
    """Bytes of input before it, with the byte that is taken only in part where there are bits left."""
    bits: int
    """How many bits of that byte, its highest, belong to what follows: 0 to 7."""
    window_offset: int
    """Where in this file its window is, packed by zlib."""
    window_length: int


class Frame(NamedTuple):
    """A place where a frame of zstd begins: bytes of output and of input before it."""

    out: int
    in_: int


class Footer(msgspec.Struct, kw_only=True):
    """What the file says of the layer as a whole, and where its sections are."""

    version: int = VERSION
    compression: str
    """`gzip`, `zstd`, `bzip2`, `xz` or `plain`."""
    size: int
    """Bytes of the layer."""
    unpacked: int
    """Bytes of the archive in it."""
    diff_id: str
    """The digest of the archive, `sha256:…`."""
    entries: int
    """How many."""
    content: int
    """Bytes of all files."""
    packages: int = 0
    """How many."""
    sections: dict[str, list[tuple[int, int]]]
    """Of each, the stretches of this file that it is made of: where each begins and how long it is."""
    checkpoints: list[Checkpoint] = []
    frames: list[Frame] = []
    checksum: str
    """SHA-256 of all before the footer, in hexadecimal digits."""


class TocWriter:
    """Writes one to a file, from its beginning to its end. Memory is bounded, but for the packages, which are few."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._encoder = msgspec.json.Encoder()
        self._checksum = hashlib.sha256()
        self._at = 0
        self._lines = bytearray()
        self._packer = zstd.ZstdCompressor(_LEVEL)
        self._package_packer = zstd.ZstdCompressor(_LEVEL)
        self._packages = bytearray()
        self._windows = bytearray()
        self._sections: dict[str, list[tuple[int, int]]] = {"entries": [], "packages": [], "windows": []}
        self._checkpoints: list[Checkpoint] = []
        self.entries = 0
        self.packages = 0
        self.content = 0
        self._write(_HEAD)
        self._begun = self._at

    def add(self, entry: Entry) -> None:
        self._encoder.encode_into(entry, self._lines, -1)
        self._lines += b"\n"
        self.entries += 1
        self.content += entry.size
        if len(self._lines) >= _PIECE:
            self._pack_lines()

    def add_package(self, package: Package) -> None:
        self.packages += 1
        self._packages += self._package_packer.compress(self._encoder.encode(package) + b"\n")

    def add_checkpoint(self, out: int, in_: int, bits: int, window: bytes) -> None:
        """`window` is packed by zlib already."""
        if self._windows and len(self._windows) + len(window) > _WINDOWS_AT_ONCE:
            self._flush_entries(self._packer.FLUSH_BLOCK)
            self._flush_windows()
        # Only what is between the last flush and the next is moved, by where the windows will lie.
        self._checkpoints.append(Checkpoint(out, in_, bits, len(self._windows), len(window)))
        self._windows += window

    def finish(
        self, *, compression: str, size: int, unpacked: int, diff_id: str, frames: Iterable[tuple[int, int]] = ()
    ) -> Footer:
        self._flush_entries(self._packer.FLUSH_FRAME)
        self._packages += self._package_packer.flush()
        self._section("packages", self._packages)
        self._flush_windows()
        footer = Footer(
            compression=compression,
            size=size,
            unpacked=unpacked,
            diff_id=diff_id,
            entries=self.entries,
            content=self.content,
            packages=self.packages,
            sections=self._sections,
            checkpoints=self._checkpoints,
            frames=[Frame(*frame) for frame in frames],
            checksum=self._checksum.hexdigest(),
        )
        encoded = self._encoder.encode(footer)
        self._output.write(encoded + hashlib.sha256(encoded).digest() + len(encoded).to_bytes(_LENGTH, "big") + _TAIL)
        self._output.flush()
        return footer

    def _write(self, data: bytes | bytearray) -> None:
        self._output.write(data)
        self._checksum.update(data)
        self._at += len(data)

    def _section(self, name: str, data: bytes | bytearray) -> None:
        if data:
            self._sections[name].append((self._at, len(data)))
            self._write(data)

    def _pack_lines(self) -> None:
        self._write(self._packer.compress(self._lines))
        self._lines.clear()

    def _flush_entries(self, mode: Literal[1, 2]) -> None:
        """End a stretch of entries."""
        self._pack_lines()
        self._write(self._packer.flush(mode))
        if self._at > self._begun:
            self._sections["entries"].append((self._begun, self._at - self._begun))

    def _flush_windows(self) -> None:
        """Write the windows that have gathered, and tell their checkpoints where they lie."""
        unplaced, total = 0, 0
        while total < len(self._windows):
            unplaced += 1
            total += self._checkpoints[-unplaced].window_length
        for index in range(len(self._checkpoints) - unplaced, len(self._checkpoints)):
            checkpoint = self._checkpoints[index]
            self._checkpoints[index] = checkpoint._replace(window_offset=self._at + checkpoint.window_offset)
        self._section("windows", self._windows)
        self._windows.clear()
        self._begun = self._at


def read_footer(storage: "Storage", path: str) -> Footer:
    """Reads the end of the file only."""
    size = storage.get_size(path)
    tail = _range(storage, path, max(0, size - _LIKELY_FOOTER), size)
    begin = _footer_place(tail, size)
    if begin < size - len(tail):
        tail = _range(storage, path, begin, size)
    return _footer(tail[begin - size :], begin)


def entries(storage: "Storage", path: str, footer: Footer) -> Iterator[Entry]:
    """In the archive's order."""
    return _lines(storage, path, footer.sections.get("entries", []), msgspec.json.Decoder(Entry))


def packages(storage: "Storage", path: str, footer: Footer) -> Iterator[Package]:
    return _lines(storage, path, footer.sections.get("packages", []), msgspec.json.Decoder(Package))


def window(storage: "Storage", path: str, footer: Footer, checkpoint: Checkpoint) -> bytes:
    """The output before a checkpoint, unpacked: 32 KiB, or less where there is less."""
    begin, length = checkpoint.window_offset, checkpoint.window_length
    if begin < 0 or length > 2 * WINDOW:
        raise _damaged("a checkpoint's window is not where it should be")
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(_range(storage, path, begin, begin + length), WINDOW)
        # What is left is its checksum: nothing more may come.
        if unpacker.decompress(unpacker.unconsumed_tail, 1) or not unpacker.eof:
            raise _damaged("a checkpoint's window is too long")
    except zlib.error as error:
        raise _damaged("a checkpoint's window cannot be read") from error
    return content


def verify(storage: "Storage", path: str) -> Footer:
    """Reads the whole file; LayerInvalid unless it is as it was written."""
    footer = read_footer(storage, path)
    end = max((begin + length for stretches in footer.sections.values() for begin, length in stretches), default=0)
    end = max(end, len(_HEAD))
    checksum = hashlib.sha256()
    head = b""
    for piece in storage.stream_read(path, (0, end - 1)):
        head = head or piece[: len(_HEAD)]
        checksum.update(piece)
    if head != _HEAD or checksum.hexdigest() != footer.checksum:
        raise _damaged("its checksum does not match")
    return footer


def _damaged(reason: str) -> LayerInvalid:
    return LayerInvalid(f"the table of contents is damaged: {reason}")


def _range(storage: "Storage", path: str, begin: int, end: int) -> bytes:
    if begin >= end:
        return b""
    return b"".join(storage.stream_read(path, (begin, end - 1)))


def _footer_place(tail: bytes, size: int) -> int:
    if not tail.endswith(_TAIL):
        raise _damaged("it does not end as it should")
    end = len(tail) - len(_TAIL)
    length = int.from_bytes(tail[max(0, end - _LENGTH) : end], "big")
    if not 0 < length <= min(_MOST_FOOTER, size - len(_HEAD) - _END):
        raise _damaged("its footer is not where it should be")
    return size - _END - length


def _footer(tail: bytes, begin: int) -> Footer:
    """`tail`: from the footer on."""
    encoded, checksum = tail[:-_END], tail[-_END : -_LENGTH - len(_TAIL)]
    if hashlib.sha256(encoded).digest() != checksum:
        raise _damaged("the checksum of its footer does not match")
    try:
        footer = msgspec.json.decode(encoded, type=Footer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _damaged("its footer cannot be read") from error
    if footer.version != VERSION:
        raise LayerInvalid(f"the table of contents has the format {footer.version}, which is not known here")
    for stretches in footer.sections.values():
        for offset, length in stretches:
            if offset < 0 or length < 0 or offset + length > begin:
                raise _damaged("a section is not where it should be")
    return footer


def _lines(
    storage: "Storage", path: str, stretches: list[tuple[int, int]], decoder: msgspec.json.Decoder[T]
) -> Iterator[T]:
    rest = b""
    try:
        for piece in _unpacked(storage, path, stretches):
            whole, end, rest = (rest + piece).rpartition(b"\n")
            yield from decoder.decode_lines(whole + end)
            if len(rest) > _MOST_LINE:
                raise _damaged("a line is too long")
    except (zstd.ZstdError, EOFError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _damaged("a section cannot be read") from error
    if rest:
        raise _damaged("a section is cut short")


def _unpacked(storage: "Storage", path: str, stretches: list[tuple[int, int]]) -> Iterator[bytes]:
    """One zstd stream, which lies in these stretches of the file."""
    if not stretches:
        return
    unpacker = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _MOST_WINDOW_LOG})
    for offset, length in stretches:
        for packed in storage.stream_read(path, (offset, offset + length - 1)):
            given = unpacker.decompress(packed, _PIECE * 4)
            yield given
            while not unpacker.needs_input and not unpacker.eof:
                yield unpacker.decompress(b"", _PIECE * 4)
    if not unpacker.eof or unpacker.unused_data:
        raise _damaged("a section does not end where it should")
