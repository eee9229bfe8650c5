"""Restores: what comes back, what an interrupted one leaves, and a backup's database for a store that has gone on."""

import json
import os
import shutil
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import URL

from orlop.database import accounts, garbage
from orlop.database.schema import REVISION
from orlop.domain.digest import Digest
from orlop.domain.errors import BackupRefused, StoreRefused
from orlop.domain.name import Tag
from orlop.maintenance import identity
from orlop.maintenance.backup_folder import DatabaseFile, Description, sha256
from orlop.maintenance.rebuild import Rebuild
from orlop.storage.local import LocalStorage
from tests.unit.database.test_migrations import fill as older
from tests.unit.database.test_migrations import made_by_the_first
from tests.unit.maintenance.registry import back_up, contents, objects, reconcile, registry, restore, rows
from tests.unit.maintenance.test_backup import Cut, fill
from tests.unit.registry.house import CALLER, HOUR, NAME, OTHER


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def start(data: Path) -> None:
    with registry(data):
        pass


def test_nothing_of_what_is_restored_goes_with_the_next_collection(data: Path, folder: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        fill(house)
        house.database.write(lambda connection: connection.driver.execute("DELETE FROM leases"))
        house.database.write(lambda connection: connection.driver.execute("UPDATE blobs SET changed_at = 0"))
        back_up(house, folder)
    restore(folder, tmp_path / "restored")
    with registry(tmp_path / "restored") as house:
        now = house.database.reader().now()
        pages = garbage.page_of_blobs(house.database.reader(), 0, 1000, now)
        assert len(pages) > 5
        assert all(blob.leased for blob in pages)
    ((earliest,),) = rows(tmp_path / "restored" / "orlop.db", "SELECT min(expires_at) FROM leases")
    assert earliest > now + HOUR - 60_000
    ((oldest,),) = rows(tmp_path / "restored" / "orlop.db", "SELECT min(changed_at) FROM blobs")
    assert oldest > now - 60_000


def test_what_was_condemned_still_is_and_what_was_removed_has_no_object(
    data: Path, folder: Path, tmp_path: Path
) -> None:
    with registry(data) as house:
        condemned, removing = house.push_blob(b"condemned"), house.push_blob(b"removing")
        for digest, state in ((condemned, "condemned"), (removing, "removing")):
            change = f"UPDATE blobs SET state = '{state}' WHERE digest = '{digest}'"
            house.database.write(lambda connection, change=change: connection.driver.execute(change))
        house.storage.remove(house.storage.blob_path(removing))
        assert back_up(house, folder).problems == []
    restore(folder, tmp_path / "restored")
    found = dict(rows(tmp_path / "restored" / "orlop.db", "SELECT digest, state FROM blobs"))
    assert found == {condemned: "condemned", removing: "removing"}
    with registry(tmp_path / "restored") as house:
        house.push_blob(b"condemned")
        house.push_blob(b"removing")
        assert house.storage.exists(house.storage.blob_path(removing, 1))


def test_a_registry_that_is_there_is_replaced_only_when_that_is_said(data: Path, folder: Path) -> None:
    with registry(data) as house:
        fill(house)
        back_up(house, folder)
        backed_up = contents(house.database.path)
        lost = house.push_image("latest")
        newer = contents(house.database.path)
    before = objects(data)
    with pytest.raises(BackupRefused, match="--replace"):
        restore(folder, data)
    assert objects(data) == before
    restored = restore(folder, data, replace=True)
    store, database = restored.aside
    assert contents(database) == newer
    assert contents(data / "orlop.db") == backed_up
    assert (store / LocalStorage.blob_path(house.storage, lost)).exists()
    assert not (data / "store" / LocalStorage.blob_path(house.storage, lost)).exists()
    start(data)
    # The newer database describes more than the older tree has, but it may not come back unnoticed the other way round:
    assert rows(data / "orlop.db", "SELECT mark FROM store") > rows(folder / "orlop.db", "SELECT mark FROM store")


def test_an_older_database_beside_the_restored_store_is_refused(data: Path, folder: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        fill(house)
        back_up(house, tmp_path / "older")
        house.push_image("latest")
        back_up(house, folder)
    restore(folder, tmp_path / "restored")
    start(tmp_path / "restored")
    shutil.copy(tmp_path / "older" / "orlop.db", tmp_path / "restored" / "orlop.db")
    with pytest.raises(StoreRefused, match="older than the store"):
        start(tmp_path / "restored")


@pytest.mark.parametrize("at", range(1, 46, 2))
def test_a_restore_that_ends_in_its_middle_is_no_registry_and_goes_on(
    data: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    with registry(data) as house:
        fill(house)
        back_up(house, folder)
        old = contents(house.database.path)
        house.push_image("latest")
        newer = contents(house.database.path)
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
            restore(folder, data, replace=True)
        except Cut:
            pass
    if calls < at:
        return
    # Nobody may take what is there for a whole registry, other than one of the two.
    if (data / "orlop.db").exists():
        try:
            start(data)
        except StoreRefused:
            pass
        else:
            assert contents(data / "orlop.db") in (old, newer)
    with LocalStorage(data / "store") as storage:
        found = identity.read_any(storage)
        if found is not None and found.restoring:
            with pytest.raises(identity.RestoreUnfinished, match="orlop restore"):
                Rebuild(storage, data / "orlop.db", HOUR, lambda progress: None).run()
    restored = restore(folder, data, replace=True)
    assert contents(data / "orlop.db") == old
    assert restored.copied.problems == []
    start(data)
    kept = [path for path in data.glob("orlop.db.before-restore-*") if not path.name.endswith(("-wal", "-shm"))]
    assert newer in [contents(path) for path in kept]


def test_what_an_interrupted_restore_of_another_backup_brought_goes(data: Path, folder: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        fill(house)
        back_up(house, tmp_path / "first")
        gone = house.push_image("gone")
        back_up(house, folder)
    target = tmp_path / "restored"
    restore(folder, target)
    with LocalStorage(target / "store") as storage:
        found = identity.read(storage)
        assert found is not None
        identity.write(storage, identity.Identity(found.format, found.store_id, found.mark, restoring=True))
    restore(tmp_path / "first", target)
    assert objects(target / "store") == objects(tmp_path / "first" / "store")
    assert house.storage.blob_path(gone) not in objects(target / "store")


def test_what_is_no_backup_is_refused(data: Path, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "restored"
    with pytest.raises(BackupRefused, match="holds no backup"):
        restore(tmp_path / "absent", target)
    with registry(data) as house:
        fill(house)
        back_up(house, folder)
    whole = (folder / "orlop.db").read_bytes()
    (folder / "orlop.db").write_bytes(whole[:5000] + b"x" + whole[5001:])
    with pytest.raises(BackupRefused, match="orlop rebuild"):
        restore(folder, target)
    (folder / "orlop.db").unlink()
    with pytest.raises(BackupRefused, match="damaged or missing"):
        restore(folder, target)
    (folder / "backup.json").write_text("{}")
    with pytest.raises(BackupRefused, match="cannot be read"):
        restore(folder, target)
    assert not target.exists() or objects(target) == {}


def test_the_backup_of_an_older_version_is_restored(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    made_by_the_first(URL.create("sqlite", database=str(folder / "orlop.db")))
    older(folder / "orlop.db")
    ((store_id, mark),) = rows(folder / "orlop.db", "SELECT store_id, mark FROM store")
    database = DatabaseFile(sha256(folder / "orlop.db"), (folder / "orlop.db").stat().st_size)
    description = Description(1, "0.0.1", store_id, mark, content=True, database=database)
    (folder / "backup.json").write_bytes(msgspec.json.encode(description))
    digests = {row[0] for row in rows(folder / "orlop.db", "SELECT digest FROM blobs")}
    restored = restore(folder, tmp_path / "restored")
    assert {problem.digest for problem in restored.copied.problems} == digests  # there is no content in it
    assert rows(tmp_path / "restored" / "orlop.db", "SELECT version_num FROM alembic_version") == [(REVISION,)]
    assert [path.name for path in (tmp_path / "restored").glob("*restoring*")] == []
    start(tmp_path / "restored")


# The database alone


@pytest.fixture
def lost(data: Path, folder: Path) -> Path:
    """A data folder whose database was backed up, went on, and was lost."""
    with registry(data) as house:
        fill(house)
        house.database.write(lambda connection: connection.driver.execute("UPDATE tags SET last_pulled_at = 3600000"))
        house.database.write(lambda connection: connection.driver.execute("UPDATE tags SET updated_by = 'alice'"))
        house.database.write(lambda connection: connection.driver.execute("UPDATE manifests SET pushed_by = 'alice'"))
        back_up(house, folder, content=False)
        moved = house.push_image("latest", "new")
        house.manifests.delete(CALLER, OTHER, Digest(house.manifests.find(CALLER, OTHER, Tag.parse("_v2")).digest))
        house.names.drain()
        identity.mark(house.storage, house.database)
        assert house.tag("latest") == moved
    (data / "orlop.db").unlink()
    return data


def test_the_store_s_content_counts_and_the_database_adds_what_it_alone_knew(lost: Path, folder: Path) -> None:
    before = objects(lost / "store")
    shutil.copy(folder / "orlop.db", lost / "orlop.db")
    with pytest.raises(StoreRefused, match="older than the store"):
        start(lost)
    (lost / "orlop.db").unlink()
    reconciled = reconcile(folder, lost)
    assert reconciled.found.problems == []
    assert objects(lost / "store") == before
    known, then = contents(lost / "orlop.db"), contents(folder / "orlop.db")
    tags = {(name, tag): row for name, tag, *row in known["tags"]}
    with registry(lost) as house:
        latest, v1 = house.tag("latest"), house.tag("v1")
        assert tags.keys() == {("team/app", tag) for tag in ("latest", "new", "v1")}
        assert accounts.find(house.database.reader(), "alice") is not None
        assert house.push_image("again")
    # Unchanged: who and when; changed: what the tree says.
    assert ("team/app", "v1", *tags["team/app", "v1"]) in then["tags"]
    assert tags["team/app", "v1"][0] == v1
    assert tags["team/app", "v1"][2] == "alice"
    assert tags["team/app", "latest"][2:] == ["", "", None]
    assert known["accounts"] == then["accounts"]
    assert known["audit"] == then["audit"]
    assert known["history"][: len(then["history"])] == then["history"]
    moved = [row for row in known["history"][len(then["history"]) :] if row[1] == "latest"]
    ((name, _, to, previous, _, account),) = moved
    assert (name, to, account) == ("team/app", latest, "")
    assert previous == [row[2] for row in then["history"] if row[:2] == ("team/app", "latest")][-1]
    gone = [row for row in known["history"] if row[:3] == ("other", "_v2", None)]
    assert len(gone) == 1
    by = {row[1]: row[4] for row in known["manifests"]}
    assert by[v1] == "alice"
    assert by[latest] == ""
    assert [row[0] for row in known["blobs"]] == sorted(
        f"{path.split('/')[1]}:{path.split('/')[3]}" for path in before if path.startswith("blobs/")
    )


def test_a_database_that_is_there_is_kept_aside_when_that_is_said(lost: Path, folder: Path) -> None:
    (lost / "orlop.db").write_bytes(b"damaged" * 1000)
    with pytest.raises(BackupRefused, match="--replace"):
        reconcile(folder, lost)
    reconcile(folder, lost, replace=True)
    start(lost)
    (kept,) = lost.glob("orlop.db.before-restore-*")
    assert kept.read_bytes() == b"damaged" * 1000


def test_a_database_alone_needs_its_store(lost: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="the store here is empty"):
        reconcile(folder, tmp_path / "empty")
    with registry(tmp_path / "another") as house:
        house.push_image("latest")
    (tmp_path / "another" / "orlop.db").unlink()
    with pytest.raises(BackupRefused, match="is not the one"):
        reconcile(folder, tmp_path / "another")


def test_a_store_that_has_lost_its_description_gets_the_backup_s(lost: Path, folder: Path) -> None:
    (lost / "store" / "orlop.json").unlink()
    reconcile(folder, lost)
    start(lost)
    described = json.loads((lost / "store" / "orlop.json").read_text())
    assert described["store_id"] == json.loads((folder / "backup.json").read_text())["store_id"]
    assert described["accounts"] is True


def test_a_tag_whose_manifest_is_gone_from_the_store_goes_and_is_told(lost: Path, folder: Path) -> None:
    with LocalStorage(lost / "store") as storage:
        tag = next(path for path in objects(lost / "store") if path.endswith("/v1"))
        digest = Digest(storage.get_content(tag).decode())
        storage.remove(storage.blob_path(digest))
    found = reconcile(folder, lost).found
    assert len(found.problems) == 2
    assert all(digest.hex in problem for problem in found.problems)
    with registry(lost) as house, pytest.raises(Exception, match="unknown"):
        house.manifests.find(CALLER, NAME, Tag.parse("v1"))
