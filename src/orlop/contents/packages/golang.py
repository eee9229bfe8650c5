"""Modules of Go: what the linker writes into each program about what it was built of (Go 1.18 and newer).

It stands behind a mark, somewhere in the program, as two texts, each behind its length: the version of Go, and lines of
modules between two marks of 16 bytes.
"""

from collections.abc import Iterator

from orlop.contents.packages.package import Content, Package, Reader, told

MAGIC = b"\x7fELF"

_MARK = b"\xff Go buildinf:"
_HEADER = 32
_INLINE = 2  # the flag that says that the texts follow; older programs have addresses in memory there
_MAX_INFO = 2 << 20

_PLAIN_FOLDERS = ("/etc/", "/usr/share/", "/usr/include/", "/usr/lib/python", "/var/", "/proc/", "/sys/", "/dev/")


def may_be_program(path: str, name: str) -> bool:
    """Whether the file could be one: those of Go have no ending."""
    return "." not in name and not path.startswith(_PLAIN_FOLDERS)


def parse(path: str, content: Content) -> Iterator[Package]:
    finder = _Finder(path)
    finder.feed(content)
    return finder.packages()


class _Finder:
    """Keeps what follows the mark, or the little where one could begin."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._begun = False
        self._tail = b""
        self._info: bytearray | None = None
        """None: no mark yet. Empty, where there will be none."""

    def feed(self, piece: Content | memoryview) -> None:
        if self._info is None:
            self._look(self._tail + piece)
        elif self._info:
            self._info += piece[: _MAX_INFO - len(self._info)]

    def _look(self, content: bytes) -> None:
        if not self._begun and len(content) >= len(MAGIC):
            self._begun = True
            if not content.startswith(MAGIC):
                self._info = bytearray()
                return
        at = content.find(_MARK)
        while 0 <= at <= len(content) - _HEADER:
            if _is_header(content[at : at + _HEADER]):
                self._info = bytearray(content[at : at + _MAX_INFO])
                return
            at = content.find(_MARK, at + 1)
        self._tail = content[at if at >= 0 else max(0, len(content) - len(_MARK) + 1) :] if self._begun else content

    def packages(self) -> Iterator[Package]:
        return told(_packages(self._path, bytes(self._info))) if self._info else iter(())


READER = Reader(_MAX_INFO, parse, magic=MAGIC, scan=_Finder)


def _is_header(header: bytes) -> bool:
    """Programs that read other programs have the mark as a text of theirs, too, with other texts behind it."""
    return header[15] & _INLINE != 0 and not any(header[16:])


def _packages(path: str, info: bytes) -> Iterator[Package]:
    go, at = _text(info, _HEADER)
    modules, _ = _text(info, at)
    version = go.partition(b" ")[0].removeprefix(b"go")  # experiments are named behind a space
    yield _package(path, b"stdlib", version)
    last: Package | None = None
    for line in modules[16:-16].split(b"\n"):
        kind, *fields = line.split(b"\t")
        if kind in (b"mod", b"dep", b"=>") and len(fields) >= 2:
            if last and kind != b"=>":  # which comes behind what it replaces
                yield last
            last = _package(path, fields[0], fields[1])
    if last:
        yield last


def _package(path: str, name: bytes, version: bytes) -> Package:
    return Package(
        ecosystem="golang", name=name.decode(errors="replace"), version=version.decode(errors="replace"), path=path
    )


def _text(info: bytes, at: int) -> tuple[bytes, int]:
    """The text behind its length, which has seven bits in each byte, the lowest first; and where it ends."""
    length = shift = 0
    while at < len(info) and shift < 63:
        byte = info[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    text = info[at : at + length]
    return (text if len(text) == length else b""), at + length
