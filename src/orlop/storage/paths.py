"""What may be a path of the tree: checked once, before any I/O, by every driver alike."""

import re

MAX_SEGMENT = 255
"""Bytes in one segment: the limit of nearly every file system."""

MAX_PATH = 1024
"""Bytes in a whole path: the limit of object stores."""

# Printable ASCII without `/` and `\`; no leading dot. So `.`, `..` and the dot-folders in which drivers keep temporary
# files can't be named, and no newline, NUL or lookalike letter reaches a file system, a log or a listing.
_SEGMENT = r"[!-\-0-\[\]-~][!-.0-\[\]-~]{0,254}"
_is_segment = re.compile(_SEGMENT).fullmatch
_is_path = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*").fullmatch


class InvalidPath(ValueError):
    """A path or a segment that the tree can't hold; `reason` says why, in words for a person."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"invalid path {_shown(path)}: {reason}")
        self.path = path
        self.reason = reason


def check_path(path: str) -> None:
    """Raise InvalidPath unless `path` may name an object."""
    if len(path) > MAX_PATH or _is_path(path) is None:
        raise InvalidPath(path, _reason(path))


def check_folder(path: str) -> str:
    """Return the folder's path without the `/` that may end it, or raise InvalidPath."""
    folder = path.removesuffix("/")
    check_path(folder)
    return folder


def check_segment(segment: str) -> str:
    """Return `segment` if it can stand between two slashes, else raise InvalidPath.

    A `/` in a tag or an id would reach another's object.
    """
    if _is_segment(segment) is None:
        raise InvalidPath(segment, "it holds a /" if "/" in segment else _reason(segment))
    return segment


def is_segment(name: str) -> bool:
    """Whether `name` can stand between two slashes."""
    return _is_segment(name) is not None


def _reason(path: str) -> str:
    if not path:
        return "it is empty"
    if path.startswith("/"):
        return "it is absolute"
    if len(path) > MAX_PATH:
        return f"it is longer than {MAX_PATH} bytes"
    for segment in path.split("/"):
        if reason := _segment_reason(segment):
            return reason
    return "it is not valid"


def _segment_reason(segment: str) -> str:
    if not segment:
        return "it has an empty segment"
    if segment.startswith("."):
        return "a segment begins with a dot"
    if not segment.isascii():
        return "it is not ASCII"
    if len(segment) > MAX_SEGMENT:
        return f"a segment is longer than {MAX_SEGMENT} bytes"
    if bad := next((c for c in segment if not "!" <= c <= "~" or c == "\\"), None):
        return f"it holds {bad!r}"
    return ""


def _shown(path: str) -> str:
    return ascii(path if len(path) <= 100 else f"{path[:97]}...")
