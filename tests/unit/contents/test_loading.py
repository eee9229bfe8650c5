"""A layer's entries become rows: all of them or none, whatever comes."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from orlop.contents import interning, staging
from orlop.contents.entry import Entry
from orlop.contents.index import Index
from orlop.contents.layers import layer_state, mark_unindexable
from orlop.contents.loading import forget_layer, load
from orlop.contents.overlay import Node, Overlay
from orlop.contents.packages.package import Package
from orlop.contents.space import Space
from orlop.domain.errors import LayerInvalid, StorageFull
from tests.unit.contents.chains_of_layers import (
    Facts,
    Layer,
    chains,
    directory,
    file,
    hardlink,
    layers,
    load_layer,
    loaded,
    symlink,
    whiteout,
)

DIGEST = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    index = Index(tmp_path_factory.mktemp("loading") / "contents.db")
    yield index
    index.close()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    index = Index(tmp_path / "contents.db")
    yield index
    index.close()


def walked(index: Index, *ids: int) -> list[Node]:
    with index.reading() as connection:
        return list(Overlay(connection, ids).walk())


def matches(index: Index, text: str) -> list[bytes]:
    """Names that the search finds."""
    statement = "SELECT n.name FROM name_search s JOIN names n ON n.id = s.rowid WHERE name_search MATCH ?"
    return sorted(name for (name,) in index.reader().execute(statement, (f'"{text}"',)))


def count(index: Index) -> dict[str, int]:
    tables = ("layers", "entries", "whiteouts", "packages", "paths", "names")
    return {table: index.reader().execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


EMPTY = {"layers": 0, "entries": 0, "whiteouts": 0, "packages": 0, "paths": 1, "names": 1}


def test_what_is_known_of_the_layer_is_told(index: Index) -> None:
    load_layer(index, DIGEST, [file(b"/a")])
    state = layer_state(index.reader(), DIGEST)
    assert state is not None
    assert (state.state, state.reason, *state[4:]) == ("ready", "", *Facts())


def test_a_layer_is_loaded_once(index: Index) -> None:
    first = load_layer(index, DIGEST, [file(b"/a")])
    assert load_layer(index, DIGEST, [file(b"/b")]) == first
    assert [node.path for node in walked(index, first)] == [b"/a"]


def test_a_layer_that_could_not_be_read_may_be_later_but_not_the_other_way_round(index: Index) -> None:
    index.write(lambda connection: mark_unindexable(connection, DIGEST, "one"))
    index.write(lambda connection: mark_unindexable(connection, DIGEST, "two"))
    state = layer_state(index.reader(), DIGEST)
    assert state is not None
    assert (state.state, state.reason, state.diff_id) == ("unindexable", "two", None)
    load_layer(index, DIGEST, [])
    index.write(lambda connection: mark_unindexable(connection, DIGEST, "three"))
    state = layer_state(index.reader(), DIGEST)
    assert state is not None
    assert (state.state, state.reason) == ("ready", "")


def test_what_ends_too_early_leaves_nothing(index: Index) -> None:
    def broken() -> Iterator[Entry]:
        yield file(b"/a")
        raise LayerInvalid("cut")

    def packages() -> Iterator[Package]:
        yield Package(ecosystem="dpkg", name="x", version="1", path="/new/place")
        raise LayerInvalid("cut")

    with pytest.raises(LayerInvalid):
        load(index, DIGEST, Facts(), broken(), [])
    with pytest.raises(LayerInvalid):
        load(index, DIGEST, Facts(), [file(b"/a"), whiteout(b"/b")], packages())
    assert count(index) == EMPTY
    assert matches(index, "new") == []
    assert [name for name in index.path.parent.iterdir() if "loading" in name.name] == []
    load_layer(index, DIGEST, [file(b"/a")])


def test_packages_stand_at_their_files(index: Index) -> None:
    told = [
        Package(
            ecosystem="dpkg", name="libc6", version="2.36", source="glibc", architecture="amd64", path="/var/status"
        ),
        Package(ecosystem="dpkg", name="bash", version="5", path="/var/status"),
        Package(ecosystem="python", name="six", version="1", path="/no/such\ufffd/METADATA"),
    ]
    load(index, DIGEST, Facts(), [file(b"/var/status")], told)
    rows = index.reader().execute(
        "SELECT k.name, k.source, k.architecture, n.name FROM packages k JOIN paths p ON p.id = k.path_id"
        " JOIN names n ON n.id = p.name_id ORDER BY k.id"
    )
    assert rows.fetchall() == [
        ("libc6", "glibc", "amd64", b"status"),
        ("bash", "", "", b"status"),
        ("six", "", "", b"METADATA"),
    ]


def test_names_are_found_by_any_part_of_three_characters(index: Index) -> None:
    load_layer(index, DIGEST, [file(b"/usr/lib/libSSL.so.3"), file(b"/x/\xc3\x84rger"), file(b"/x/no\xfftext")])
    load_layer(index, OTHER, [file(b"/other/libSSL.so.3")])
    assert matches(index, "ssl") == [b"libSSL.so.3"]
    assert matches(index, "ärg") == [b"\xc3\x84rger"]
    assert matches(index, "text") == [b"no\xfftext"]
    assert matches(index, "x/no") == []


def test_a_hard_link_has_the_content_that_its_target_had_then(index: Index) -> None:
    layer = [
        file(b"/a", b"1"),
        hardlink(b"/b", b"/a"),
        file(b"/a", b"22"),
        hardlink(b"/c", b"/b"),
        symlink(b"/s", b"a"),
        hardlink(b"/t", b"/s"),
        hardlink(b"/a", b"/a"),
    ]
    nodes = {node.path: node for node in walked(index, load_layer(index, DIGEST, layer))}
    assert {path: node.size for path, node in nodes.items()} == {b"/a": 2, b"/b": 1, b"/c": 1, b"/s": 0, b"/t": 0}
    assert (nodes[b"/t"].kind, nodes[b"/t"].link) == ("symlink", b"a")
    assert (nodes[b"/c"].kind, nodes[b"/c"].link) == ("hardlink", b"/b")


def test_the_last_of_two_entries_wins_with_all_below(index: Index) -> None:
    layer = [file(b"/a/b/c"), file(b"/a/x"), file(b"/a/b"), directory(b"/a", 0o700), directory(b"/a", 0o711)]
    nodes = walked(index, load_layer(index, DIGEST, layer))
    assert [(node.path, node.kind, node.mode) for node in nodes] == [
        (b"/a", "directory", 0o711),
        (b"/a/b", "file", 0),
        (b"/a/x", "file", 0),
    ]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chain=chains)
def test_it_makes_no_difference_where_batches_end(shared: Index, chain: list[Layer]) -> None:
    expected = walked(shared, *loaded(shared, chain))
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("_PENDING", "_REMEMBERED"):
            patch.setattr(staging, limit, 0)
        for limit in ("_NEW", "_NAMES"):
            patch.setattr(interning, limit, 1)
        assert walked(shared, *loaded(shared, chain)) == expected


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=layers, second=layers)
def test_a_layer_that_is_forgotten_takes_along_what_it_alone_had(shared: Index, first: Layer, second: Layer) -> None:
    marker = [file(b"/only-here/and-here/forgotten")]
    kept = load_layer(shared, OTHER, second)
    before, nodes = count(shared), walked(shared, kept)
    load_layer(shared, DIGEST, marker + first)
    assert matches(shared, "forgotten") == [b"forgotten"]
    shared.write(lambda connection: forget_layer(connection, DIGEST))
    assert layer_state(shared.reader(), DIGEST) is None
    assert (count(shared), walked(shared, kept), matches(shared, "forgotten")) == (before, nodes, [])
    shared.write(lambda connection: forget_layer(connection, OTHER))
    shared.write(lambda connection: forget_layer(connection, OTHER))


def test_when_all_is_forgotten_nothing_is_left(index: Index) -> None:
    deep = file(b"/d" * 2000)
    packages = [Package(ecosystem="npm", name="x", version="1", path="/else/where")]
    load(index, DIGEST, Facts(), [deep, whiteout(b"/b/gone")], packages)
    index.write(lambda connection: forget_layer(connection, DIGEST))
    assert count(index) == EMPTY


def test_a_layer_that_names_too_many_directories_is_refused(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few long paths name more directories than any disk holds."""
    monkeypatch.setattr(staging, "_IMPLICIT_PATHS", 1 << 20)
    with pytest.raises(LayerInvalid, match="directories that it does not have"):
        load(index, DIGEST, Facts(), (file(b"/%d" % number + b"/d" * 1000) for number in range(1000)), [])
    assert count(index) == EMPTY


def test_links_are_not_followed_without_end(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each link doubles the way: forty of them are a way without end."""
    ladder = [symlink(b"/%d" % step, b"/%d/%d" % (step + 1, step + 1)) for step in range(100)]
    load(index, DIGEST, Facts(), [*ladder, file(b"/0/x")], [])
    monkeypatch.setattr(staging, "_STEPS", 10_000)
    with pytest.raises(LayerInvalid, match="too many directories or links"):
        load(index, OTHER, Facts(), [*ladder, *(file(b"/0/%d/x" % number) for number in range(1000))], [])


@pytest.mark.full
def test_memory_is_bounded(tmp_path: Path) -> None:
    program = f"""
import resource
from pathlib import Path
from orlop.contents.index import Index
from tests.unit.contents.chains_of_layers import file, load_layer
index = Index(Path({str(tmp_path)!r}) / "contents.db")
load_layer(index, "sha256:1", (file(b"/srv/%d/%x" % (n % 5000, n * 7919), b"") for n in range(300_000)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert re.fullmatch(r"\d+\n", told)
    assert int(told) < 160 << 10


@pytest.mark.parametrize("looks", range(3))
def test_the_disk_is_not_filled(index: Index, looks: int) -> None:
    entries = [file(b"/%05d" % number, b"1") for number in range(3_000)]
    floors = iter([0] * looks)
    space = Space(index.path, lambda total: next(floors, total))
    with pytest.raises(StorageFull):
        load(index, DIGEST, Facts(), space.heeding(iter(entries)), (), space)
    assert layer_state(index.reader(), DIGEST) is None
    assert index.reader().execute("SELECT count(*) FROM paths WHERE parent = 1").fetchone() == (0,)
    assert index.size() < 1 << 20
    load(index, DIGEST, Facts(), iter(entries), (), Space(index.path))
    assert layer_state(index.reader(), DIGEST) is not None
