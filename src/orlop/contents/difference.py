"""What differs between the files of two images."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from orlop.contents.live import Live, by_name
from orlop.contents.node import Node, node_of
from orlop.contents.overlay import Overlay
from orlop.domain.errors import FileUnknown

KEPT = 64
"""Pairs of images whose totals are kept."""


class Change(NamedTuple):
    """One path at which two images differ."""

    path: bytes
    before: Node | None
    after: Node | None
    what: tuple[str, ...]
    """Of what is in both: `type`, `content`, `link`, `mode`, `owner`."""

    @property
    def how(self) -> str:
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


class Totals(NamedTuple):
    """Of all changes, directories left out. Sizes in bytes of content."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    added_size: int = 0
    removed_size: int = 0
    grown: int = 0
    """By how much the changed files are larger; negative where they are smaller."""


class Difference:
    """Between two views. Directories that both have from the same layers alone are not looked into."""

    def __init__(self, before: Overlay, after: Overlay) -> None:
        self._views = before, after
        self._shared = sum(
            1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before.layers, after.layers, strict=False))
        )
        self._have_grafts = bool(before.grafts) or bool(after.grafts)

    @property
    def is_none(self) -> bool:
        """Whether both are made of the same layers."""
        return self._views[0].layers == self._views[1].layers

    def changes(self, top: bytes = b"/", after: bytes = b"") -> Iterator[Change]:
        """All below a directory, in the order of `Overlay.walk`, from what comes behind the path `after` on.

        FileUnknown: neither image has such a directory.
        """
        if self.is_none:
            return
        tops = _directory(self._views[0], top), _directory(self._views[1], top)
        if tops == (None, None):
            raise FileUnknown
        levels = self._levels(tops, top, after)
        while levels:
            pair = next(levels[-1], None)
            if pair is None:
                levels.pop()
                continue
            change = self._compared(*pair)
            if change is not None:
                yield change
            if self._may_differ_below(*pair):
                levels.append(self._level(pair))

    def totals(self, top: bytes = b"/") -> Totals:
        """Looks at every change."""
        counts = {"added": 0, "changed": 0, "removed": 0}
        sizes = dict(counts)
        for change in self.changes(top):
            nodes = [node for node in (change.before, change.after) if node is not None]
            if all(node.kind == "directory" for node in nodes):
                continue
            counts[change.how] += 1
            sizes[change.how] += nodes[-1].size - (nodes[0].size if len(nodes) == 2 else 0)
        return Totals(
            counts["added"],
            counts["changed"],
            counts["removed"],
            sizes["added"],
            sizes["removed"],
            sizes["changed"],
        )

    def _levels(self, tops: "_Pair", top: bytes, after: bytes) -> list[Iterator["_Pair"]]:
        """For each directory on the way to `after`, and for itself, what is still to come."""
        pair, levels = tops, []
        for name in [part for part in after.removeprefix(top).split(b"/") if part]:
            levels.append(self._level(pair, name))
            found = [_child(view, live, name) for view, live in zip(self._views, pair, strict=True)]
            pair = (found[0], found[1])
            if not self._may_differ_below(*pair):
                return levels
        return [*levels, self._level(pair)]

    def _level(self, pair: "_Pair", after: bytes = b"") -> Iterator["_Pair"]:
        """What two directories hold, name by name."""
        before, now = (_below(view, live, after) for view, live in zip(self._views, pair, strict=True))
        old, new = next(before, None), next(now, None)
        while old is not None or new is not None:
            if new is None or (old is not None and by_name(old) < by_name(new)):
                yield old, None
                old = next(before, None)
            elif old is None or by_name(new) < by_name(old):
                yield None, new
                new = next(now, None)
            else:
                yield old, new
                old, new = next(before, None), next(now, None)

    def _may_differ_below(self, old: Live | None, new: Live | None) -> bool:
        """What comes from the same layers is the same: a layer that says anything below names the directory, too."""
        there = [live for live in (old, new) if live is not None and live.is_directory]
        if len(there) < 2:
            return len(there) == 1
        if self._have_grafts and any(source.layer >= self._shared for live in there for source in live.sources):
            return True  # what is below depends on links elsewhere
        named = [
            [(view.layers[source.layer], source.path_id) for source in live.sources]
            for view, live in zip(self._views, there, strict=True)
        ]
        return named[0] != named[1]

    def _compared(self, old: Live | None, new: Live | None) -> Change | None:
        before, after = (None if live is None else node_of(live.path, live.layer, live.row) for live in (old, new))
        implicit = any(live is not None and live.row[2] for live in (old, new))
        if before is None or after is None:
            node = after if before is None else before
            assert node is not None
            return Change(node.path, before, after, ())
        if before.layer == after.layer < self._shared and before == after:
            return None
        # What was never told of a directory does not differ.
        what = tuple(self._differing(before, after))[: 0 if implicit and before.kind == after.kind else None]
        return Change(after.path, before, after, what) if what else None

    def _differing(self, before: Node, after: Node) -> Iterator[str]:
        # To whoever reads it, a hard link is the file.
        kinds = [node.kind.replace("hardlink", "file") for node in (before, after)]
        if kinds[0] != kinds[1]:
            yield "type"
        elif kinds[0] == "file" and self._content(0, before) != self._content(1, after):
            yield "content"
        elif kinds[0] == "symlink" and before.link != after.link:
            yield "link"
        if before.mode != after.mode and kinds != ["symlink", "symlink"]:
            yield "mode"
        if (before.uid, before.gid) != (after.uid, after.gid):
            yield "owner"

    def _content(self, which: int, node: Node) -> str | None:
        if node.digest is not None:
            return node.digest
        try:
            return self._views[which].content(node).digest
        except FileUnknown:
            return None


class KnownTotals:
    """The totals of the pairs that were asked for last: each page of their changes tells them."""

    def __init__(self) -> None:
        self._known: OrderedDict[object, Totals] = OrderedDict()

    def of(self, difference: Difference, key: Sequence[object], top: bytes) -> Totals:
        """`key` names the two images."""
        known = self._known.get((*key, top))
        if known is None:
            known = self._known[(*key, top)] = difference.totals(top)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return known


_Pair = tuple[Live | None, Live | None]


def _directory(view: Overlay, path: bytes) -> Live | None:
    """The directory at a path; no links are followed."""
    live: Live | None = view.root()
    for name in path.split(b"/"):
        if name:
            live = _child(view, live, name)
    return live if live is not None and live.is_directory else None


def _child(view: Overlay, live: Live | None, name: bytes) -> Live | None:
    if live is None or not live.is_directory:
        return None
    return view.child(live, name)


def _below(view: Overlay, live: Live | None, after: bytes) -> Iterator[Live]:
    return iter(()) if live is None or not live.is_directory else view.below(live, after=after)
