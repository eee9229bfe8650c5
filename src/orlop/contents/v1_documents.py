"""What v1 tells of the files of an image: `files`, the members of its own layer, and `diff`, what these change.

The shapes are those of docker-registry's lib/layers.py. What differs is what was wrong there: a whiteout counts in any
directory, so does an opaque mark, each path stands in one absolute form, and whiteouts of a base layer are deletions.
Both are put together entry by entry in a temporary file, so that a large layer takes no memory.
"""

import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, Literal

import msgspec

from orlop.contents import toc
from orlop.contents.chains import Chain
from orlop.contents.documents import Documents
from orlop.contents.entry import Entry, lossy
from orlop.contents.index import Index
from orlop.contents.layers import ready
from orlop.contents.overlay import Overlay
from orlop.database import jobs
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import ContentsPending, ContentsUnindexable, FileUnknown, LayerInvalid
from orlop.domain.name import RepositoryName
from orlop.storage.base import Storage

Part = Literal["files", "diff"]

JOB = "v1-image"
"""The kind of job that looks at an image and makes its documents; its subject is `<repository> <image id>`."""

LETTERS = {
    "file": "f",
    "directory": "d",
    "symlink": "s",
    "hardlink": "l",
    "character": "c",
    "block": "b",
    "fifo": "i",
}
SPARSE = "S"

FEW = 4
"""Look-ups in one directory before all of its names are fetched."""
MOST_NAMES = 5_000
"""Names of one directory that are kept at hand."""
DIRECTORIES = 32
"""Whose names are kept at hand."""
MOST_COMPARED = 250_000
"""Members of a layer that are looked for in the image below it: each takes 10 to 70 µs."""
PAGE = 1_000

_encode = msgspec.json.Encoder().encode


class V1Documents:
    """Safe to use from any thread."""

    def __init__(self, storage: Storage, database: Database, index: Index, documents: Documents) -> None:
        self._storage = storage
        self._database = database
        self._index = index
        self._documents = documents

    def open(self, part: Part, name: RepositoryName, image_id: str, manifest: Digest | None) -> BinaryIO:
        """The document of an image in the repository, as a file that its caller closes.

        `manifest`: the one that the image is part of; None: it was pushed over v1. Whoever is the first to ask lets a
        worker look at the image, and make its `files.trie` and `diffs.json`. ContentsPending: it has not done so yet.
        ContentsUnindexable.
        """
        chain = self._documents.of_image(name, image_id, manifest)
        if chain is None:
            raise ContentsPending
        if self._documents.are_due(chain):
            self._ask(f"{name} {image_id}")
        return self.write(part, chain)

    def write(self, part: Part, chain: Chain) -> BinaryIO:
        """As `open`, for a chain that is known; asks for nothing."""
        file = tempfile.TemporaryFile()  # noqa: SIM115  # the caller's
        try:
            if part == "files":
                self._write_files(file, chain)
            else:
                self._write_diff(file, chain)
        except BaseException:
            file.close()
            raise
        file.flush()
        return file

    def _ask(self, subject: str) -> None:
        """Once: who asks again and again for what cannot be done gets no other try for that."""
        known = jobs.find(self._database.reader(), JOB, subject)
        if known is None:
            self._database.write(lambda connection: jobs.enqueue(connection, JOB, subject))
        elif known.state == "failed":
            raise ContentsUnindexable(f"the image could not be looked at: {known.error}")

    def _write_files(self, file: BinaryIO, chain: Chain) -> None:
        with self._index.reading() as connection:
            if chain.own is not None:
                ready(connection, chain.own)
        _write_list(file, _rows(self._entries(chain.own)))

    def _write_diff(self, file: BinaryIO, chain: Chain) -> None:
        with self._index.reading() as connection:
            known = [ready(connection, digest) for digest in chain.layers]
            layers = [layer.id for layer in known]
            below = layers if chain.adds_nothing else layers[:-1]
            if below and not chain.adds_nothing and (known[-1].entries or 0) > MOST_COMPARED:
                raise ContentsUnindexable(f"{chain.own} has too many members to be compared: {known[-1].entries}")
            own = [] if chain.adds_nothing else layers[-1:]
            changes = Changes(Overlay(connection, below), Overlay(connection, own), lambda: self._entries(chain.own))
            changes.write(file)

    def _entries(self, layer: Digest | None) -> Iterator[Entry]:
        """Those of the layer that are of the image: neither marks of AUFS nor what has a `..` in its name."""
        if layer is None:
            return
        path = self._storage.layer_toc_path(layer)
        try:
            found = toc.entries(self._storage, path, toc.read_footer(self._storage, path))
            yield from (entry for entry in found if entry.role not in ("metadata", "outside"))
        except (FileNotFoundError, LayerInvalid) as error:  # lost or damaged: it can be made again
            raise ContentsPending from error


class Changes:
    """What a layer changes in the image below it."""

    def __init__(self, below: Overlay, own: Overlay, entries: Callable[[], Iterator[Entry]]) -> None:
        """`own`: the layer alone; `entries`: its entries, in the archive's order, as often as they are asked for."""
        self._below = Directories(below)
        self._own = own
        self._entries = entries

    def write(self, file: BinaryIO) -> None:
        """The document `diff`."""
        with tempfile.TemporaryFile() as changed, tempfile.TemporaryFile() as created:
            file.write(b'{"deleted":{')
            _write_members(file, self._deleted())
            more = {True: _Members(changed), False: _Members(created)}
            for entry in self._last_of_each():
                more[self._below.holds(entry.raw_path)].add(entry.path, _facts(entry, deleted=False))
            for name, part in (("changed", changed), ("created", created)):
                file.write(b'},"%s":{' % name.encode())
                part.seek(0)
                while piece := part.read(1 << 16):
                    file.write(piece)
            file.write(b"}}")

    def _deleted(self) -> Iterator[tuple[str, bytes]]:
        """Each whiteout, and for an opaque mark each child that the directory had. Not what the layer makes again."""
        seen: set[int] = set()
        for entry in self._entries():
            if not entry.role:
                continue
            facts = _facts(entry, deleted=True)
            targets: Iterable[bytes] = [entry.target] if entry.role == "whiteout" else self._below.all(entry.target)
            for target in targets:
                # Of a million paths the hashes take 64 MB, and no two are alike.
                if hash(target) not in seen and self._own.lookup(target) is None:
                    seen.add(hash(target))
                    yield lossy(target)[0], facts

    def _last_of_each(self) -> Iterator[Entry]:
        """The entries, without those that another of the same path follows: unpacking replaces them."""
        seen: set[int] = set()
        left: dict[int, int] = {}
        for entry in self._entries():
            if entry.role:
                continue
            key = hash(entry.path)
            if key in seen:
                left[key] = left.get(key, 0) + 1
            seen.add(key)
        del seen
        for entry in self._entries():
            if entry.role:
                continue
            if left and (more := left.get(hash(entry.path), 0)):
                left[hash(entry.path)] = more - 1
            else:
                yield entry


class Directories:
    """Whether an image has a path, asked for many paths that lie together, as they do in an archive."""

    def __init__(self, image: Overlay) -> None:
        self._image = image
        self._asked: OrderedDict[bytes, int] = OrderedDict()
        self._names: OrderedDict[bytes, frozenset[bytes]] = OrderedDict()

    def holds(self, path: bytes) -> bool:
        if not self._image.layers:
            return False
        directory = path.rpartition(b"/")[0] or b"/"
        names = self._names.get(directory)
        if names is None and self._is_asked_often(directory):
            names = self._fetch(directory)
        return self._image.lookup(path) is not None if names is None else path in names

    def all(self, directory: bytes) -> Iterator[bytes]:
        """The paths of all children; none where it is no directory."""
        after = b""
        try:
            while page := self._image.children(directory, after, PAGE):
                yield from (node.path for node in page)
                after = page[-1].path.rpartition(b"/")[2]
        except FileUnknown:
            return

    def _is_asked_often(self, directory: bytes) -> bool:
        times = self._asked[directory] = self._asked.pop(directory, 0) + 1
        if len(self._asked) > DIRECTORIES:
            self._asked.popitem(last=False)
        return times == FEW

    def _fetch(self, directory: bytes) -> frozenset[bytes] | None:
        """None: there are too many."""
        try:
            nodes = self._image.children(directory, b"", MOST_NAMES)
        except FileUnknown:
            nodes = []
        if len(nodes) == MOST_NAMES:
            return None
        names = self._names[directory] = frozenset(node.path for node in nodes)
        if len(self._names) > DIRECTORIES:
            self._names.popitem(last=False)
        return names


class _Members:
    """Writes the members of a JSON object."""

    def __init__(self, file: BinaryIO) -> None:
        self._write = file.write
        self._comma = b""

    def add(self, path: str, facts: bytes) -> None:
        self._write(self._comma + _encode(path) + b":" + facts)
        self._comma = b","


def _write_members(file: BinaryIO, members: Iterable[tuple[str, bytes]]) -> None:
    writer = _Members(file)
    for path, facts in members:
        writer.add(path, facts)


def _write_list(file: BinaryIO, rows: Iterable[bytes]) -> None:
    comma = b"["
    for row in rows:
        file.write(comma + row)
        comma = b","
    file.write(b"]" if comma == b"," else b"[]")


def _rows(entries: Iterable[Entry]) -> Iterator[bytes]:
    """`[path, type, deleted, size, mtime, mode, uid, gid]`. An opaque mark is no path: only `diff` tells of it."""
    for entry in entries:
        if entry.role == "whiteout":
            yield b"[" + _encode(lossy(entry.target)[0]) + b"," + _facts(entry, deleted=True)[1:]
        elif not entry.role:
            yield b"[" + _encode(entry.path) + b"," + _facts(entry, deleted=False)[1:]


def _facts(entry: Entry, *, deleted: bool) -> bytes:
    letter = SPARSE if entry.sparse else LETTERS[entry.type]
    return _encode([letter, deleted, entry.size, entry.mtime, entry.mode, entry.uid, entry.gid])
