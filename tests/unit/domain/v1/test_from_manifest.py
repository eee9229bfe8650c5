"""How images of today look to clients of the v1 API."""

import gzip
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orlop.domain.digest import Digest
from orlop.domain.errors import NoV1View
from orlop.domain.manifest import IMAGE_CONFIGS, OCI_ARTIFACT, OCI_IMAGE, OCI_INDEX, Descriptor, Manifest
from orlop.domain.manifest import parse_manifest as parse
from orlop.domain.v1.from_manifest import EMPTY_LAYER, EMPTY_LAYER_DIGEST, MAX_CHAIN, Image, chain, choose_child, ids
from orlop.domain.v1.to_manifest import make
from tests.unit.domain.v1.chains import CHAIN, GZIP, layer

CONFIG: dict[str, Any] = {
    "architecture": "arm64",
    "os": "linux",
    "created": "2024-05-01T00:00:00Z",
    "author": "John",
    "config": {"Cmd": ["top"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:00", "sha256:11"]},
    "history": [
        {"created": "2024-01-01T00:00:00Z", "created_by": "ADD root.tar /", "author": "Jane"},
        {"created": "2024-02-01T00:00:00Z", "created_by": "ENV A=1", "comment": "buildkit", "empty_layer": True},
        {"created": "2024-05-01T00:00:00Z", "created_by": "RUN make install"},
    ],
}
AMD64, ARM64 = ({"os": "linux", "architecture": name} for name in ("amd64", "arm64"))
UNKNOWN = {"os": "unknown", "architecture": "unknown"}


def descriptor(name: str, media_type: str = GZIP, **more: Any) -> Descriptor:
    return Descriptor(media_type, Digest.of(name.encode()), len(name), **more)


ONE, TWO = descriptor("one"), descriptor("two, longer")


def manifest(*layers: Descriptor, config_type: str = IMAGE_CONFIGS[0], media_type: str = OCI_IMAGE) -> Manifest:
    return Manifest(media_type, descriptor("config", config_type), layers, (), None, "", {})


def index(*children: Descriptor) -> Manifest:
    return Manifest(OCI_INDEX, None, (), children, None, "", {})


def shown(config: dict[str, Any], *layers: Descriptor) -> list[Image]:
    return chain(manifest(*layers), json.dumps(config).encode())


def said(image: Image) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(image.json)
    return document


def test_the_empty_layer_is_the_one_that_all_clients_know() -> None:
    assert EMPTY_LAYER_DIGEST == "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
    assert gzip.decompress(EMPTY_LAYER) == bytes(1024)


def test_each_step_of_the_history_is_an_image() -> None:
    root, setting, leaf = shown(CONFIG, ONE, TWO)
    assert [image.layer for image in (root, setting, leaf)] == [ONE, None, TWO]
    assert [image.size for image in (root, setting, leaf)] == [3, 32, 11]
    assert said(root) == {
        "id": root.id,
        "created": "2024-01-01T00:00:00Z",
        "author": "Jane",
        "container_config": {"Cmd": ["ADD root.tar /"]},
        "Size": 3,
    }
    assert said(setting) == {
        "id": setting.id,
        "parent": root.id,
        "created": "2024-02-01T00:00:00Z",
        "comment": "buildkit",
        "container_config": {"Cmd": ["ENV A=1"]},
        "Size": 32,
        "throwaway": True,
    }
    assert said(leaf) == {
        "id": leaf.id,
        "parent": setting.id,
        "created": "2024-05-01T00:00:00Z",
        "author": "John",
        "architecture": "arm64",
        "os": "linux",
        "config": {"Cmd": ["top"]},
        "container_config": {"Cmd": ["RUN make install"]},
        "Size": 11,
    }


def test_ids_are_made_of_the_content_and_of_what_is_below() -> None:
    config = json.dumps(CONFIG).encode()
    root, setting, leaf = chain(manifest(ONE, TWO), config)
    assert root.id == _sha256(f"{ONE.digest.hex} ")
    assert setting.id == _sha256(f"{EMPTY_LAYER_DIGEST.hex} {root.id}")
    assert leaf.id == _sha256(f"{TWO.digest.hex} {setting.id} {config.decode()}")
    assert [image.parent for image in (root, setting, leaf)] == [None, root.id, setting.id]
    assert chain(manifest(ONE, TWO), config) == [root, setting, leaf]


def test_ids_differ_once_anything_below_differs() -> None:
    chains = [shown(CONFIG, ONE, TWO), shown(CONFIG, TWO, TWO), shown({**CONFIG, "author": "Eve"}, ONE, TWO)]
    first, below, config = ([image.id for image in images] for images in chains)
    assert not set(first) & set(below)
    assert first[:2] == config[:2]
    assert first[2] != config[2]


def test_a_layer_that_comes_twice_has_two_ids() -> None:
    images = shown({"history": []}, ONE, ONE, ONE)
    assert len({image.id for image in images}) == 3


@pytest.mark.parametrize(
    "history",
    [
        None, [], "no", {}, [{}], [{}, {}, {}], [{"empty_layer": True}] * 2, [{}, {"empty_layer": True}],
        CONFIG["history"] + [{}],
    ],
)  # fmt: skip
def test_a_history_that_does_not_fit_the_layers_is_not_believed(history: object) -> None:
    images = shown({**CONFIG, "history": history}, ONE, TWO)
    assert [image.layer for image in images] == [ONE, TWO]
    assert said(images[0]) == {"id": images[0].id, "Size": 3}
    assert said(images[1])["config"] == {"Cmd": ["top"]}


def test_a_chain_too_long_for_docker_leaves_out_what_has_no_files() -> None:
    history = [{"empty_layer": True}] * (MAX_CHAIN - 2) + [{}, {}]
    assert len(shown({"history": history}, ONE, TWO)) == MAX_CHAIN
    assert [image.layer for image in shown({"history": [{"empty_layer": True}, *history]}, ONE, TWO)] == [ONE, TWO]


def test_entries_of_another_type_say_nothing() -> None:
    history = [5, {"created": "May", "created_by": ["x"], "author": None, "comment": 1}]
    root, leaf = shown({"history": history, "created": 5, "config": {"Cmd": 5}, "Id": "x", "parent": 1}, ONE, TWO)
    assert said(root) == {"id": root.id, "Size": 3}
    assert said(leaf) == {"id": leaf.id, "parent": root.id, "Size": 11, "config": {}}


@pytest.mark.parametrize(
    "unseen",
    [
        manifest(),
        manifest(ONE, config_type="application/vnd.oci.empty.v1+json"),
        manifest(ONE, media_type=OCI_ARTIFACT),
        index(ONE),
        manifest(ONE, descriptor("x", foreign=True)),
        manifest(descriptor("x", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")),
        manifest(descriptor("x", "application/vnd.oci.image.layer.v1.tar+zstd"), ONE),
        manifest(descriptor("x", f"{GZIP}+encrypted")),
        manifest(descriptor("x", "application/vnd.in-toto+json")),
    ],
)
def test_what_v1_cannot_say_is_not_shown(unseen: Manifest) -> None:
    with pytest.raises(NoV1View):
        chain(unseen, b"{}")


@pytest.mark.parametrize("config", [b"", b"[]", b"\xff", b'{"os":"a","os":"b"}'])
def test_an_image_with_a_broken_config_is_not_shown(config: bytes) -> None:
    with pytest.raises(NoV1View):
        chain(manifest(ONE), config)


def test_the_child_of_the_platform_is_chosen() -> None:
    arm64, amd64 = descriptor("a", OCI_IMAGE, platform=ARM64), descriptor("b", OCI_IMAGE, platform=AMD64)
    newer = descriptor("c", OCI_IMAGE, platform=AMD64 | {"variant": "v3"})
    assert choose_child(index(arm64, newer, amd64)) == amd64
    assert choose_child(index(arm64, newer)) == newer
    assert choose_child(index(newer, arm64), "linux/arm64") == arm64
    assert choose_child(index(amd64, newer), "linux/amd64/v3") == newer
    assert choose_child(index(arm64, newer), "windows/amd64") == arm64


def test_without_the_platform_it_is_the_first_image() -> None:
    attestation = descriptor("a", OCI_IMAGE, platform=UNKNOWN)
    nested, unsaid = descriptor("b", OCI_INDEX), descriptor("c", OCI_IMAGE)
    odd = descriptor("d", OCI_IMAGE, platform={"os": 5, "architecture": None, "variant": []})
    assert choose_child(index(attestation, nested, odd, unsaid)) == odd
    for other in (index(), index(attestation, nested)):
        with pytest.raises(NoV1View):
            choose_child(other)


@given(some.lists(some.tuples(some.integers(0, 3), some.booleans()), min_size=1, max_size=8))
def test_a_v1_chain_comes_back_with_its_layers(drawn: list[tuple[int, bool]]) -> None:
    layers = [layer({"id": str(place)}, str(name), empty=empty) for place, (name, empty) in enumerate(drawn)]
    made = make(layers)
    images = chain(parse(made.manifest, made.media_type), made.config)
    kept = [one.digest for one in layers if not one.empty] or [layers[0].digest]
    assert len(images) == len(layers)
    assert [image.layer.digest for image in images if image.layer is not None] == kept
    assert len({image.id for image in images}) == len(images)


def test_what_v1_images_said_comes_back() -> None:
    made = make(CHAIN)
    images = chain(parse(made.manifest, made.media_type), made.config)
    again = [
        pushed._replace(json=image.json, empty=image.layer is None) for pushed, image in zip(CHAIN, images, strict=True)
    ]
    assert make(again) == made


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_ids_are_those_of_the_chain() -> None:
    config = json.dumps(CONFIG).encode()
    shown_images = chain(manifest(ONE, TWO), config)
    assert ids(manifest(ONE, TWO), config) == [(image.id, image.layer) for image in shown_images]


def test_what_v1_cannot_show_has_an_id_too() -> None:
    zstd = descriptor("one", "application/vnd.oci.image.layer.v1.tar+zstd")
    assert ids(manifest(zstd), b"{}") == [(ids(manifest(ONE), b"{}")[0][0], zstd)]
    ((_, layer),) = ids(manifest(), b"no JSON")
    assert layer is None
    with pytest.raises(NoV1View):
        ids(manifest(ONE, config_type="application/vnd.example"), b"{}")
