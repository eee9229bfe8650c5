"""`files.trie` and `diffs.json` against the states before and after a layer is unpacked."""

from collections.abc import Iterator

import marisa_trie
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from orlop.contents import merge
from orlop.contents.index import Index
from orlop.contents.merge import documents
from tests.unit.contents.chains_of_layers import (
    Layer,
    chains,
    directory,
    file,
    loaded,
    opaque,
    symlink,
    unpacked,
    whiteout,
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    index = Index(tmp_path_factory.mktemp("merge") / "contents.db")
    yield index
    index.close()


def made(index: Index, chain: list[Layer]) -> tuple[set[str], dict[str, list[str]], int]:
    layers = loaded(index, chain)
    with index.reading() as connection:
        trie, diffs, live = documents(connection, layers, index.path.parent)
    found = marisa_trie.Trie()
    found.frombytes(trie)
    return set(found), msgspec.json.decode(diffs), live


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chain=chains)
def test_the_documents_say_what_unpacking_in_order_does(index: Index, chain: list[Layer]) -> None:
    before, after = unpacked(chain[:-1]).files(), unpacked(chain).files()
    files, diffs, live = made(index, chain)
    assert live == len(after)
    assert files == set(texts(after))
    assert diffs == {
        "added": texts(after.keys() - before.keys()),
        "changed": texts(path for path in after.keys() & before.keys() if after[path].layer == len(chain) - 1),
        "removed": texts(before.keys() - after.keys()),
    }


def texts(paths: "set[bytes] | Iterator[bytes] | dict[bytes, object]") -> list[str]:
    return [path.decode(errors="replace") for path in sorted(paths)]


def test_each_kind_of_change_is_told_once_and_in_order(index: Index) -> None:
    base = [
        *(file(path) for path in (b"/a/b", b"/a-b", b"/a.b", b"/kept", b"/same", b"/tree/x/y", b"/tree/z")),
        symlink(b"/link", b"kept"),
    ]
    layer = [
        whiteout(b"/a/b"),
        file(b"/a/b", b"2"),  # taken away and made again
        whiteout(b"/a-b"),
        file(b"/same"),  # brought again as it was
        opaque(b"/tree"),
        file(b"/tree/new"),
        directory(b"/link"),
        file(b"/link/inside"),
    ]
    files, diffs, live = made(index, [base, layer])
    assert diffs == {
        "added": ["/link/inside", "/tree/new"],
        "changed": ["/a/b", "/same"],
        "removed": ["/a-b", "/link", "/tree/x/y", "/tree/z"],
    }
    assert files == {"/a.b", "/a/b", "/kept", "/link/inside", "/same", "/tree/new"}
    assert live == 6


def test_lists_are_in_byte_order_of_whole_paths(index: Index) -> None:
    names = [b"/a/b", b"/a-b", b"/a0", b"/a/b-c/d", b"/a/b.c", b"/\xc3\xa4", b"/z"]
    _, diffs, _ = made(index, [[file(name) for name in names]])
    assert diffs["added"] == sorted(diffs["added"])


def test_long_lists_are_in_files_without_a_name(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"/long/{number:04}" for number in range(500)]
    monkeypatch.setattr(merge, "_SPOOLED", 1000)
    before = set(index.path.parent.iterdir())
    files, diffs, live = made(index, [[file(name.encode()) for name in names]])
    assert (sorted(files), live) == (names, 500)
    assert diffs == {"added": names, "changed": [], "removed": []}
    assert set(index.path.parent.iterdir()) == before


def test_an_image_without_files_has_documents(index: Index) -> None:
    for chain in ([], [[]], [[directory(b"/empty")]]):
        assert made(index, chain) == (set(), {"added": [], "changed": [], "removed": []}, 0)


def test_paths_that_are_no_text_are_told_lossily(index: Index) -> None:
    files, diffs, live = made(index, [[file(b"/\xff"), file(b"/\xfe")]])
    assert (files, diffs["added"], live) == ({"/\ufffd"}, ["/\ufffd", "/\ufffd"], 2)
