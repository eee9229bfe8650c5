"""A scrub compares v1 images in the tree with their rows, and brings them in order."""

import json
from pathlib import Path

import marisa_trie
import pytest

from orlop.database import repositories, v1_images
from orlop.database.connection import Connection, SqliteConnection
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName
from orlop.maintenance.scrub import Report
from orlop.steps import perform
from tests.unit.maintenance.scrubbing import scrub, told
from tests.unit.registry.house import CALLER, NAME, House
from tests.unit.registry.v1_house import V1House, document_of, image_id, new_layer


@pytest.fixture
def v1(house: House) -> V1House:
    """Two images, one of them tagged with the other below it."""
    v1 = V1House(house)
    v1.push("root")
    v1.push("leaf", "root", tag="latest")
    house.names.drain()
    return v1


def path(label: str, leaf: str) -> str:
    return f"images/team/app/{image_id(label)}/{leaf}"


def contents(house: House) -> dict[str, bytes]:
    return {entry.path: house.storage.get_content(entry.path) for entry in house.storage.walk("images")}


def assert_in_order(house: House, folder: Path) -> None:
    report = scrub(house, folder)
    assert told(report) == set()


def repaired(house: House, folder: Path) -> Report:
    report = scrub(house, folder, repair=True)
    assert report.left == 0
    assert_in_order(house, folder)
    return report


def test_what_is_in_order_is_not_told(house: House, v1: V1House, tmp_path: Path) -> None:
    v1.begin("pushing", "leaf")
    v1.take_layer("pushing", new_layer())
    v1.push("untagged", "leaf")
    assert_in_order(house, tmp_path)
    report = scrub(house, tmp_path, repair=True)
    assert report.found == {}


@pytest.mark.parametrize("leaf", ["json", "ancestry", "_checksum", "layer"])
@pytest.mark.parametrize("is_missing", [True, False])
def test_objects_are_written_again_from_the_row(
    house: House, v1: V1House, tmp_path: Path, leaf: str, is_missing: bool
) -> None:
    before = contents(house)
    house.storage.remove(path("leaf", leaf))
    if not is_missing:
        house.storage.put_content(path("leaf", leaf), b"[]")
    found = scrub(house, tmp_path)
    assert told(found) == {("damaged image", f"{NAME}@{image_id('leaf')}")}
    assert leaf in found.findings[0].detail
    assert found.left == 1
    repaired(house, tmp_path)
    assert contents(house) == before


def test_a_whole_folder_comes_back(house: House, v1: V1House, tmp_path: Path) -> None:
    before = contents(house)
    house.storage.remove(f"images/team/app/{image_id('root')}")
    assert told(repaired(house, tmp_path)) == {("damaged image", f"{NAME}@{image_id('root')}")}
    assert contents(house) == before


def test_the_mark_of_a_complete_image_goes(house: House, v1: V1House, tmp_path: Path) -> None:
    house.storage.put_content(path("leaf", "_inprogress"), b"true")
    repaired(house, tmp_path)
    assert not house.storage.exists(path("leaf", "_inprogress"))


def test_what_nobody_knows_goes_to_quarantine(house: House, v1: V1House, tmp_path: Path) -> None:
    for leaf in ("json", "layer"):
        house.storage.put_content(path("stray", leaf), document_of("stray"))
    house.storage.put_content(path("derived", "files.trie"), marisa_trie.Trie(["/a"]).tobytes())
    strays = ("images/team/app/nobodys/json", path("leaf", "core"), "images/stray")
    for stray in strays:
        house.storage.put_content(stray, b"")
    report = repaired(house, tmp_path)
    assert told(report) == {
        ("stray image", f"{NAME}@{image_id('stray')}"),
        *(("stray object", stray) for stray in strays),
    }
    for stray in (*strays, path("stray", "json"), path("stray", "layer")):
        assert not house.storage.exists(stray)
        assert house.storage.exists(f"quarantine/{stray}")
    assert house.storage.exists(path("derived", "files.trie"))


@pytest.mark.parametrize("content", [None, b"[]", b'["0123456789abcdef"]'])
def test_a_list_is_written_again(house: House, v1: V1House, tmp_path: Path, content: bytes | None) -> None:
    listed = "repositories/team/app/_images_list"
    house.storage.remove(listed)
    if content is not None:
        house.storage.put_content(listed, content)
    house.storage.put_content("repositories/_/other/_images_list", b"[]")
    assert told(repaired(house, tmp_path)) == {("image list", str(NAME)), ("image list", "other")}
    assert v1.list_in_tree() == sorted(map(image_id, ("root", "leaf")))
    assert not house.storage.exists("repositories/_/other/_images_list")


def test_a_layer_that_only_an_image_names_is_no_stray(house: House, v1: V1House, tmp_path: Path) -> None:
    layer = v1.push("untagged")
    house.database.write(lambda connection: drop_blob(connection, layer))
    report = repaired(house, tmp_path)
    assert told(report) == {("missing row", layer)}
    assert report.findings[0].affects == [f"{NAME}@{image_id('untagged')}"]
    assert house.content.read(layer)


def test_a_lost_layer_awaits_its_push_and_then_is_shared_again(house: House, v1: V1House, tmp_path: Path) -> None:
    content = new_layer()
    layer = v1.push("untagged", layer=content)
    blob = house.content.path(layer)
    house.storage.put_content(blob, b"damaged")
    house.storage.put_content(path("untagged", "layer"), b"damaged")
    report = scrub(house, tmp_path, repair=True)
    assert ("damaged", layer) in told(report)
    assert ("lost", layer) in told(scrub(house, tmp_path))
    # A push to another repository heals it.
    other = RepositoryName.parse("elsewhere")
    perform(house.uploads.create(CALLER, other, content, layer))
    assert house.storage.get_content(path("untagged", "layer")) == content
    assert_in_order(house, tmp_path)


def test_a_lost_layer_that_is_pushed_over_v1_is_shared_again(house: House, v1: V1House, tmp_path: Path) -> None:
    content = new_layer()
    layer = v1.push("untagged", layer=content)
    house.storage.remove(house.content.path(layer))
    house.storage.remove(path("untagged", "layer"))
    scrub(house, tmp_path, repair=True)
    v1.push("same", layer=content)
    assert house.storage.get_content(path("untagged", "layer")) == content
    assert_in_order(house, tmp_path)


def test_an_image_whose_layer_was_never_recorded_awaits_it(house: House, v1: V1House, tmp_path: Path) -> None:
    layer = v1.push("untagged")
    house.storage.remove(house.content.path(layer))
    house.database.write(lambda connection: drop_blob(connection, layer))
    report = scrub(house, tmp_path, repair=True)
    assert ("missing row", layer) in told(report)
    assert ("lost", layer) in told(scrub(house, tmp_path))


def test_a_row_that_goes_meanwhile_is_no_fault(
    house: House, v1: V1House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.storage.remove(path("leaf", "json"))
    take = v1_images.find_in
    seen = 0

    def find_in(connection: Connection, name: str, of: str) -> v1_images.Image | None:
        nonlocal seen
        if of == image_id("leaf"):
            seen += 1
            if seen == 2:
                monkeypatch.undo()
                house.database.write(lambda connection: drop_image(connection, "leaf"))
                house.storage.remove(f"images/team/app/{of}")
        return take(connection, name, of)

    monkeypatch.setattr("orlop.maintenance.scrub.images.v1_images.find_in", find_in)
    report = scrub(house, tmp_path)
    assert "damaged image" not in report.found


def test_the_checksums_are_those_of_the_row(house: House, v1: V1House) -> None:
    stored = json.loads(house.storage.get_content(path("leaf", "_checksum")))
    assert stored == v1.v1.reading.find(CALLER, NAME, image_id("leaf")).checksums


def drop_blob(connection: Connection, digest: Digest) -> None:
    """Its row, with what hangs on it."""
    assert isinstance(connection, SqliteConnection)
    for statement in (
        "DELETE FROM repository_blobs WHERE blob_id = (SELECT id FROM blobs WHERE digest = ?)",
        "DELETE FROM leases WHERE digest = ?",
        "DELETE FROM blobs WHERE digest = ?",
    ):
        connection.driver.execute(statement, (digest,))


def drop_image(connection: Connection, label: str) -> None:
    repository_id = repositories.find(connection, NAME)
    assert repository_id is not None
    v1_images.remove(connection, repository_id, image_id(label))
