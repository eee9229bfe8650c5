"""One member of an archive, as its header and the extended headers before it have it.

They mean what they mean to Go's archive/tar, by which docker, containerd and podman unpack what they pull; global
headers, which those pass over, mean what POSIX says.
"""

from functools import lru_cache

from orlop.contents.entry import Type
from orlop.contents.limits import Limits
from orlop.domain import tar
from orlop.domain.errors import LayerInvalid
from orlop.domain.pax import parse_integer, parse_seconds, records
from orlop.domain.tar import text

_GLOBAL = b"g"
_LONG_NAME = b"L"
_LONG_LINK = b"K"
EXTENSIONS = frozenset((b"x", b"X", _GLOBAL, _LONG_NAME, _LONG_LINK))
"""Types of extended headers. `X` is Solaris' name for `x`."""

MAX_EXTENSIONS = 8
"""For one member. Three or four are the most that programs write: global, pax, a long name and a long link."""

_TYPES: dict[bytes, Type] = {
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "character",
    b"4": "block",
    b"5": "directory",
    b"6": "fifo",
    b"D": "directory",
}
"""All others are files: POSIX wants it of those that are not known. `D` is a directory of GNU tar with its listing."""

_EARLIEST = -(1 << 63)
_XATTR = b"SCHILY.xattr."
_MODE = 0o7777

# In one layer few differ: modes, owners, and the times of a package.
_number = lru_cache(1024)(tar.number)


class Member:
    """Names are bytes, as they stand in the archive, up to the first NUL."""

    __slots__ = ("block", "device", "gid", "gnu", "link", "mode", "mtime", "name", "size", "typeflag", "uid")

    def __init__(self, block: bytes) -> None:
        """LayerInvalid where it is no header."""
        name, mode, uid, gid, size, mtime, checksum, typeflag, link, magic, _, _, major, minor, prefix, _ = (
            tar.FIELDS.unpack(block)
        )
        tar.check(block, checksum)
        self.block = block
        self.gnu = magic == tar.GNU
        self.name = tar.named(name, magic, prefix, block)
        self.mode = _number(mode) & _MODE
        self.uid = _number(uid)
        self.gid = _number(gid)
        self.size = tar.number(size)
        self.mtime = _number(mtime)
        self.typeflag = typeflag
        self.link = text(link)
        self.device: tuple[int, int] | None = None
        if typeflag in tar.DEVICES:
            known = self.gnu or magic[:6] == tar.USTAR
            self.device = (tar.number(major), tar.number(minor)) if known else (0, 0)
        if self.gnu and prefix[0] and text(prefix).isascii() and not _are_times(prefix):
            # Go before 1.8 wrote some long names so, and docker with it.
            self.name = text(prefix) + b"/" + self.name

    @property
    def type(self) -> Type:
        # Before POSIX a directory was a file whose name ends so.
        if self.typeflag == b"\0" and self.name.endswith(b"/"):
            return "directory"
        return _TYPES.get(self.typeflag, "file")

    @property
    def stored(self) -> int:
        """Bytes of its content in the archive. LayerInvalid where there are fewer than none."""
        if self.typeflag in tar.WITHOUT_CONTENT or (self.typeflag == b"\0" and self.name.endswith(b"/")):
            return 0
        if self.size < 0:
            raise LayerInvalid("the archive is damaged: a member's size is below zero")
        return self.size


class Extensions:
    """What the extended headers before a member say, and the global ones before those."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._global: dict[bytes, bytes] = {}
        self._global_bytes = 0
        self.clear()

    def clear(self) -> None:
        """Forget those of the last member."""
        self._count = self._bytes = 0
        self.pending = False
        """Whether there is one that a member must follow."""
        self._records: dict[bytes, bytes] = {}
        self._stretches: list[bytes] = []
        self._name = self._link = b""

    @property
    def any(self) -> bool:
        return self.pending or bool(self._global)

    def announce(self, size: int) -> None:
        """One of `size` bytes comes next. LayerInvalid where it may not."""
        self._count += 1
        self._bytes += size
        if size < 0:
            raise LayerInvalid("the archive is damaged: an extended header's size is below zero")
        if self._count > MAX_EXTENSIONS:
            raise LayerInvalid(f"a member of the archive has more than {MAX_EXTENSIONS} extended headers")
        if self._bytes > self._limits.pax:
            raise LayerInvalid(f"a member of the archive has extended headers of more than {self._limits.pax} bytes")

    def add(self, typeflag: bytes, content: bytes) -> None:
        if typeflag == _GLOBAL:
            self._add_global(content)
            return
        self.pending = True
        if typeflag == _LONG_NAME:
            self._name = text(content)
        elif typeflag == _LONG_LINK:
            self._link = text(content)
        else:
            self._records = {}
            self._stretches = []
            for key, value in records(content):
                if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                    # The only ones of which there are several (GNU tar's form 0.0).
                    self._stretches.append(value)
                else:
                    self._records[key] = value

    def apply(self, member: Member) -> dict[bytes, bytes]:
        """Change `member` as they say, and return the records that may mean more: its attributes, its map."""
        said = {**self._global, **self._records} if self._global else self._records
        for key, value in said.items():
            if value:  # an empty one says that the header's own is meant
                _change(member, key, value)
        # A long name of GNU's is the last word.
        member.name = self._name or member.name
        member.link = self._link or member.link
        if self._stretches:
            said = {**said, b"GNU.sparse.map": b",".join(self._stretches)}
        return said

    def _add_global(self, content: bytes) -> None:
        for key, value in records(content):
            if value:
                self._global[key] = value
            else:
                self._global.pop(key, None)
        if sum(len(key) + len(value) for key, value in self._global.items()) > self._limits.pax:
            raise LayerInvalid(f"the archive has global headers of more than {self._limits.pax} bytes")


def xattrs_of(said: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return {
        key[len(_XATTR) :]: value for key, value in said.items() if key.startswith(_XATTR) and len(key) > len(_XATTR)
    }


def _change(member: Member, key: bytes, value: bytes) -> None:
    if key == b"path":
        member.name = text(value)
    elif key == b"linkpath":
        member.link = text(value)
    elif key == b"size":
        member.size = parse_integer(value)
    elif key == b"mtime":
        member.mtime = max(parse_seconds(value), _EARLIEST)  # it was rounded down
    elif key == b"uid":
        member.uid = parse_integer(value)
    elif key == b"gid":
        member.gid = parse_integer(value)


def _are_times(prefix: bytes) -> bool:
    """Whether GNU's two times, of access and of change, stand there."""
    try:
        tar.number(prefix[:12])
        tar.number(prefix[12:24])
    except LayerInvalid:
        return False
    return True
