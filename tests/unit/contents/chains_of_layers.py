"""Chains of layers as hypothesis makes them, and what is there when they are unpacked in order: a model in memory that
knows nothing of how the index does it."""

import copy
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import strategies as st

from orlop.contents.entry import Entry, lossy
from orlop.contents.index import Index
from orlop.contents.layers import layer_state
from orlop.contents.loading import load
from orlop.domain.digest import Digest

Layer = list[Entry]


class Facts(NamedTuple):
    diff_id: str = "sha256:00"
    compression: str = "gzip"
    size: int = 10
    unpacked: int = 20
    entries: int = 1
    content: int = 5


def entry(kind: str, path: bytes, **more: object) -> Entry:
    text, encoded = lossy(path)
    return Entry(path=text, path_b64=encoded, type=kind, **more)  # type: ignore[arg-type]


def file(path: bytes, content: bytes = b"", **more: object) -> Entry:
    return entry("file", path, size=len(content), digest=Digest.of(content), offset=512, **more)


def directory(path: bytes, mode: int = 0o755) -> Entry:
    return entry("directory", path, mode=mode)


def symlink(path: bytes, target: bytes) -> Entry:
    text, encoded = lossy(target)
    return entry("symlink", path, link=text, link_b64=encoded)


def hardlink(path: bytes, target: bytes) -> Entry:
    text, encoded = lossy(target)
    return entry("hardlink", path, link=text, link_b64=encoded)


def whiteout(path: bytes) -> Entry:
    folder, _, name = path.rpartition(b"/")
    return entry("file", folder + b"/.wh." + name, role="whiteout")


def opaque(path: bytes) -> Entry:
    return entry("file", path.rstrip(b"/") + b"/.wh..wh..opq", role="opaque")


def loaded(index: Index, chain: Iterable[Layer]) -> list[int]:
    """The ids of the layers, which are new in the index."""
    return [load_layer(index, f"sha256:{secrets.token_hex(32)}", layer) for layer in chain]


def load_layer(index: Index, digest: str, layer: Layer) -> int:
    load(index, digest, Facts(), iter(layer), iter(()))
    state = layer_state(index.reader(), digest)
    assert state is not None
    return state.id


# Symbolic links have names of their own, so that no path goes through one.
NAMES = [b"a", b"b", b"a-b", b"\xff\xfe"]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda names: b"".join(b"/" + n for n in names))
folders = paths | st.just(b"/")
targets = st.sampled_from([b"a", b"../b", b"/a/b", b"gone", b"/"])


def entries() -> st.SearchStrategy[Entry]:
    return st.one_of(
        st.builds(file, paths, st.sampled_from([b"1", b"22", b"333"]), mode=st.just(0o644)),
        st.builds(file, paths, st.sampled_from([b"1", b"22", b"333"]), mode=st.just(0o644)),
        st.builds(directory, folders, st.sampled_from([0o700, 0o750])),
        st.builds(lambda folder, target: symlink(folder + b"/link", target), paths, targets),
        st.builds(hardlink, paths, paths),
        st.builds(lambda one, other: hardlink(one + b"/link", other + b"/link"), paths, paths),
        st.builds(lambda path: entry("fifo", path), paths),
        st.builds(whiteout, paths),
        st.builds(whiteout, paths),
        st.builds(opaque, folders),
        st.just(entry("file", b"/.wh..wh.aufs", role="metadata")),
    )


layers = st.lists(entries(), max_size=8)
chains = st.lists(layers, min_size=1, max_size=4)


@dataclass
class Thing:
    kind: str
    layer: int
    mode: int = 0o755
    digest: str = ""
    link: bytes = b""
    inside: dict[bytes, "Thing"] = field(default_factory=dict)


class Gone(NamedTuple):
    path: bytes
    layer: int
    gone: int | None


class Model:
    """A file system into which layers are unpacked, one after the other."""

    def __init__(self) -> None:
        self.root = Thing("directory", 0)
        self.layer = -1
        self.gone: list[Gone] = []
        """What was removed or replaced by a later layer than the one that brought it."""

    def unpack(self, layer: Layer) -> None:
        self.layer += 1
        before = copy.deepcopy(self.root)
        for member in layer:
            if member.role == "opaque":
                found = self.find(member.target)
                if found is not None and found.kind == "directory":
                    self._remove_inside(found, member.target)
            elif member.role == "whiteout":
                self._remove(member.target)
        for member in layer:
            if member.role == "opaque":
                self._folder(member.target)
            elif member.role == "whiteout":
                self._folder(member.target.rpartition(b"/")[0])
            elif not member.role:
                self._put(member, before)

    def find(self, path: bytes, root: Thing | None = None) -> Thing | None:
        here: Thing | None = root or self.root
        for name in path.split(b"/"):
            if name and here is not None:
                here = here.inside.get(name)
        return here

    def everything(self) -> Iterator[tuple[bytes, Thing]]:
        yield from _below(self.root, b"")

    def files(self) -> dict[bytes, Thing]:
        return {path: thing for path, thing in self.everything() if thing.kind != "directory"}

    def _put(self, member: Entry, before: Thing) -> None:
        path = member.raw_path
        if path == b"/":
            self.root.mode, self.root.layer = member.mode, self.layer
            return
        folder = self._folder(path.rpartition(b"/")[0])
        name = path.rpartition(b"/")[2]
        new = Thing(member.type, self.layer, member.mode, member.digest, member.raw_link)
        if member.type == "hardlink":
            if member.raw_link == path:
                return
            own = self.find(member.raw_link)
            if own is None or own.layer != self.layer or own.kind == "directory":
                own = None
            lower = self.find(member.raw_link, before)
            if own is not None and own.kind not in ("file", "hardlink"):
                new.kind, new.link = own.kind, own.link
            elif own is not None:
                new.digest = own.digest
            elif lower is not None and lower.kind != "directory":
                new.digest = lower.digest or ("" if lower.kind == "hardlink" else lower.kind + repr(lower.link))
        there = folder.inside.get(name)
        if there is not None and there.kind == new.kind == "directory":
            there.mode, there.layer = new.mode, self.layer
            return
        if there is not None:
            self._removed(there, path)
        folder.inside[name] = new

    def _folder(self, path: bytes) -> Thing:
        here, done = self.root, b""
        for name in path.split(b"/"):
            if not name:
                continue
            done += b"/" + name
            there = here.inside.get(name)
            if there is None or there.kind != "directory":
                if there is not None:
                    self._removed(there, done)
                there = here.inside[name] = Thing("directory", self.layer)
            here = there
        return here

    def _remove(self, path: bytes) -> None:
        folder, _, name = path.rpartition(b"/")
        parent = self.find(folder)
        if parent is not None and name in parent.inside:
            self._removed(parent.inside.pop(name), path)

    def _remove_inside(self, thing: Thing, path: bytes) -> None:
        for name in list(thing.inside):
            self._removed(thing.inside.pop(name), path.rstrip(b"/") + b"/" + name)

    def _removed(self, thing: Thing, path: bytes) -> None:
        for below, inner in [(path, thing), *_below(thing, path)]:
            if inner.kind != "directory" and inner.layer != self.layer:
                self.gone.append(Gone(below, inner.layer, self.layer))


def unpacked(chain: list[Layer]) -> Model:
    model = Model()
    for layer in chain:
        model.unpack(layer)
    return model


def _below(thing: Thing, path: bytes) -> Iterator[tuple[bytes, Thing]]:
    for name, inner in thing.inside.items():
        yield path + b"/" + name, inner
        yield from _below(inner, path + b"/" + name)
