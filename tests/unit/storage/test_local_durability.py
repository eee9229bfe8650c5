"""What is synced, and when: no test here can cut the power, but the order of system calls tells."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orlop.storage import kernel
from orlop.storage.local import LocalStorage
from tests.unit.storage import strace


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[str], list[str]]:
    """Gives the calls of an operation by their names, each with the path below the store's root that it is about."""

    def of(operation: str) -> list[str]:
        root = tmp_path / operation.replace(" ", "-")
        return [_shown(call, str(root)) for call in strace.run(root, operation).calls if call.name != "write"]

    return of


def _shown(call: strace.Call, root: str) -> str:
    """`rename a/b/target`, `fsync a/b`; the root is `.`, what is in a session's folder is `temporary`."""
    name = call.name.removesuffix("2").removesuffix("at")
    if "AT_REMOVEDIR" in call.arguments:
        return "rmdir"
    # The last descriptor with its path, and the last name, which the call looks up there.
    folder = call.arguments.rpartition("<")[2].partition(">")[0].removeprefix(root).strip("/")
    if folder.startswith(".tmp"):
        return f"{name} temporary"
    leaf = call.arguments.rpartition('"')[0].rpartition('"')[2] if '"' in call.arguments else ""
    return f"{name} {'/'.join(filter(None, (folder, leaf))) or '.'}"


def test_put_syncs_the_bytes_then_renames_then_syncs_the_name(calls: Callable[[str], list[str]]) -> None:
    wanted = ["fsync temporary", "rename a/b/target", "fsync a/b"]
    assert calls("put over") == wanted
    assert calls("stream over") == wanted


def test_folders_that_were_made_are_synced_into_theirs(calls: Callable[[str], list[str]]) -> None:
    made = ["mkdir a", "mkdir a/b", "rename a/b/target", "fsync a/b", "fsync a", "fsync ."]
    assert calls("put") == ["fsync temporary", *made]
    assert calls("move") == [*made, "rmdir"]


def test_several_are_synced_each_and_their_folders_once(calls: Callable[[str], list[str]]) -> None:
    found = calls("put several")
    assert found[:3] == ["fsync temporary"] * 3
    assert found[3:7] == ["rename a/b/1", "rename a/b/2", "mkdir c", "rename c/3"]
    assert sorted(found[7:]) == ["fsync .", "fsync a/b", "fsync c"]


def test_a_soft_put_syncs_nothing(calls: Callable[[str], list[str]]) -> None:
    assert calls("put softly") == ["rename a/b/target"]


def test_a_built_object_is_synced_once_and_its_last_name_is(calls: Callable[[str], list[str]]) -> None:
    assert calls("build and move") == [
        "mkdir uploads",
        "mkdir uploads/1",
        "fdatasync uploads/1/data",
        "rename a/b/target",
        "fsync a/b",
        "rmdir",
    ]


def test_copies_and_links_are_durable(calls: Callable[[str], list[str]]) -> None:
    assert calls("copy over")[-3:] == ["fsync temporary", "rename a/b/target", "fsync a/b"]
    assert calls("link over")[-3:-1] == ["rename a/b/target", "fsync a/b"]


def test_sync_of_a_few_syncs_bytes_and_names(calls: Callable[[str], list[str]]) -> None:
    assert sorted(calls("sync few")) == ["fsync .", "fsync a", "fsync a/b", "fsync a/b/1", "fsync a/b/2"]


def test_sync_of_many_syncs_all_at_once(calls: Callable[[str], list[str]]) -> None:
    assert calls("sync many") == ["syncfs ."]


def test_sync_of_what_was_removed_syncs_what_is_left(calls: Callable[[str], list[str]]) -> None:
    assert calls("sync removed") == ["fsync a"]


def test_a_durable_put_into_a_folder_that_a_soft_one_made(calls: Callable[[str], list[str]]) -> None:
    """The folder's name isn't durable yet, though it is there."""
    assert calls("put beside soft") == ["fsync temporary", "rename a/b/2", "fsync a/b", "fsync a", "fsync ."]


def test_a_store_that_a_dead_process_left_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have made folders whose names it did not come to sync."""
    synced: list[int] = []
    monkeypatch.setattr(kernel, "sync_file_system", synced.append)
    strace.run(tmp_path / "store", "put over")  # ends without closing the store
    assert synced == []
    for _ in range(2):
        LocalStorage(tmp_path / "store").close()
        assert len(synced) == 1
