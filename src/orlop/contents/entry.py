"""One entry of a layer's table of contents: what an archive says of one member, as `docs/formats/toc.md` has it."""

import base64
import binascii
from typing import Literal

import msgspec

from orlop.domain.errors import LayerInvalid

Type = Literal["file", "directory", "symlink", "hardlink", "character", "block", "fifo"]
Role = Literal["", "whiteout", "opaque", "metadata", "outside"]


class Entry(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Paths are absolute and normal: `/usr/bin/env`, `/` for the root itself."""

    path: str
    """Bytes that are no UTF-8 stand as U+FFFD here, and `path_b64` has the path."""
    path_b64: str = ""
    type: Type = "file"
    role: Role = ""
    """`whiteout`: removes what lower layers have at `target`; `opaque`: removes all that they have below `target`;
    `metadata`: a mark of AUFS, no file of the image; `outside`: its name has a `..`, and it is no file of the image."""
    size: int = 0
    """Bytes of the content as a reader sees it: holes of a sparse file count. 0 for all but files."""
    mode: int = 0
    """The permission bits, with those for setuid, setgid and the sticky bit."""
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """Seconds since 1970, rounded down."""
    link: str = ""
    """The target: of a symbolic link as it stands, of a hard link as a path like `path`."""
    link_b64: str = ""
    digest: str = ""
    """Of the content, `sha256:…`; files only."""
    offset: int = -1
    """Where the content begins in the unpacked archive; -1 where there is none."""
    sparse: tuple[tuple[int, int], ...] = ()
    """Of a sparse file: where each stretch of data stands in the content, and its length. They lie in the archive from
    `offset` on, without gaps. A file that is one hole has a stretch of no length at its end."""
    device: tuple[int, int] | None = None
    """Major and minor number."""
    xattrs: dict[str, str] = {}
    """Values in base64."""

    @property
    def raw_path(self) -> bytes:
        return _raw(self.path, self.path_b64)

    @property
    def raw_link(self) -> bytes:
        return _raw(self.link, self.link_b64)

    @property
    def target(self) -> bytes:
        """What a whiteout or an opaque mark speaks of."""
        folder, _, name = self.raw_path.rpartition(b"/")
        if self.role == "opaque":
            return folder or b"/"
        return folder + b"/" + name.removeprefix(b".wh.")


def lossy(raw: bytes) -> tuple[str, str]:
    """A path as text, and in base64 where the text has lost something."""
    try:
        return raw.decode(), ""
    except UnicodeDecodeError:
        return raw.decode(errors="replace"), base64.b64encode(raw).decode()


def _raw(text: str, encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True) if encoded else text.encode()
    except (binascii.Error, UnicodeEncodeError) as error:
        raise LayerInvalid("the table of contents is damaged: a path cannot be read") from error
