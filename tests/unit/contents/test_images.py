"""Images as references name them, and whether they can be looked into."""

from typing import Any

import pytest

from orlop.contents.images import NONE, PENDING, READY, UNINDEXABLE, Image, Images
from orlop.database import jobs
from orlop.domain.digest import Digest
from orlop.domain.errors import (
    ContentsPending,
    ContentsUnindexable,
    ManifestUnknown,
    NotAnImage,
    RepositoryUnknown,
    TagUnknown,
)
from orlop.domain.name import Tag
from tests.protocol.content import OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_LAYER, descriptor, encode, image, index
from tests.unit.contents.known import Known, file
from tests.unit.registry.house import CALLER, NAME, OTHER, House


@pytest.fixture
def images(house: House, known: Known) -> Images:
    return Images(house.database, known.index, house.content.read)


def push_for(house: House, platform: str, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """The descriptor of an image for a platform."""
    system, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    told = {"os": system, "architecture": architecture} | ({"variant": variant} if variant else {})
    content = encode(told | (config or {}))
    house.push_blob(content)
    manifest = encode(image(descriptor(content, OCI_CONFIG), []))
    house.push(manifest)
    return descriptor(manifest, "application/vnd.oci.image.manifest.v1+json", platform=told)


def push_index(house: House, children: list[dict[str, Any]], *tags: str) -> Digest:
    return house.push(encode(index(children)), *tags, media_type=OCI_INDEX).digest


def find(images: Images, reference: str = "v1", platform: str = "") -> Image:
    return images.find(CALLER, NAME, Digest(reference) if ":" in reference else Tag(reference), platform)


# Which image


def test_an_image_is_found_by_tag_and_by_digest_with_its_steps(known: Known, images: Images) -> None:
    layers = [known.layer(file("/a")), known.layer(file("/b"))]
    digest = known.push(layers, "v1", history="L-L")
    found = find(images)
    assert (found.digest, found.index_digest, found.name) == (digest, None, "team/app:v1")
    assert [layer.digest for layer in found.layers] == [Digest.of(layer) for layer in layers]
    assert [layer.step.created_by for layer in found.layers if layer.step] == ["step 0", "step 2"]
    by_digest = find(images, digest)
    assert by_digest.layers == found.layers
    assert by_digest.name == f"team/app@{digest}"


def test_a_history_that_does_not_fit_tells_no_steps(known: Known, images: Images) -> None:
    known.push([known.layer(file("/a"))], "v1", history="LL")
    assert [layer.step for layer in find(images).layers] == [None]


def test_of_an_index_the_one_for_the_platform(house: House, images: Images) -> None:
    arm, amd = push_for(house, "linux/arm64/v8"), push_for(house, "linux/amd64")
    digest = push_index(house, [arm, amd], "v1")
    assert (find(images).digest, find(images).index_digest) == (amd["digest"], digest)
    assert find(images, platform="linux/arm64").digest == arm["digest"]
    assert find(images, digest, "linux/arm64").platform == "linux/arm64/v8"
    with pytest.raises(ManifestUnknown, match="it has linux/amd64, linux/arm64/v8"):
        find(images, platform="windows/amd64")


def test_without_one_for_amd64_the_first_that_is_held(house: House, images: Images) -> None:
    arm, s390x = push_for(house, "linux/arm64"), push_for(house, "linux/s390x")
    absent = descriptor(
        b"absent", "application/vnd.oci.image.manifest.v1+json", platform={"os": "a", "architecture": "b"}
    )
    house.manifests._sparse = True
    push_index(house, [absent, arm, s390x], "v1")
    assert find(images).digest == arm["digest"]


def test_an_index_in_an_index_is_looked_into_and_never_for_long(house: House, images: Images) -> None:
    inner = push_for(house, "linux/amd64")
    content = encode(index([inner]))
    house.push(content, media_type=OCI_INDEX)
    push_index(house, [descriptor(content, OCI_INDEX)] * 500, "v1")
    assert find(images).digest == inner["digest"]
    for _ in range(8):
        content = encode(index([descriptor(content, OCI_INDEX)] * 300))
        house.push(content, "deep", media_type=OCI_INDEX)
    with pytest.raises(NotAnImage):
        find(images, "deep")


def test_an_image_for_another_platform_is_not_what_was_asked_for(house: House, images: Images) -> None:
    push_index(house, [push_for(house, "linux/arm64")], "index")
    known = push_for(house, "linux/arm64", {"author": "b"})
    assert find(images, known["digest"], "linux/arm64").platform == "linux/arm64"
    with pytest.raises(ManifestUnknown, match="is for linux/arm64, not for linux/amd64"):
        find(images, known["digest"], "linux/amd64")


def test_what_is_not_there_is_named(house: House, images: Images) -> None:
    with pytest.raises(RepositoryUnknown, match="team/app"):
        find(images)
    house.push_image("v1")
    with pytest.raises(TagUnknown, match="no tag v2"):
        find(images, "v2")
    with pytest.raises(ManifestUnknown):
        find(images, str(Digest.of(b"absent")))
    with pytest.raises(RepositoryUnknown, match="other"):
        images.find(CALLER, OTHER, Tag("v1"))


def test_what_is_no_image_is_refused(house: House, images: Images) -> None:
    house.push_blob(b"{}")
    house.push(encode(image(descriptor(b"{}", OCI_EMPTY), [])), "artifact")
    push_index(house, [], "empty")
    for tag in ("artifact", "empty"):
        with pytest.raises(NotAnImage):
            find(images, tag)


# Its state


def test_it_is_pending_until_all_its_layers_are_known(known: Known, images: Images) -> None:
    ready, unknown = known.layer(file("/a")), b"not looked into"
    known.push([ready, unknown], "v1")
    assert find(images).state[:2] == (PENDING, "1 of 2 layers are still to be looked into")
    known.learn(Digest.of(unknown), [file("/b")])
    state = find(images).state
    assert state.name == READY
    assert [layer.digest for layer in state.known] == [Digest.of(ready), Digest.of(unknown)]


def test_whoever_looks_at_what_nobody_was_asked_to_look_into_asks(house: House, known: Known, images: Images) -> None:
    digest = known.push([b"unknown"], "v1")
    subject = f"{NAME} {digest}"
    for _ in range(2):
        with pytest.raises(ContentsPending), images.view(find(images)):
            pass
        record = jobs.find(house.database.reader(), "image", subject)
        assert record is not None
        assert record.state == "waiting"


def test_what_was_given_up_says_why(house: House, known: Known, images: Images) -> None:
    digest = known.push([b"unknown"], "v1")

    def give_up(connection: Any) -> None:
        jobs.enqueue(connection, "image", f"{NAME} {digest}")
        job = jobs.claim(connection, "a worker", 1000)
        assert job is not None
        jobs.fail(connection, job, "the disk is on fire", retry_at=None)

    house.database.write(give_up)
    with pytest.raises(ContentsUnindexable, match="the disk is on fire"), images.view(find(images)):
        pass


def test_a_layer_that_cannot_be_read_makes_the_image_unindexable(known: Known, images: Images) -> None:
    bad = b"bad"
    known.push([known.layer(file("/a")), bad], "v1")
    known.refuse(Digest.of(bad), "it is no archive")
    assert find(images).state == (UNINDEXABLE, f"layer {Digest.of(bad)}: it is no archive", ())
    with pytest.raises(ContentsUnindexable, match="it is no archive"), images.view(find(images)):
        pass


def test_a_layer_that_is_kept_elsewhere_cannot_be_looked_into(house: House, images: Images) -> None:
    house.push_blob(b"{}")
    foreign = descriptor(b"far away", OCI_LAYER.replace("v1.tar", "nondistributable.v1.tar"))
    house.push(encode(image(descriptor(b"{}", OCI_CONFIG), [foreign])), "v1")
    assert find(images).state.name == UNINDEXABLE
    assert "kept elsewhere" in find(images).state.reason


def test_where_nobody_looks_it_says_so(house: House, known: Known) -> None:
    known.push([known.layer(file("/a"))], "v1")
    images = Images(house.database, None, house.content.read)
    assert find(images).state.name == NONE
    with pytest.raises(ContentsUnindexable, match=r"contents\.enabled"), images.view(find(images)):
        pass


def test_an_image_without_layers_is_empty_and_ready(known: Known, images: Images) -> None:
    known.push([], "v1")
    with images.view(find(images)) as (view,):
        assert view.children(b"/") == []
        assert view.resolve(b"/").kind == "directory"


def test_a_layer_twice_is_one_over_the_other(known: Known, images: Images) -> None:
    layer = known.layer(file("/a", b"1"))
    known.push([layer, layer], "v1")
    with images.view(find(images)) as (view,):
        assert [node.path for node in view.walk()] == [b"/a"]
