"""What tags share, and what only one keeps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop.database import sharing
from orlop.database.sharing import NOTHING, Freed
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName, Tag
from tests.protocol.content import OCI_CONFIG, OCI_INDEX, OCI_LAYER, descriptor, encode, image, index
from tests.unit.registry.house import CALLER, NAME, OTHER, House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path / "orlop.db") as house:
        yield house


def manifest(house: House, *layers: bytes, name: RepositoryName = NAME, config: bytes = b"{}", **more: object) -> bytes:
    for content in (config, *layers):
        house.push_blob(content, name)
    return encode(image(descriptor(config, OCI_CONFIG), [descriptor(layer, OCI_LAYER) for layer in layers], **more))


def freed(house: House, tag: str) -> Freed:
    return house.manifests.delete_tag(CALLER, NAME, Tag(tag), dry_run=True, count=True).freed


def size(*contents: bytes) -> Freed:
    return Freed(len(contents), sum(map(len, contents)))


def test_only_what_nothing_else_names_is_freed(house: House) -> None:
    one, other = manifest(house, b"shared", b"own!"), manifest(house, b"shared", b"other")
    house.push(one, "v1")
    assert freed(house, "v1") == size(one, b"{}", b"shared", b"own!")
    house.push(other, "v2")
    assert freed(house, "v1") == size(one, b"own!")
    house.push(one, "v3")
    assert freed(house, "v1") == NOTHING


def test_what_another_repository_has_is_not_freed(house: House) -> None:
    one = manifest(house, b"own!")
    house.push(one, "v1")
    house.push_blob(b"own!", OTHER)
    assert freed(house, "v1") == size(one, b"{}")
    manifest(house, b"own!", name=OTHER)
    house.push(one, name=OTHER)
    assert freed(house, "v1") == NOTHING


def test_an_index_takes_along_what_only_it_lists(house: House) -> None:
    children = [manifest(house, b"one"), manifest(house, b"two")]
    for child in children:
        house.push(child)
    whole = encode(index([descriptor(child, "application/vnd.oci.image.manifest.v1+json") for child in children]))
    house.push(whole, "v1", media_type=OCI_INDEX)
    assert freed(house, "v1") == size(whole, *children, b"{}", b"one", b"two")
    house.push(children[0], "child")
    assert freed(house, "v1") == size(whole, children[1], b"two")
    assert freed(house, "child") == NOTHING  # the index keeps it
    part = encode(index([descriptor(children[1], "application/vnd.oci.image.manifest.v1+json")], x=1))
    house.push(part, "v2", media_type=OCI_INDEX)
    assert freed(house, "v1") == size(whole)


def test_what_is_about_it_goes_along(house: House) -> None:
    one = manifest(house, b"own!")
    house.push(one, "v1")
    about = manifest(house, b"signature", subject=descriptor(one, "application/vnd.oci.image.manifest.v1+json"))
    house.push(about)
    assert freed(house, "v1") == size(one, about, b"{}", b"own!", b"signature")
    house.push(about, "signed")
    assert freed(house, "v1") == size(one, b"own!")


def test_a_layer_that_many_have_is_asked_for_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        house.push(manifest(house, b"base", b"%d" % number), f"v{number}")
    assert freed(house, "v3").size == len(b"3") + house.manifests.find(CALLER, NAME, Tag("v3")).size


def test_nothing_changes_by_asking(house: House) -> None:
    house.push(manifest(house, b"own!"), "v1")
    for _ in range(2):
        assert freed(house, "v1").blobs == 3
    gone = house.manifests.delete_tag(CALLER, NAME, Tag("v1"), count=True)
    assert gone.freed.blobs == 3


def test_tags_are_counted_through_indexes_and_where_they_may_be_read(house: House) -> None:
    one = manifest(house, b"base")
    house.push(one, "v1", "v2")
    house.push(
        encode(index([descriptor(one, "application/vnd.oci.image.manifest.v1+json")])), "v3", media_type=OCI_INDEX
    )
    manifest(house, b"base", name=OTHER)
    house.push(one, "v1", name=OTHER)
    reader, digest = house.database.reader(), Digest.of(b"base")
    assert sharing.tag_count(reader, digest) == 4
    assert sharing.tag_count(reader, digest, "^team/.*$") == 3
    assert sharing.tag_count(reader, digest, "^nothing$") == 0
    assert sharing.tag_count(reader, Digest.of(b"absent")) == 0
