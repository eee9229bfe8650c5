"""Manifests: whole or not at all, never without what they need, never without their names."""

import json

import pytest

from orlop.domain.digest import Digest
from orlop.domain.errors import (
    BlobInUse,
    BlobUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInUse,
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    TagUnknown,
)
from orlop.domain.manifest import DOCKER_IMAGE, OCI_IMAGE, OCI_INDEX
from orlop.domain.name import Tag
from orlop.steps import perform
from tests.protocol.content import OCI_CONFIG, OCI_LAYER, descriptor, encode, image, index
from tests.unit.registry.house import CALLER, NAME, OTHER, House


def child(content: bytes) -> dict[str, object]:
    return descriptor(content, OCI_IMAGE)


def test_a_manifest_is_read_as_it_was_pushed(house: House) -> None:
    content = house.new_image()
    pushed = house.push(content, "a", "b")
    for reference in (pushed.digest, Tag("a"), Tag("b")):
        found = house.manifests.find(CALLER, NAME, reference)
        assert (found.digest, found.media_type, found.size) == (pushed.digest, OCI_IMAGE, len(content))
        assert house.manifests.read(found) == content


def test_a_refused_manifest_changes_nothing(house: House) -> None:
    old = house.push_image("latest")
    absent = encode(image(descriptor(b"absent", OCI_CONFIG), []))
    with pytest.raises(ManifestBlobUnknown) as refusal:
        perform(house.manifests.push(CALLER, NAME, Tag("latest"), (), OCI_IMAGE, absent))
    assert refusal.value.detail == [{"digest": Digest.of(b"absent")}]
    with pytest.raises(ManifestUnknown):
        house.manifests.find(CALLER, NAME, Digest.of(absent))
    with pytest.raises(ManifestInvalid):
        perform(house.manifests.push(CALLER, NAME, Tag("latest"), (), OCI_IMAGE, b"{}"))
    with pytest.raises(DigestInvalid):
        perform(house.manifests.push(CALLER, NAME, Digest.of(b"another"), (), OCI_IMAGE, house.new_image()))
    assert house.tag("latest") == old


def test_what_another_repository_holds_does_not_count(house: House) -> None:
    content = house.new_image(OTHER)
    with pytest.raises(ManifestBlobUnknown):
        house.push(content)
    with pytest.raises(ManifestBlobUnknown):
        house.push(encode(index([child(house.new_image(OTHER))])), media_type=OCI_INDEX)


def test_every_missing_digest_is_named_up_to_a_hundred(house: House) -> None:
    layers = [descriptor(b"%d" % number, OCI_LAYER) for number in range(150)]
    house.push_blob(b"{}")
    with pytest.raises(ManifestBlobUnknown) as refusal:
        house.push(encode(image(descriptor(b"{}", OCI_CONFIG), layers)))
    assert refusal.value.detail == [{"digest": layer["digest"]} for layer in layers[:100]]


def test_subjects_and_layers_kept_elsewhere_need_not_be_there(house: House) -> None:
    foreign = descriptor(b"elsewhere", "application/vnd.oci.image.layer.nondistributable.v1.tar")
    document = json.loads(house.new_image(subject=child(b"absent")))
    document["layers"].append(foreign)
    pushed = house.push(encode(document))
    assert pushed.subject == Digest.of(b"absent")


def test_a_manifest_of_the_largest_size_is_taken(house: House) -> None:
    content = house.new_image()
    padded = content + b" " * (house.manifests.limit - len(content))
    house.push(padded)
    with pytest.raises(ManifestTooLarge):
        house.push(padded + b" ")


def test_the_media_type_that_was_first_pushed_stays(house: House) -> None:
    document = json.loads(house.new_image())
    del document["mediaType"]
    content = encode(document)
    pushed = house.push(content)
    with pytest.raises(ManifestInvalid, match="cannot be changed"):
        house.push(content, "tag", media_type=DOCKER_IMAGE)
    assert house.manifests.find(CALLER, NAME, pushed.digest).media_type == OCI_IMAGE
    with pytest.raises(ManifestUnknown):
        house.tag("tag")


def test_deleting_a_manifest_removes_its_tags_and_no_others(house: House) -> None:
    first, second = house.push_image("a", "b"), house.push_image("c")
    house.manifests.delete(CALLER, NAME, first)
    for reference in (first, Tag("a"), Tag("b")):
        with pytest.raises(ManifestUnknown):
            house.manifests.find(CALLER, NAME, reference)
    assert house.tag("c") == second


def test_deleting_a_tag_removes_neither_manifest_nor_other_tags(house: House) -> None:
    digest = house.push_image("a", "b")
    house.manifests.delete_tag(CALLER, NAME, Tag("a"))
    with pytest.raises(TagUnknown):
        house.manifests.delete_tag(CALLER, NAME, Tag("a"))
    with pytest.raises(TagUnknown):
        house.manifests.delete_tag(CALLER, OTHER, Tag("b"))
    assert house.tag("b") == house.manifests.find(CALLER, NAME, digest).digest == digest


def test_what_a_manifest_needs_cannot_be_deleted(house: House) -> None:
    content = house.new_image()
    layer = Digest.parse(json.loads(content)["layers"][0]["digest"])
    digest = house.push(content).digest
    top = house.push(encode(index([child(content)])), media_type=OCI_INDEX).digest
    for needed in (layer, Digest.of(b"{}")):
        with pytest.raises(BlobInUse) as refusal:
            house.blobs.delete(CALLER, NAME, needed)
        assert refusal.value.detail == {"manifest": digest}
    with pytest.raises(ManifestInUse) as in_use:
        house.manifests.delete(CALLER, NAME, digest)
    assert in_use.value.detail == {"manifest": top}
    house.manifests.delete(CALLER, NAME, top)
    house.manifests.delete(CALLER, NAME, digest)
    house.blobs.delete(CALLER, NAME, layer)
    with pytest.raises(BlobUnknown):
        house.blobs.find(CALLER, NAME, layer)


def test_a_deleted_manifest_comes_back_with_a_push(house: House) -> None:
    content = house.new_image()
    digest = house.push(content, "a").digest
    house.manifests.delete(CALLER, NAME, digest)
    house.push(content)
    assert house.manifests.read(house.manifests.find(CALLER, NAME, digest)) == content
    with pytest.raises(ManifestUnknown):
        house.tag("a")


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped"])
def test_a_damaged_object_is_no_other_error_than_an_unknown_manifest(house: House, damage: str) -> None:
    content = house.new_image()
    digest = house.push(content).digest
    path = house.storage.blob_path(digest)
    if damage == "missing":
        house.storage.remove(path)
    else:
        house.storage.put_content(path, content[:-1] if damage == "cut" else content.replace(b"2", b"3", 1))
    house.content.cache = type(house.content.cache)(0, 0)
    with pytest.raises(ManifestUnknown, match=f"{'missing' if damage == 'missing' else 'damaged'} in the store"):
        house.manifests.read(house.manifests.find(CALLER, NAME, digest))
    house.push(content)
    assert house.manifests.read(house.manifests.find(CALLER, NAME, digest)) == content


def test_children_may_be_absent_where_that_is_set(tmp_path_factory: pytest.TempPathFactory) -> None:
    with House(tmp_path_factory.mktemp("sparse") / "orlop.db", sparse=True) as house:
        content = encode(index([child(b"absent")]))
        digest = house.push(content, "top", media_type=OCI_INDEX).digest
        assert house.tag("top") == digest
