"""Backups: what is in one, what a second one into the same folder copies, and what is refused."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from orlop.database import accounts, snapshot
from orlop.domain.digest import Digest
from orlop.domain.errors import BackupRefused
from orlop.domain.name import Tag
from orlop.maintenance.backup_folder import BackupFolder
from orlop.steps import perform
from orlop.storage.layout import split_name
from tests.unit.maintenance.registry import back_up, contents, objects, registry, restore, rows
from tests.unit.registry.house import CALLER, NAME, OTHER, House


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def fill(house: House) -> list[Digest]:
    """Manifests of two repositories, with tags that moved."""
    house.database.write(lambda connection: accounts.create(connection, "alice", "person", "hash", admin=True))
    return [
        house.push_image("latest", "v1"),
        house.push_image("latest"),
        house.push_image("_v2", name=OTHER),
        house.push_image(name=OTHER),
        house.push_blob(b"large" * 100_000),
        house.push_blob(b"named by nobody", algorithm="sha512"),
    ]


def test_everything_comes_back(data: Path, folder: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        fill(house)
        summary = back_up(house, folder)
        before = contents(house.database.path)
    assert summary.problems == []
    assert (summary.description.repositories, summary.description.manifests, summary.description.tags) == (2, 4, 3)
    assert summary.copied.new_blobs == summary.copied.blobs == len(before["blobs"])
    restored = restore(folder, tmp_path / "restored")
    assert restored.copied.problems == []
    assert contents(tmp_path / "restored" / "orlop.db") == before
    assert objects(tmp_path / "restored" / "store") == objects(data / "store") == objects(folder / "store")
    with registry(tmp_path / "restored") as house:
        assert house.tag("latest") == rows(data / "orlop.db", "SELECT digest FROM tag_history WHERE id = 3")[0][0]


def test_nobody_else_may_read_it(data: Path, folder: Path) -> None:
    with registry(data) as house:
        data.chmod(0o755)
        house.database.path.chmod(0o660)
        back_up(house, folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "orlop.db").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "backup.json").stat().st_mode) == 0o600


def test_the_second_backup_copies_what_is_new_and_removes_what_is_gone(data: Path, folder: Path) -> None:
    with registry(data) as house:
        _, _, gone, *_ = fill(house)
        back_up(house, folder)
        kept = {path: os.stat(folder / "store" / path).st_ino for path in objects(folder / "store")}
        house.manifests.delete(CALLER, OTHER, gone)
        house.storage.remove(house.storage.blob_path(gone))
        house.database.write(lambda connection: connection.driver.execute(f"DELETE FROM blobs WHERE digest = '{gone}'"))
        new = house.push_image("v1")
        summary = back_up(house, folder)
    assert summary.copied.new_blobs == 2  # a layer, and the manifest
    assert summary.removed == 1
    assert objects(folder / "store") == objects(data / "store")
    assert house.storage.blob_path(new) in objects(folder / "store")
    now = {path: os.stat(folder / "store" / path).st_ino for path in objects(folder / "store")}
    assert all(now[path] == kept[path] for path in now.keys() & kept.keys() if path.startswith("blobs/"))


def test_names_are_those_of_the_database_s_copy(data: Path, folder: Path) -> None:
    with registry(data) as house:
        digest, *_ = fill(house)
        tag = house.storage.tag_path(*split_name(NAME), "v1")
        (data / "store" / tag).write_text("other")
        house.storage.put_content(house.storage.tag_path(*split_name(NAME), "stray"), digest.encode())
        back_up(house, folder)
        (folder / "store" / house.storage.tag_path(*split_name(NAME), "stray")).write_text(digest)
        (folder / "store" / tag).write_text("other")
        back_up(house, folder)
    found = objects(folder / "store")
    assert found[tag] == digest.encode()
    assert house.storage.tag_path(*split_name(NAME), "stray") not in found


def test_the_tree_s_times_are_those_of_the_pushes(data: Path, folder: Path) -> None:
    with registry(data) as house:
        fill(house)
        house.database.write(lambda connection: connection.driver.execute("UPDATE tags SET updated_at = 1000500"))
        house.database.write(lambda connection: connection.driver.execute("UPDATE manifests SET pushed_at = 2000500"))
        back_up(house, folder)
    times = {path.stat().st_mtime for path in (folder / "store" / "repositories").rglob("*") if path.is_file()}
    assert times == {1000.5, 2000.5}


def test_open_uploads_stay_behind(data: Path, folder: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        perform(house.uploads.start(CALLER, NAME, "sha256"))
        back_up(house, folder)
    assert rows(data / "orlop.db", "SELECT count(*) FROM uploads") == [(1,)]
    restore(folder, tmp_path / "restored")
    assert rows(tmp_path / "restored" / "orlop.db", "SELECT count(*) FROM uploads") == [(0,)]


def test_what_is_damaged_or_missing_is_told_and_the_rest_is_backed_up(data: Path, folder: Path, tmp_path: Path) -> None:
    layers = [b"damaged" * 100_000, b"missing", b"shortened" * 100_000, b"small"]
    with registry(data) as house:
        fill(house)
        damaged, missing, shortened, small = [house.push_blob(layer) for layer in layers]
        paths = [data / "store" / house.storage.blob_path(digest) for digest in (damaged, missing, shortened, small)]
        paths[0].write_bytes(b"DAMAGED" * 100_000)
        paths[1].unlink()
        os.truncate(paths[2], 1000)
        paths[3].write_bytes(b"SMALL")
        summary = back_up(house, folder)
        assert sorted(map(str, summary.problems)) == sorted(
            [
                f"{damaged}: damaged in the store", f"{missing}: missing in the store",
                f"{shortened}: damaged in the store", f"{small}: damaged in the store",
            ]
        )  # fmt: skip
        assert summary.description.left_out == 4
    assert all(not (folder / "store" / path.relative_to(data / "store")).exists() for path in paths)
    restored = restore(folder, tmp_path / "restored")
    assert {problem.digest for problem in restored.copied.problems} == {damaged, missing, shortened, small}
    with registry(tmp_path / "restored") as house:
        # It is unknown until somebody pushes it, and then it is there.
        with pytest.raises(Exception, match="unknown"):
            house.blobs.find(CALLER, NAME, damaged)
        house.push_blob(layers[0])
        assert house.blobs.find(CALLER, NAME, damaged).size == len(layers[0])


def test_a_manifest_that_is_not_in_the_backup_is_unknown_until_it_is_pushed(
    data: Path, folder: Path, tmp_path: Path
) -> None:
    with registry(data) as house:
        content = house.new_image()
        digest = house.push(content, "latest").digest
        back_up(house, folder)
    (folder / "store" / house.storage.blob_path(digest)).unlink()
    assert [problem.digest for problem in restore(folder, tmp_path / "restored").copied.problems] == [digest]
    with registry(tmp_path / "restored") as house:
        with pytest.raises(Exception, match="unknown"):
            house.tag("latest")
        house.push(content)
        assert house.tag("latest") == digest


def test_bytes_that_went_bad_in_the_backup_are_found_and_copied_again(data: Path, folder: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        digest = house.push_blob(b"layer")
        back_up(house, folder)
        copy = folder / "store" / house.storage.blob_path(digest)
        assert copy.stat().st_nlink == 1
        copy.write_bytes(b"LAYER")
        assert back_up(house, folder).copied.new_blobs == 0
        assert [problem.reason for problem in restore(folder, tmp_path / "a").copied.problems] == [
            "damaged in the backup"
        ]
        assert back_up(house, folder, verify=True).copied.new_blobs == 1
        assert copy.read_bytes() == b"layer"


def test_a_folder_that_is_something_else_s_is_refused(data: Path, folder: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        folder.mkdir()
        (folder / "letter.txt").write_text("Dear")
        with pytest.raises(BackupRefused, match=r"holds something else \(letter.txt\)"):
            back_up(house, folder)
        assert [path.name for path in folder.iterdir()] == ["letter.txt"]
        with pytest.raises(BackupRefused, match="is not a folder"):
            back_up(house, folder / "letter.txt")
        with pytest.raises(BackupRefused, match="make it, or mount"):
            back_up(house, tmp_path / "absent" / "backup")
        for inside in (data, data / "backup", data / "store" / "x", tmp_path):
            with pytest.raises(BackupRefused, match="lie in one another"):
                BackupFolder(inside).check_apart([data, data / "store"])
        with registry(tmp_path / "another") as another:
            back_up(another, tmp_path / "other")
        with pytest.raises(BackupRefused, match="another store"):
            back_up(house, tmp_path / "other")
        description = json.loads((tmp_path / "other" / "backup.json").read_text())
        (tmp_path / "other" / "backup.json").write_text(json.dumps(description | {"format": 2}))
        with pytest.raises(BackupRefused, match="install a newer version"):
            back_up(house, tmp_path / "other")


def test_a_backup_with_content_is_not_replaced_by_one_without(data: Path, folder: Path) -> None:
    with registry(data) as house:
        back_up(house, folder, content=False)
        assert not (folder / "store").exists()
        back_up(house, folder)
        with pytest.raises(BackupRefused, match="--content"):
            back_up(house, folder, content=False)


class Cut(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("at", range(1, 30))
def test_whatever_replaces_a_file_last_before_the_end_one_backup_is_whole(
    data: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Also where nothing is tidied up, as after kill -9."""
    with registry(data) as house:
        fill(house)
        back_up(house, folder)
        first = contents(data / "orlop.db")
        house.manifests.delete(CALLER, OTHER, house.push_image("latest", name=OTHER))
        house.push_image("v1")
        second = contents(data / "orlop.db")
        calls = 0

        def ends(function):  # type: ignore[no-untyped-def]
            def call(*words, **more):  # type: ignore[no-untyped-def]
                nonlocal calls
                calls += 1
                if calls >= at:
                    raise Cut
                return function(*words, **more)

            return call

        with monkeypatch.context() as patched:
            for name in ("replace", "rename", "unlink"):
                patched.setattr(os, name, ends(getattr(os, name)))
            patched.setattr(Path, "unlink", ends(Path.unlink))
            try:
                back_up(house, folder)
            except Cut:
                pass
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert restore(copy, tmp_path / "restored").copied.problems == []
    found = contents(tmp_path / "restored" / "orlop.db")
    assert found in (first, second)
    # The next one goes on.
    with registry(data) as house:
        back_up(house, folder)
    assert objects(folder / "store") == objects(data / "store")
    assert not (folder / "orlop.db.new").exists()


def test_an_unfinished_first_backup_is_none(data: Path, folder: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        fill(house)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(snapshot, "page_of_blobs", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                back_up(house, folder)
        with pytest.raises(BackupRefused, match="never finished"):
            restore(folder, tmp_path / "restored")
        back_up(house, folder)
    assert restore(folder, tmp_path / "restored").copied.problems == []


def test_a_log_that_somebody_left_beside_the_old_database_is_not_the_new_one_s(data: Path, folder: Path) -> None:
    with registry(data) as house:
        fill(house)
        back_up(house, folder)
        (folder / "orlop.db-wal").write_bytes(b"left")
        house.push_image("v1")
        back_up(house, folder)
    assert not (folder / "orlop.db-wal").exists()


def test_the_tag_that_was_pushed_last_is_the_backup_s(data: Path, folder: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        back_up(house, folder)
        digest = house.push_image("latest")
        back_up(house, folder, content=True)
    restore(folder, tmp_path / "restored")
    with registry(tmp_path / "restored") as house:
        assert house.manifests.find(CALLER, NAME, Tag.parse("latest")).digest == digest
