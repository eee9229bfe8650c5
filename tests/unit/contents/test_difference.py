"""What differs between two images, against comparing all of both."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orlop.contents.descent import below
from orlop.contents.difference import Change, Difference, KnownTotals, Totals
from orlop.contents.index import Index
from orlop.contents.overlay import Node, Overlay
from orlop.domain.errors import FileUnknown
from tests.unit.contents.chains_of_layers import (
    Layer,
    chains,
    directory,
    entry,
    file,
    hardlink,
    layers,
    load_layer,
    loaded,
    symlink,
    whiteout,
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    index = Index(tmp_path_factory.mktemp("difference") / "contents.db")
    yield index
    index.close()


@contextmanager
def two(index: Index, shared: list[Layer], old: list[Layer], new: list[Layer]) -> Iterator[tuple[Overlay, Overlay]]:
    base = loaded(index, shared)
    olds, news = loaded(index, old), loaded(index, new)
    with index.reading() as connection:
        yield Overlay(connection, [*base, *olds]), Overlay(connection, [*base, *news])


@contextmanager
def mixed(index: Index, old: list[Layer], new: list[Layer], common: Layer) -> Iterator[tuple[Overlay, Overlay]]:
    """Two with one layer in common, at the bottom of the one and on top of the other, so that nothing is the same by
    its place."""
    base, olds, news = loaded(index, [common]), loaded(index, old), loaded(index, new)
    with index.reading() as connection:
        yield Overlay(connection, [*base, *olds]), Overlay(connection, [*news, *base])


def content(view: Overlay, node: Node) -> str | None:
    try:
        return view.content(node).digest
    except FileUnknown:
        return None


def facts(view: Overlay, node: Node) -> tuple[object, ...]:
    if node.kind == "symlink":
        return node.kind, node.mode, node.uid, node.link
    is_file = node.kind in ("file", "hardlink")
    return "file" if is_file else node.kind, node.mode, node.uid, content(view, node) if is_file else None


def compared(before: Overlay, after: Overlay) -> list[tuple[bytes, str]]:
    """What there is in one and not in the other, or is not the same, path by path."""
    old, new = ({node.path: facts(view, node) for node in view.walk()} for view in (before, after))
    differing = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    return [
        (path, "added" if path not in old else "removed" if path not in new else "changed")
        for path in sorted(differing, key=lambda path: path.split(b"/"))
    ]


def told(changes: Iterator[Change]) -> list[tuple[bytes, str]]:
    return [(change.path, change.how) for change in changes]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(layers, max_size=2), chains, chains)
def test_all_that_differs_is_told_and_nothing_else(
    index: Index, shared: list[Layer], old: list[Layer], new: list[Layer]
) -> None:
    with two(index, shared, old, new) as views:
        check(*views)
    with mixed(index, old, new, [*shared[0], directory(b"/b/c")] if shared else []) as views:
        check(*views)


def check(before: Overlay, after: Overlay) -> None:
    views = before, after
    difference = Difference(*views)
    everything = told(difference.changes())
    expected = compared(*views)
    # Directories that no layer names have no attributes, and cannot differ in them.
    kinds = {node.path: node.kind for view in views for node in view.walk()}
    told_of = {pair for pair in everything if kinds[pair[0]] != "directory" or pair[1] != "changed"}
    assert told_of == {pair for pair in expected if kinds[pair[0]] != "directory" or pair[1] != "changed"}
    assert set(everything) <= set(expected)
    assert everything == sorted(everything, key=lambda pair: pair[0].split(b"/"))
    for place, (path, _) in enumerate(everything):
        assert told(difference.changes(after=path)) == everything[place + 1 :]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chains, st.integers(1, 3))
def test_a_list_goes_on_where_it_was(index: Index, chain: list[Layer], depth: int) -> None:
    ids = loaded(index, chain)
    with index.reading() as connection:
        view = Overlay(connection, ids)
        everything = list(view.walk())
        assert list(below(view, b"/")) == everything
        for place, node in enumerate(everything):
            assert list(below(view, b"/", node.path)) == everything[place + 1 :]
        near = [node for node in everything if node.path.count(b"/") <= depth]
        assert list(below(view, b"/", depth=depth)) == near
        for place, node in enumerate(near):
            assert list(below(view, b"/", node.path, depth)) == near[place + 1 :]


def test_each_way_to_differ_has_its_name(index: Index) -> None:
    old = [
        file(b"/text", b"1", mode=0o644), file(b"/same", b"1", mode=0o644), symlink(b"/way", b"a"),
        file(b"/kind", b"1"), file(b"/whose", b"1", uid=1), file(b"/all", b"1", mode=0o600, gid=3),
    ]  # fmt: skip
    new = [
        file(b"/text", b"22", mode=0o600), file(b"/same", b"1", mode=0o644, mtime=99), symlink(b"/way", b"b"),
        directory(b"/kind"), file(b"/whose", b"1", uid=2), file(b"/all", b"2", mode=0o644, gid=4),
    ]  # fmt: skip
    with two(index, [], [old], [new]) as views:
        found = {change.path: change.what for change in Difference(*views).changes()}
    assert found == {
        b"/all": ("content", "mode", "owner"),
        b"/kind": ("type", "mode"),
        b"/text": ("content", "mode"),
        b"/way": ("link",),
        b"/whose": ("owner",),
    }


def test_a_hard_link_is_the_file_that_it_is_a_link_to(index: Index) -> None:
    base = [file(b"/a", b"1", mode=0o755)]
    with two(index, [base], [[file(b"/b", b"1", mode=0o755)]], [[hardlink(b"/b", b"/a")]]) as views:
        changes = list(Difference(*views).changes())
        assert [change.what for change in changes if "content" in change.what] == []
    with two(index, [base], [[file(b"/b", b"2")]], [[hardlink(b"/b", b"/a")]]) as views:
        assert "content" in next(Difference(*views).changes()).what


def test_sizes_are_added_up(index: Index) -> None:
    base = [file(b"/grows", b"1"), file(b"/goes/away", b"55555"), entry("fifo", b"/pipe")]
    top = [file(b"/grows", b"4444"), whiteout(b"/goes"), file(b"/new/one", b"333"), directory(b"/new/empty")]
    with two(index, [base], [], [top]) as views:
        difference = Difference(*views)
        assert difference.totals() == Totals(1, 1, 1, added_size=3, removed_size=5, grown=3)
        assert difference.totals(b"/new") == Totals(added=1, added_size=3)
        known = KnownTotals()
        assert known.of(difference, ["x"], b"/") == known.of(difference, ["x"], b"/") == difference.totals()


def test_only_what_is_below_a_directory_is_told(index: Index) -> None:
    with two(index, [[file(b"/a/b/c", b"1")]], [], [[file(b"/a/b/d", b"1"), file(b"/z", b"1")]]) as views:
        difference = Difference(*views)
        assert told(difference.changes(b"/a")) == [(b"/a/b/d", "added")]
        assert told(difference.changes(b"/a/b")) == [(b"/a/b/d", "added")]
        for top in (b"/nothing", b"/a/b/c"):
            with pytest.raises(FileUnknown):
                list(difference.changes(top))


def test_images_of_the_same_layers_are_the_same_without_a_look(index: Index) -> None:
    ids = [load_layer(index, "sha256:" + "5" * 64, [file(b"/a", b"1")])]
    with index.reading() as connection:
        views = Overlay(connection, ids), Overlay(connection, ids)
    difference = Difference(*views)
    assert difference.is_none
    assert list(difference.changes()) == []
    assert difference.totals() == Totals()


@pytest.mark.parametrize("at_the_bottom", [True, False])
def test_directories_that_both_have_from_the_same_layers_are_not_looked_into(
    index: Index, monkeypatch: pytest.MonkeyPatch, at_the_bottom: bool
) -> None:
    base = [file(b"/usr/%d/%d" % (one, other), b"1") for one in range(30) for other in range(3)]
    more = [[file(b"/etc/new", b"1")]]
    with two(index, [base], [], more) if at_the_bottom else mixed(index, [], more, base) as views:
        looked: list[bytes] = []
        whole = Overlay.below

        def noting(self: Overlay, live: object, *more: object, **named: object) -> object:
            looked.append(live.path)  # type: ignore[attr-defined]
            return whole(self, live, *more, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(Overlay, "below", noting)
        assert told(Difference(*views).changes()) == [(b"/etc", "added"), (b"/etc/new", "added")]
    assert set(looked) <= {b"/", b"/etc"}
