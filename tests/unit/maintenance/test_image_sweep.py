"""Collection takes v1 images that no manifest was made of, once nobody has touched them for a lease."""

import json
from collections.abc import Sequence

import pytest

from orlop.domain.digest import Digest
from orlop.domain.errors import ImageExists, ImageInvalid, ImageUnknown
from orlop.domain.v1.to_manifest import Layer, Made, make
from orlop.maintenance.image_sweep import ImageSweep
from orlop.registry.v1.lists import Listed
from tests.unit.maintenance.upkeep import DAY, Upkeep
from tests.unit.registry.house import CALLER, HOUR, NAME, OTHER
from tests.unit.registry.v1_house import V1House, archive, bzip2ed, document_of, image_id, new_layer

FOLDER = "images/team/app"


@pytest.fixture
def v1(upkeep: Upkeep) -> V1House:
    return V1House(upkeep)


def test_what_a_tag_reaches_stays_with_its_objects_and_blobs(upkeep: Upkeep, v1: V1House) -> None:
    v1.push("root")
    v1.push("leaf", "root", tag="latest")
    before = v1.objects(), upkeep.objects()
    upkeep.wait(400 * DAY)
    totals = upkeep.collect()
    assert (totals.images, totals.blobs, totals.swept) == (0, 0, 0)
    assert (v1.objects(), upkeep.objects()) == before
    assert len(v1.objects()) == 8


def test_an_untagged_manifest_keeps_its_images_too(upkeep: Upkeep, v1: V1House) -> None:
    v1.push("root")
    v1.push("leaf", "root", tag="latest")
    v1.push("other", tag="latest")
    upkeep.wait(DAY)
    assert upkeep.collect().images == 0


def test_images_go_with_their_manifest(upkeep: Upkeep, v1: V1House) -> None:
    """Those that nothing else is on: a parent that two share stays."""
    v1.push("root")
    v1.push("first", "root", tag="first")
    gone = v1.push("second", "root", tag="second")
    v1.push("unshared")
    upkeep.manifests.delete(CALLER, NAME, Digest(upkeep.tag("second")))
    upkeep.wait(HOUR + 1)
    preview = upkeep.collection.preview()
    assert {(image.repository, image.image_id) for image in preview.images} == {
        (NAME, image_id("second")),
        (NAME, image_id("unshared")),
    }
    assert gone in [digest for digest, _ in preview.blobs]
    totals = upkeep.collect()
    assert totals.images == 2
    assert preview.blob_count == totals.blobs
    assert v1.rows() == {image_id("root"), image_id("first")}
    assert v1.list_in_tree() == sorted(v1.rows())
    assert {path.split("/")[2] for path in v1.objects()} == v1.rows()
    assert upkeep.state(gone) == "removed"


def test_the_copy_that_v2_shows_is_kept_and_goes_with_the_image(upkeep: Upkeep, v1: V1House) -> None:
    v1.push("leaf", layer=bzip2ed(archive(motd=b"hello")), tag="latest")
    upkeep.wait(DAY)
    assert upkeep.collect().blobs == 0
    upkeep.manifests.delete(CALLER, NAME, Digest(upkeep.tag("latest")))
    assert upkeep.collect().blobs == 4  # layer, copy, config, manifest
    assert upkeep.objects() == set()


def test_what_was_touched_within_a_lease_stays(upkeep: Upkeep, v1: V1House) -> None:
    v1.push("root")
    upkeep.wait(HOUR - 60_000)
    v1.begin("leaf", "root")
    upkeep.wait(2 * 60_000)
    assert upkeep.collect().images == 0
    v1.take_layer("leaf", new_layer())
    upkeep.wait(HOUR + 1)
    assert upkeep.collect().images == 2
    assert v1.objects() == set()
    assert not upkeep.storage.exists("repositories/team/app/_images_list")


def test_an_image_of_which_a_client_is_told_stays(upkeep: Upkeep, v1: V1House) -> None:
    """Docker does not send what the registry says it has."""
    v1.push("root")
    upkeep.wait(HOUR - 60_000)
    with pytest.raises(ImageExists):
        v1.begin("root")
    upkeep.wait(2 * 60_000)
    assert upkeep.collect().images == 0


def test_a_parent_that_was_collected_is_refused(upkeep: Upkeep, v1: V1House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where that happens between the look at it and the commit."""
    v1.push("root")
    upkeep.wait(HOUR + 1)
    put = upkeep.storage.put_content

    def put_late(path: str, content: bytes, **more: bool) -> str:
        if path.endswith("_inprogress"):
            monkeypatch.undo()
            assert upkeep.collect().images == 1
        return put(path, content, **more)

    monkeypatch.setattr(upkeep.storage, "put_content", put_late)
    with pytest.raises(ImageInvalid, match="non existing parent"):
        v1.begin("leaf", "root")


def test_an_image_that_was_collected_is_not_tagged(
    upkeep: Upkeep, v1: V1House, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1.push("root")
    upkeep.wait(HOUR + 1)

    def made_late(chain: Sequence[Layer]) -> Made:
        assert upkeep.collect().images == 1
        return make(chain)

    monkeypatch.setattr("orlop.registry.v1.tags.make", made_late)

    with pytest.raises(ImageUnknown):
        v1.tag("latest", "root")


def test_no_image_comes_to_be_its_own_parent(v1: V1House) -> None:
    v1.begin("first")
    v1.begin("second", "first")
    with pytest.raises(ImageInvalid, match="non existing parent"):
        v1.begin("first", "second")


def test_what_was_announced_and_never_came_is_forgotten(upkeep: Upkeep, v1: V1House) -> None:
    v1.push("root", tag="latest")
    v1.v1.lists.announce(CALLER, NAME, [Listed(image_id("never"), None)])
    assert len(v1.list_in_tree()) == 2
    upkeep.wait(HOUR + 1)
    upkeep.collect()
    assert v1.list_in_tree() == [image_id("root")]
    assert [each.id for each in v1.v1.lists.read(CALLER, NAME)] == [image_id("root")]


def test_a_folder_without_a_row_goes_once_it_is_old(upkeep: Upkeep, v1: V1House) -> None:
    for name, content in (("_inprogress", b"true"), ("json", document_of("cut")), ("ancestry", b"[]")):
        upkeep.storage.put_content(f"{FOLDER}/{image_id('cut')}/{name}", content)
    upkeep.storage.put_content("images/team/app/nobodys/json", b"{}")
    upkeep.storage.put_content(f"{FOLDER}/{image_id('v2')}/files.trie", b"of an image that v2 clients pushed")
    upkeep.collect()
    assert len(v1.objects()) == 5
    upkeep.wait(HOUR + 1)
    assert upkeep.collect().swept == 1
    assert v1.objects() == {"team/app/nobodys/json", f"team/app/{image_id('v2')}/files.trie"}


def test_an_image_that_is_pushed_while_its_folder_goes_is_whole(
    upkeep: Upkeep, v1: V1House, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1.push("root")
    upkeep.wait(HOUR + 1)
    remove = upkeep.storage.remove

    def remove_late(path: str) -> None:
        if path == f"{FOLDER}/{image_id('root')}":
            monkeypatch.undo()
            v1.push("root")
        remove(path)

    monkeypatch.setattr(upkeep.storage, "remove", remove_late)
    assert upkeep.collect().images == 1
    assert len(v1.objects()) == 4
    assert json.loads(upkeep.storage.get_content(f"{FOLDER}/{image_id('root')}/ancestry")) == [image_id("root")]


def test_a_run_goes_on_after_the_repository_where_it_was(upkeep: Upkeep, v1: V1House) -> None:
    v1.push("root", name=OTHER)
    v1.push("root")
    sweep = ImageSweep(upkeep.storage, upkeep.database, upkeep.names, HOUR, upkeep.clock.now)
    assert [name for _, name in sweep.repositories("")] == [OTHER, NAME]
    assert [name for _, name in sweep.repositories(OTHER)] == [NAME]
    assert list(sweep.folders(f"images/_/{OTHER}/zz")) == [f"{FOLDER}/{image_id('root')}"]


def test_why_names_the_image(upkeep: Upkeep, v1: V1House) -> None:
    layer = v1.push("root")
    upkeep.wait(HOUR + 1)
    assert upkeep.why(layer) == [["image", "layer"]]
    found = upkeep.reasons.of(layer)
    assert found is not None
    assert found.chains[0][0].name == f"{NAME} {image_id('root')}"


def test_a_blob_that_an_image_needs_is_not_in_a_preview(upkeep: Upkeep, v1: V1House) -> None:
    """Although a manifest that goes names it too."""
    layer = v1.push("root", tag="latest")
    v1.push("other")
    upkeep.wait(HOUR + 1)
    preview = upkeep.collection.preview()
    assert [image.image_id for image in preview.images] == [image_id("other")]
    assert layer not in [digest for digest, _ in preview.blobs]
