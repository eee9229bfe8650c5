"""An image as its layers' rows show it, against unpacking its layers in order."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from orlop.contents.entry import Entry, lossy
from orlop.contents.index import Index
from orlop.contents.overlay import Node, Overlay
from orlop.domain.errors import FileUnknown, LinkLoop
from tests.unit.contents.chains_of_layers import (
    Gone,
    Layer,
    chains,
    directory,
    entry,
    file,
    hardlink,
    loaded,
    symlink,
    unpacked,
    whiteout,
)


@pytest.fixture(scope="module", autouse=True)
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """One for all: layers of others stand in it as well."""
    index = Index(tmp_path_factory.mktemp("overlay") / "contents.db")
    shared.append(index)
    yield index
    shared.remove(index)
    index.close()


shared: list[Index] = []


@contextmanager
def seen(*chain: Layer) -> Iterator[Overlay]:
    layers = loaded(shared[0], chain)
    with shared[0].reading() as connection:
        yield Overlay(connection, layers)


def paths(overlay: Overlay) -> list[bytes]:
    return [node.path for node in overlay.walk()]


def content(overlay: Overlay, node: Node) -> str:
    """What a model's thing has as `digest`."""
    try:
        found = overlay.content(node)
    except FileUnknown:
        return ""
    return found.digest or ("" if found is node else found.kind + repr(found.link or b""))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chains)
def test_it_is_what_unpacking_in_order_gives(chain: list[Layer]) -> None:
    model = unpacked(chain)
    expected = dict(model.everything())
    with seen(*chain) as overlay:
        nodes = list(overlay.walk())
        assert [node.path.split(b"/") for node in nodes] == sorted(path.split(b"/") for path in expected)
        for node in nodes:
            thing = expected[node.path]
            assert (node.kind, node.layer, node.mode) == (thing.kind, thing.layer, thing.mode)
            assert content(overlay, node) == thing.digest
            assert overlay.lookup(node.path) == node
            if node.kind == "symlink":
                assert node.link == thing.link
        for folder in [node for node in nodes if node.kind == "directory"]:
            below = [node for node in nodes if node.path.rpartition(b"/")[0] == folder.path]
            assert overlay.children(folder.path) == below
        live = [Gone(node.path, node.layer, None) for node in nodes if node.kind != "directory"]
        history = [Gone(past.node.path, past.node.layer, past.gone) for past in overlay.history()]
        assert sorted(history, key=repr) == sorted(live + model.gone, key=repr)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chains)
def test_what_goes_through_a_link_of_a_lower_layer_goes_where_it_points(chain: list[Layer]) -> None:
    """A layer that has `lib/…` over one whose `lib` is a link is as one that has `usr/lib/…`."""
    base = [symlink(b"/lib", b"usr/lib"), file(b"/usr/lib/old", b"1"), symlink(b"/there/up", b"../usr")]
    straight = [[moved(member, b"/usr/lib") for member in layer] for layer in chain]
    for top in (b"/lib", b"/there/up/lib"):
        through = [[moved(member, top) for member in layer] for layer in chain]
        assert told(base, *through) == told(base, *straight)


def moved(member: Entry, top: bytes) -> Entry:
    """The same below `top`. What would take the place of `top` itself is left out."""
    if member.raw_path == b"/":
        return entry("file", b"/.wh..wh.aufs", role="metadata")
    path, path_b64 = lossy(top + member.raw_path)
    more = {"path": path, "path_b64": path_b64}
    if member.type == "hardlink":
        more["link"], more["link_b64"] = lossy(top + member.raw_link)
    return msgspec.structs.replace(member, **more)


def told(*chain: Layer) -> list[tuple[bytes, str, int, str]]:
    with seen(*chain) as overlay:
        return [(node.path, node.kind, node.layer, content(overlay, node)) for node in overlay.walk()]


def test_a_link_in_a_lower_layer_that_this_one_takes_away_moves_nothing() -> None:
    base = [symlink(b"/lib", b"usr/lib"), directory(b"/usr/lib")]
    with seen(base, [whiteout(b"/lib"), file(b"/lib/x")]) as overlay:
        assert paths(overlay) == [b"/lib", b"/lib/x", b"/usr", b"/usr/lib"]
    with seen(base, [directory(b"/lib"), file(b"/lib/x")]) as overlay:
        assert paths(overlay) == [b"/lib", b"/lib/x", b"/usr", b"/usr/lib"]


def test_what_goes_through_a_link_to_nothing_makes_the_directory() -> None:
    with seen([symlink(b"/var/run", b"/run")], [file(b"/var/run/x/pid")]) as overlay:
        assert paths(overlay) == [b"/run", b"/run/x", b"/run/x/pid", b"/var", b"/var/run"]
        assert overlay.resolve(b"/var/run/x/pid").path == b"/run/x/pid"


def test_what_goes_through_a_link_to_the_root_is_there() -> None:
    with seen([symlink(b"/all", b"/")], [file(b"/all/x")]) as overlay:
        assert paths(overlay) == [b"/all", b"/x"]


def test_a_link_of_the_same_layer_is_followed_too() -> None:
    with seen([symlink(b"/lib", b"usr/lib"), file(b"/lib/x"), hardlink(b"/y", b"/lib/x")]) as overlay:
        assert paths(overlay) == [b"/lib", b"/usr", b"/usr/lib", b"/usr/lib/x", b"/y"]
        assert overlay.content(overlay.lookup(b"/y") or NOTHING).offset == 512


def test_links_that_lead_in_a_circle_stand_in_nobodys_way() -> None:
    with seen([symlink(b"/a", b"b"), symlink(b"/b", b"a")], [file(b"/a/x")]) as overlay:
        assert paths(overlay) == [b"/a", b"/a/x", b"/b"]
    with seen([symlink(b"/a", b"b"), symlink(b"/b", b"a"), file(b"/a/x")]) as overlay:
        assert b"/a/x" in paths(overlay) or b"/b/x" in paths(overlay)


def test_a_directory_that_was_a_file_for_a_moment_has_lost_what_was_below() -> None:
    with seen([file(b"/a/old")], [file(b"/a"), directory(b"/a"), file(b"/a/new")]) as overlay:
        assert paths(overlay) == [b"/a", b"/a/new"]


def test_names_only_part_of_longer_paths_leave_a_directory_as_it_was() -> None:
    with seen([directory(b"/etc", 0o700)], [file(b"/etc/motd")], [whiteout(b"/etc/motd")]) as overlay:
        assert overlay.lookup(b"/etc") == node(b"/etc", "directory", mode=0o700)


def test_an_image_without_layers_has_a_root() -> None:
    with seen() as overlay:
        assert overlay.lookup(b"/") == node(b"/", "directory", mode=0o755)
        assert overlay.children(b"/") == list(overlay.walk()) == list(overlay.history()) == []


def test_children_come_by_pages() -> None:
    with seen([file(b"/d/%c" % name) for name in b"bdaec"]) as overlay:
        assert [child.path for child in overlay.children(b"/d", count=2)] == [b"/d/a", b"/d/b"]
        assert [child.path for child in overlay.children(b"/d", after=b"b", count=2)] == [b"/d/c", b"/d/d"]
        assert overlay.children(b"/d", after=b"e") == []


@pytest.mark.parametrize("path", [b"/nowhere", b"/f", b"/link", b"/f/x"])
def test_only_directories_have_children(path: bytes) -> None:
    with seen([file(b"/f"), symlink(b"/link", b"d"), directory(b"/d")]) as overlay, pytest.raises(FileUnknown):
        overlay.children(path)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (b"/bin/sh", b"/usr/bin/dash"),
        (b"//usr/./bin/../bin/dash", b"/usr/bin/dash"),
        (b"/../../../usr", b"/usr"),
        (b"/out", b"/"),
        (b"/out/usr/bin/", b"/usr/bin"),
        (b"/usr/etc/passwd", b"/etc/passwd"),
        (b"/", b"/"),
        (b"/\xff/x", b"/etc/passwd"),
    ],
)
def test_links_are_followed_inside_the_image(path: bytes, found: bytes) -> None:
    layer = [
        symlink(b"/bin", b"usr/bin"),
        symlink(b"/usr/bin/sh", b"dash"),
        file(b"/usr/bin/dash"),
        symlink(b"/out", b"../../.."),
        symlink(b"/usr/etc", b"../../../etc"),
        file(b"/etc/passwd"),
        symlink(b"/\xff/x", b"/usr/etc/./passwd"),
    ]
    with seen(layer) as overlay:
        assert overlay.resolve(path).path == found


@pytest.mark.parametrize("path", [b"/f/", b"/f/..", b"/dangling", b"/nowhere/..", b"/empty"])
def test_what_no_process_would_find_is_not_found(path: bytes) -> None:
    layer = [file(b"/f"), symlink(b"/dangling", b"gone"), symlink(b"/empty", b"")]
    with seen(layer) as overlay, pytest.raises(FileUnknown):
        overlay.resolve(path)


def test_links_without_end_are_given_up() -> None:
    ladder = [symlink(b"/%d" % step, b"/%d" % (step + 1)) for step in range(50)]
    with seen([*ladder, file(b"/50"), symlink(b"/self", b"self"), symlink(b"/far", b"./" * 2000 + b"far")]) as overlay:
        assert overlay.resolve(b"/10").path == b"/50"
        for path in (b"/9", b"/self", b"/far", b"/self/x"):
            with pytest.raises(LinkLoop):
                overlay.resolve(path)


def test_a_hard_link_has_the_content_of_its_target_below() -> None:
    base = [file(b"/usr/a", b"1"), symlink(b"/lib", b"usr"), hardlink(b"/first", b"/usr/a")]
    with seen(base, [hardlink(b"/second", b"/lib/a")], [hardlink(b"/third", b"/second"), file(b"/usr/a")]) as overlay:
        for path in (b"/first", b"/second", b"/third"):
            found = overlay.resolve(path)
            assert found.kind == "hardlink"
            assert (overlay.content(found).size, overlay.content(found).layer) == (1, 0)


def test_a_hard_link_to_nothing_or_to_a_directory_has_no_content() -> None:
    with seen([directory(b"/d")], [hardlink(b"/a", b"/gone"), hardlink(b"/b", b"/d")]) as overlay:
        for path in (b"/a", b"/b"):
            with pytest.raises(FileUnknown):
                overlay.content(overlay.resolve(path))


def test_the_deepest_path_that_can_be_is_found() -> None:
    deep = b"/a" * 2000
    with seen([file(deep, b"1"), whiteout(deep[:-2] + b"/gone")]) as overlay:
        assert overlay.resolve(deep).size == 1
        assert len(paths(overlay)) == 2000
        assert len(list(overlay.history())) == 1


def test_sparse_files_say_where_their_data_is() -> None:
    with seen([file(b"/s", b"12345", sparse=((0, 2), (4, 1)))]) as overlay:
        assert overlay.resolve(b"/s").sparse == ((0, 2), (4, 1))


def node(path: bytes, kind: str, mode: int) -> Node:
    return Node(path, kind, 0, mode, 0, 0, 0, None, None, 0, -1, ())


NOTHING = node(b"", "file", 0)
