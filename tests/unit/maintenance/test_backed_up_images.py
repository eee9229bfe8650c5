"""A backup with content has v1 images as objects too, and a restore brings them back."""

from pathlib import Path

import pytest

from orlop.database import repositories, v1_images
from orlop.database.connection import Connection
from orlop.maintenance.rebuild import Rebuild
from orlop.storage.local import LocalStorage
from tests.unit.maintenance.registry import back_up, objects, registry, restore, rows
from tests.unit.maintenance.test_rebuilt_images import IMAGES, LISTED
from tests.unit.registry.house import CALLER, HOUR, NAME
from tests.unit.registry.v1_house import V1House, image_id, new_layer


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A registry with two images on one another, and one that is being pushed."""
    folder = tmp_path / "data"
    with registry(folder) as house:
        v1 = V1House(house)
        v1.push("root")
        v1.push("leaf", "root", tag="latest")
        v1.begin("pushing", "leaf")
        v1.take_layer("pushing", new_layer())
        house.names.drain()
    return folder


def kept(store: Path) -> dict[str, bytes]:
    return {path: content for path, content in objects(store).items() if not path.startswith("uploads/")}


def test_the_tree_of_a_backup_and_of_a_restore_has_them(data: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        summary = back_up(house, tmp_path / "backup")
    assert summary.problems == []
    before = kept(data / "store")
    assert sum(path.startswith("images/") for path in before) == 12
    assert objects(tmp_path / "backup" / "store") == before
    restore(tmp_path / "backup", tmp_path / "new")
    assert objects(tmp_path / "new" / "store") == before
    for query in (IMAGES, LISTED):
        assert rows(tmp_path / "new" / "orlop.db", query) == rows(data / "orlop.db", query)
    layer = tmp_path / "new" / "store" / "images" / "team" / "app" / image_id("leaf") / "layer"
    assert layer.stat().st_nlink == 2


def test_a_restored_registry_goes_on_with_the_push(data: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        back_up(house, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "new")
    with registry(tmp_path / "new") as house:
        v1 = V1House(house)
        v1.push("pushing", "leaf", tag="later")
        assert v1.v1.tags.listing(CALLER, NAME) == {"latest": image_id("leaf"), "later": image_id("pushing")}


def test_the_next_backup_has_what_changed_alone(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    with registry(data) as house:
        back_up(house, folder)
        v1 = V1House(house)
        layers = {path: path.stat().st_ino for path in (folder / "store" / "images").rglob("layer")}
        v1.push("pushing", "leaf")
        house.database.write(lambda connection: drop(connection, "root"))
        back_up(house, folder)
    held = {path.parts[-2] for path in (folder / "store" / "images").rglob("json")}
    assert held == {image_id("leaf"), image_id("pushing")}
    assert not list((folder / "store" / "images").rglob("_inprogress"))
    for path, inode in layers.items():
        assert path.parent.name == image_id("pushing") or not path.exists() or path.stat().st_ino == inode


def test_a_layer_whose_blob_is_damaged_is_left_out(data: Path, tmp_path: Path) -> None:
    (digest,) = (row[5] for row in rows(data / "orlop.db", IMAGES) if row[0] == image_id("leaf"))
    blob = data / "store" / "blobs" / "sha256" / digest[7:9] / digest[7:]
    blob.unlink()
    with registry(data) as house:
        assert len(back_up(house, tmp_path / "backup").problems) == 1
    assert not (tmp_path / "backup" / "store" / "images" / "team" / "app" / image_id("leaf") / "layer").exists()
    restore(tmp_path / "backup", tmp_path / "new")


def test_a_backups_tree_rebuilds(data: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        back_up(house, tmp_path / "backup")
    with LocalStorage(tmp_path / "backup" / "store") as storage:
        summary = Rebuild(storage, tmp_path / "orlop.db", HOUR, lambda progress: None).run()
    assert (summary.images, summary.problems) == (2, [])


def drop(connection: Connection, label: str) -> None:
    repository_id = repositories.find(connection, NAME)
    assert repository_id is not None
    v1_images.remove(connection, repository_id, image_id(label))
