"""Where in an image a member of a layer's archive belongs, from its name, and what it is there for.

Names as OCI's image specification has them (layer.md, "Whiteouts"), and AUFS before it.
"""

from orlop.contents.entry import Role

_PREFIX = b".wh."
_OPAQUE = b".wh..wh..opq"
_METADATA = b".wh..wh."
_NO_NAMES = (b"", b".", b"..")


def place(name: bytes) -> tuple[bytes, Role]:
    """The path of a member, absolute and normal, and its role. A name with `..` in it stays as it stands."""
    path = absolute(name)
    if path is None:
        return name, "outside"
    if b"/.wh." in path:
        return path, _role(path)
    return path, ""


def absolute(name: bytes) -> bytes | None:
    """None where there is a `..` in it."""
    inner = name.strip(b"/")
    if b"//" not in inner and b"/." not in inner and inner[:1] != b".":
        return b"/" + inner
    parts = [part for part in inner.split(b"/") if part not in (b"", b".")]
    return None if b".." in parts else b"/" + b"/".join(parts)


def _role(path: bytes) -> Role:
    *folders, last = path.split(b"/")
    if any(part.startswith(_METADATA) for part in folders):
        return "metadata"
    if last == _OPAQUE:
        return "opaque"
    if last.startswith(_METADATA):
        return "metadata"
    if not last.startswith(_PREFIX):
        return ""
    # What would remove the folder that it is in, or the one above, is no name of a file.
    return "metadata" if last.removeprefix(_PREFIX) in _NO_NAMES else "whiteout"
