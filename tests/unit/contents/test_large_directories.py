"""Directories with more in them than memory should hold: they are seen as any other."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from orlop.contents import overlay as overlays
from orlop.contents import rows
from orlop.contents.descent import below
from orlop.contents.difference import Difference
from orlop.contents.index import Index
from orlop.contents.merge import documents
from orlop.contents.overlay import Overlay
from tests.unit.contents.chains_of_layers import Layer, chains, directory, file, loaded, symlink, whiteout


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    index = Index(tmp_path_factory.mktemp("large") / "contents.db")
    yield index
    index.close()


def everything(index: Index, layers: list[int]) -> list[object]:
    with index.reading() as connection:
        view, lower = Overlay(connection, layers), Overlay(connection, layers[:-1])
        nodes = list(view.walk())
        return [
            nodes,
            [list(below(view, b"/", node.path)) for node in nodes[:3]],
            [view.children(node.path, b"a", 2) for node in nodes if node.kind == "directory"],
            sorted(view.history(), key=lambda seen: (seen.node.path, seen.node.layer)),
            list(Difference(lower, view).changes()),
            documents(connection, layers, index.path.parent),
        ]


def as_if_large(told: Callable[[], list[object]]) -> list[object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "LARGE", 0)
        patch.setattr(overlays, "LARGE", 0)
        patch.setattr(rows, "_PART", 2)
        return told()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chain=chains)
def test_what_is_in_a_large_directory_is_what_is_in_a_small_one(index: Index, chain: list[Layer]) -> None:
    layers = loaded(index, chain)
    assert as_if_large(lambda: everything(index, layers)) == everything(index, layers)


def test_names_that_continue_that_of_a_directory_and_links_to_one(index: Index) -> None:
    chain = [
        [file(b"/a/b", b"1"), file(b"/a-b", b"1"), file(b"/a--/c", b"1"), directory(b"/a-"), file(b"/a.d", b"1")],
        [whiteout(b"/a-b"), symlink(b"/l", b"a"), file(b"/a-/x", b"22")],
        [file(b"/l/through", b"22"), whiteout(b"/a/b")],
    ]
    layers = loaded(index, chain)
    assert as_if_large(lambda: everything(index, layers)) == everything(index, layers)


def test_memory_does_not_hold_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index(tmp_path / "contents.db")
    layers = loaded(index, [[file(b"/many/%05d" % number, b"1") for number in range(20_000)]])
    monkeypatch.setattr(rows, "LARGE", 1_000)
    with index.reading() as connection:
        view = Overlay(connection, layers)
        tracemalloc.start()
        try:
            assert [node.path for node in view.children(b"/many", b"00500", 2)] == [b"/many/00501", b"/many/00502"]
            assert sum(1 for _ in view.walk()) == 20_001
            assert sum(1 for _ in view.history()) == 20_000
            assert sum(1 for _ in Difference(Overlay(connection, []), view).changes()) == 20_001
            assert tracemalloc.get_traced_memory()[1] < 4 << 20
        finally:
            tracemalloc.stop()
    index.close()
