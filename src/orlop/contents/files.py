"""The files of one image: listed, told of and read without unpacking anything to a disk."""

import difflib
from collections.abc import Generator
from functools import lru_cache
from typing import NamedTuple

import structlog

from orlop.contents import reading, toc
from orlop.contents.descent import below
from orlop.contents.images import Image, Images
from orlop.contents.overlay import Node, Overlay
from orlop.contents.toc import Footer
from orlop.database import blobs
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import ContentsPending, FileUnknown, LayerInvalid, ParameterInvalid, Unavailable
from orlop.domain.name import RepositoryName, Tag
from orlop.storage.base import Storage

log = structlog.get_logger("orlop.contents")

LONGEST_PATH = 4096
"""Bytes, as Linux has it (PATH_MAX)."""
MOST_SIMILAR = 1000
"""Names among which one that is like a missing one is looked for."""
LONGEST_SIMILAR = 64
"""Bytes of those."""
FOOTERS = 32
"""Ends of tables of contents that are kept at hand: with very many checkpoints, some MiB each."""
RANDOM_ACCESS = ("plain", "gzip")
"""Of layers packed so, a part is read in little time and memory: of others from their beginning, or with a window of up
to 128 MiB."""
MUCH = 4 << 20
FOLLOWED = ("file", "hardlink")


class Page(NamedTuple):
    """Which part of a directory is asked for. `after`: the path that the page before ended with."""

    most: int
    after: bytes = b""
    depth: int = 1
    """Levels of directories below it that are listed."""


class Listing(NamedTuple):
    """A page of a directory. `following`: what the next page begins behind, None on the last one."""

    items: list[Node]
    following: bytes | None
    total: int | None
    """How many there are in all pages; None where nobody has counted."""


class Found(NamedTuple):
    """What is at a path of an image."""

    image: Image
    node: Node
    listing: Listing | None
    """Of a directory, where a page of it was asked for."""
    content: Node | None
    """Of a file: what has its bytes, which of a hard link is another file."""


class Files:
    def __init__(self, storage: Storage, images: Images) -> None:
        self.images = images
        self._storage = storage
        self._footer = lru_cache(FOOTERS)(self._read_footer)

    def find(
        self,
        caller: Caller,
        name: RepositoryName,
        reference: Tag | Digest,
        path: bytes,
        *,
        platform: str = "",
        page: Page | None = None,
        follow: bool = True,
    ) -> Found:
        """What is at a path; symbolic links are followed, inside the image. `follow`: one at its end, too.

        FileUnknown, and what `Images.find` and `Images.view` raise.
        """
        wanted = normal(path)
        image = self.images.find(caller, name, reference, platform)
        with self.images.view(image) as (view,):
            try:
                node = view.resolve(wanted) if follow else _unfollowed(view, wanted)
                listing = _listing(view, node, page) if page is not None and node.kind == "directory" else None
                content = view.content(node) if node.kind in FOLLOWED else None
            except FileUnknown as error:
                raise _unknown(view, image, wanted, error) from error
        return Found(image, node, listing, content)

    def read(self, found: Found, first: int, count: int) -> Generator[bytes]:
        """`count` bytes of a file from `first` on. A whole file is held against its digest, before its last piece.

        Unavailable: the layer is missing or damaged, which may show only on the way.
        """
        content = found.content
        assert content is not None
        if not count:
            return
        layer = found.image.layers[content.layer].digest
        record = blobs.record(self.images.database.reader(), layer)
        if record is None or record.state not in ("live", "condemned"):
            raise _damaged(layer, "it is missing in the store")
        path, toc_path = self._storage.blob_path(layer, record.generation), self._storage.layer_toc_path(layer)
        try:
            yield from reading.read_file(
                self._storage,
                path,
                toc_path,
                self._footer(layer),
                content.offset,
                content.size,
                content.sparse,
                first,
                count,
                digest=content.digest or "",
            )
        except FileNotFoundError as error:
            raise _damaged(layer, "it is missing in the store") from error
        except LayerInvalid as error:
            raise _damaged(layer, str(error)) from error

    def needs_unpacking(self, found: Found) -> bool:
        """Whether much of the layer is unpacked before a file is reached, or much memory kept while it is read."""
        content = found.content
        if content is None or content.offset + content.size <= MUCH:
            return False
        return found.image.state.known[content.layer].compression not in RANDOM_ACCESS

    def _read_footer(self, layer: Digest) -> Footer:
        try:
            return toc.read_footer(self._storage, self._storage.layer_toc_path(layer))
        except FileNotFoundError as error:
            raise ContentsPending from error


def _damaged(layer: Digest, reason: str) -> Unavailable:
    log.error("a file of a layer cannot be read", layer=layer, reason=reason)
    return Unavailable(f"layer {layer} cannot be read ({reason}): push it again, or run orlop scrub")


def normal(path: bytes) -> bytes:
    """An absolute path without doubled slashes. ParameterInvalid: no file can have it."""
    if len(path) > LONGEST_PATH or b"\0" in path:
        raise ParameterInvalid(
            f"a path has up to {LONGEST_PATH} bytes, none of them zero", detail={"parameter": "path"}
        )
    return b"/" + b"/".join(part for part in path.split(b"/") if part not in (b"", b"."))


def shown(path: bytes) -> str:
    """A path in a message: what no terminal should obey is written as `\\xNN`."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _unfollowed(view: Overlay, path: bytes) -> Node:
    folder, _, name = path.rpartition(b"/")
    if name in (b"", b".."):
        return view.resolve(path)
    parent = view.resolve(folder or b"/")
    node = view.lookup(_join(parent.path, name)) if parent.kind == "directory" else None
    if node is None:
        raise FileUnknown
    return node


def _listing(view: Overlay, node: Node, page: Page) -> Listing:
    if page.depth > 1:
        found = below(view, node.path, page.after, page.depth)
        items = [item for _, item in zip(range(page.most + 1), found, strict=False)]
    else:
        after = page.after.rpartition(b"/")[2]
        items = view.children(node.path, after, page.most + 1)
    more = len(items) > page.most
    items = items[: page.most]
    total = len(items) if not more and not page.after else None
    return Listing(items, items[-1].path if more else None, total)


def _unknown(view: Overlay, image: Image, path: bytes, error: FileUnknown) -> FileUnknown:
    """The refusal with what is there: the nearest directory above, and a name like the one that is missing."""
    parts = path.split(b"/")[1:]
    low, high = 0, len(parts)  # of the first `low` parts it is known that they are there
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _is_there(view, b"/" + b"/".join(parts[:middle])) else (low, middle)
    nearest = b"/" + b"/".join(parts[:low])
    similar = _similar(view, nearest, parts[low]) if low < len(parts) else ""
    reason = f" ({error})" if str(error) != FileUnknown.message else ""
    hint = f", did you mean {similar}?" if similar else f": the nearest that is there is {shown(nearest)}"
    return type(error)(
        f"{image.name} has no file {shown(path)}{reason}{hint}",
        detail={"path": shown(path), "nearest": shown(nearest), "similar": similar or None},
    )


def _is_there(view: Overlay, path: bytes) -> bool:
    try:
        view.resolve(path)
    except FileUnknown:
        return False
    return True


def _similar(view: Overlay, folder: bytes, name: bytes) -> str:
    try:
        node = view.resolve(folder)
        names = [child.path for child in view.children(node.path, count=MOST_SIMILAR)]
    except FileUnknown:
        return ""
    known = {path.rpartition(b"/")[2].decode(errors="replace"): path for path in names if _is_compared(path)}
    close = difflib.get_close_matches(name.decode(errors="replace"), known, n=1) if _is_compared(name) else []
    return shown(known[close[0]]) if close else ""


def _is_compared(path: bytes) -> bool:
    # The time grows with the square of the length: names that were made for it would take many seconds.
    return len(path.rpartition(b"/")[2]) <= LONGEST_SIMILAR


def _join(folder: bytes, name: bytes) -> bytes:
    return (folder if folder != b"/" else b"") + b"/" + name
