"""A database that is made again from the tree has the v1 images that are whole there."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orlop.maintenance.rebuild import Rebuild, Summary
from orlop.storage.local import LocalStorage
from tests.unit.maintenance.registry import back_up, reconcile, registry, rows
from tests.unit.registry.house import CALLER, HOUR, NAME
from tests.unit.registry.v1_house import V1House, archive, bzip2ed, image_id, new_layer

IMAGES = (
    "SELECT image_id, parent, document, state, checksums, layer_digest, layer_size, layer_facts, shown_digest,"
    " manifest_digest FROM v1_images ORDER BY 1"
)
LISTED = "SELECT image_id, checksum FROM v1_listed ORDER BY 1"
LINKS = "SELECT b.digest FROM repository_blobs l JOIN blobs b ON b.id = l.blob_id ORDER BY 1"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A registry with a chain of three images, one of them in bzip2, and a tag on the middle and the last."""
    folder = tmp_path / "data"
    with registry(folder) as house:
        v1 = V1House(house)
        v1.push("root")
        v1.push("middle", "root", bzip2ed(archive(motd=b"hello")), tag="middle")
        v1.push("leaf", "middle", tag="latest")
        v1.push("untagged")
        house.names.drain()
    return folder


def rebuild(data: Path) -> Summary:
    with LocalStorage(data / "store") as storage:
        return Rebuild(storage, data / "orlop.db", HOUR, lambda progress: None).run()


def folder_of(data: Path, label: str) -> Path:
    return data / "store" / "images" / "team" / "app" / image_id(label)


def test_images_come_back_as_they_were(data: Path) -> None:
    before = [rows(data / "orlop.db", query) for query in (IMAGES, LISTED, LINKS)]
    summary = rebuild(data)
    assert (summary.images, summary.problems) == (4, [])
    assert [rows(data / "orlop.db", query) for query in (IMAGES, LISTED, LINKS)] == before
    with registry(data) as house:
        v1 = V1House(house)
        assert v1.v1.tags.listing(CALLER, NAME) == {"latest": image_id("leaf"), "middle": image_id("middle")}
        assert v1.v1.reading.find(CALLER, NAME, image_id("leaf")).ancestry == [
            image_id(label) for label in ("leaf", "middle", "root")
        ]


def test_the_copy_that_v2_shows_is_made_anew(data: Path) -> None:
    (shown,) = (row[8] for row in rows(data / "orlop.db", IMAGES) if row[8])
    algorithm, _, hex_ = shown.partition(":")
    copy = data / "store" / "blobs" / algorithm / hex_[:2] / hex_
    content = copy.read_bytes()
    copy.unlink()
    assert rebuild(data).images == 4
    assert copy.read_bytes() == content


def test_a_lost_blob_is_made_again_from_the_layer(data: Path) -> None:
    (digest,) = (row[5] for row in rows(data / "orlop.db", IMAGES) if row[0] == image_id("leaf"))
    blob = data / "store" / "blobs" / "sha256" / digest[7:9] / digest[7:]
    content = blob.read_bytes()
    blob.unlink()
    assert rebuild(data).problems == []
    assert blob.read_bytes() == content
    blob.unlink()
    blob.write_bytes(b"damaged")
    assert rebuild(data).problems == []
    assert blob.read_bytes() == content


def test_images_that_are_being_pushed_are_left_out(data: Path) -> None:
    with registry(data) as house:
        v1 = V1House(house)
        v1.begin("pushing", "leaf")
        v1.take_layer("pushing", new_layer())
        house.names.drain()
    summary = rebuild(data)
    assert (summary.images, summary.problems) == (4, [])
    assert image_id("pushing") in [row[0] for row in rows(data / "orlop.db", LISTED)]


@pytest.mark.parametrize("damage", ["json", "layer", "_checksum", "other layer", "other json", "other checksum"])
def test_damaged_images_are_told_of_and_left_out_with_those_on_them(data: Path, damage: str) -> None:
    folder = folder_of(data, "middle")
    what = folder / damage.removeprefix("other ").replace("checksum", "_checksum").replace("__", "_")
    content = what.read_bytes()
    what.unlink()
    if damage == "other json":
        what.write_bytes(content.replace(b"2014", b"2015"))
    elif damage == "other checksum":
        what.write_text(json.dumps([f"sha256:{'0' * 64}"]))
    elif damage == "other layer":
        what.write_bytes(new_layer())
    summary = rebuild(data)
    assert summary.images == 2
    assert [problem.partition(":")[0] for problem in summary.problems] == [
        f"images/team/app/{image_id('middle')}",
        f"images/team/app/{image_id('leaf')}",
    ]
    with registry(data) as house:
        assert len(house.tag("latest")) == 71  # v2 has it all the same


def test_what_is_no_image_is_told_of(data: Path) -> None:
    images = data / "store" / "images"
    for path in ("team/app/nobodys/json", "team/UPPER/x/json", f"team/app/{image_id('v2')}/files.trie"):
        (images / path).parent.mkdir(parents=True)
        (images / path).write_bytes(b"{}")
    (images / "team" / "stray").write_bytes(b"")
    (data / "store" / "repositories" / "team" / "app" / "_images_list").write_bytes(b"[1")
    summary = rebuild(data)
    assert summary.images == 4
    told = sorted(problem.partition(":")[0] for problem in summary.problems)
    assert told == [
        "images/team/UPPER",
        "images/team/app/nobodys",
        "repositories/team/app/_images_list",
    ]


def test_a_backups_database_gets_the_images_of_the_tree(data: Path, tmp_path: Path) -> None:
    with registry(data) as house:
        back_up(house, tmp_path / "backup", content=False)
        v1 = V1House(house)
        v1.push("later", "leaf", tag="later")
        house.names.drain()
    expected = [rows(data / "orlop.db", query) for query in (IMAGES, LISTED)]
    for path in data.glob("orlop.db*"):
        path.unlink()
    assert reconcile(tmp_path / "backup", data).found.images == 5
    assert [rows(data / "orlop.db", query) for query in (IMAGES, LISTED)] == expected
    with closing(sqlite3.connect(data / "orlop.db")) as database:
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
