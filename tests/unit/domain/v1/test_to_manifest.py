"""What becomes of v1 images for clients that know manifests only."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orlop.domain.digest import Digest
from orlop.domain.image_config import layer_steps, parse_image_config
from orlop.domain.manifest import OCI_IMAGE, parse_manifest
from orlop.domain.v1.to_manifest import Layer, make
from tests.unit.domain.v1.chains import BASE, CHAIN, GZIP, LEAF, PLAIN, SETTING, layer

values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=10),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
KEYS = (
    "id", "parent", "created", "author", "comment", "container_config", "config", "architecture", "os", "history",
    "rootfs", "throwaway", "Size",
)  # fmt: skip
RUN = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Volumes", "Labels", "User", "Healthcheck", "Memory", "cmd")
documents = some.dictionaries(some.sampled_from(KEYS), values | some.dictionaries(some.sampled_from(RUN), values))


def config_of(*layers: Layer) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(make(layers).config)
    return config


def test_the_config_says_what_the_leaf_said() -> None:
    assert config_of(*CHAIN) == {
        "created": "2014-01-01T00:00:00Z",
        "container_config": {"Cmd": ["/bin/sh", "-c", "make install"], "Memory": 0},
        "docker_version": "1.3.2",
        "author": "John",
        "config": {"Cmd": ["top"], "Env": ["PATH=/bin"], "OnBuild": []},
        "architecture": "arm",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [BASE.diff_id, LEAF.diff_id]},
        "history": [
            {
                "created": "2013-06-14T00:33:44.123-07:00",
                "created_by": "/bin/sh -c #(nop) ADD root.tar /",
                "author": "Jane",
            },
            {"comment": "a setting", "empty_layer": True},
            {"created": "2014-01-01T00:00:00Z", "created_by": "/bin/sh -c make install", "author": "John"},
        ],
    }


def test_the_manifest_names_the_config_and_each_layer_with_files() -> None:
    made = make(CHAIN)
    manifest = parse_manifest(made.manifest, made.media_type)
    assert made.media_type == manifest.media_type == OCI_IMAGE
    assert manifest.config is not None
    assert (manifest.config.digest, manifest.config.size) == (Digest.of(made.config), len(made.config))
    assert [(found.media_type, found.digest, found.size) for found in manifest.layers] == [
        (PLAIN, BASE.digest, 4),
        (GZIP, LEAF.digest, 4),
    ]


def test_the_same_chain_is_the_same_image_however_its_keys_are_ordered() -> None:
    turned = [
        one._replace(json=json.dumps(dict(reversed(json.loads(one.json).items())), indent=2).encode()) for one in CHAIN
    ]
    assert make(turned) == make(CHAIN)
    assert make(CHAIN).manifest.startswith(b'{"config":{"digest":"sha256:')


def test_an_image_that_says_it_is_to_be_thrown_away_keeps_its_files() -> None:
    thrown = layer({"throwaway": True}, "thrown")
    assert config_of(BASE, thrown)["rootfs"]["diff_ids"] == [BASE.diff_id, thrown.diff_id]
    empty = config_of(BASE, thrown._replace(empty=True))
    assert empty["rootfs"]["diff_ids"] == [BASE.diff_id]
    assert empty["history"][1] == {"empty_layer": True}


def test_an_image_without_any_file_has_the_layer_of_its_root() -> None:
    made = config_of(SETTING, SETTING._replace(digest=Digest.of(b"other")))
    assert made["rootfs"]["diff_ids"] == [SETTING.diff_id]
    assert [step.get("empty_layer", False) for step in made["history"]] == [False, True]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"config": None, "container_config": None, "created": None, "architecture": None, "os": ""},
        {"config": [], "container_config": "Cmd", "created": 1371170024, "architecture": ["amd64"], "os": 1},
        {"config": "", "author": ["Jane"], "created": "Fri Jun 14 2013", "architecture": "", "os": {}},
        {"rootfs": {"diff_ids": ["x"]}, "History": 5, "RootFS": 5, "Config": 5, "ARCHITECTURE": 5, "created": ""},
        b"",
        b"[]",
        b"not JSON",
    ],
)
def test_what_is_missing_or_of_another_type_is_left_out(document: Any) -> None:
    found = layer(document)
    assert config_of(found) == {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [found.diff_id]},
        "history": [{}],
    }


@pytest.mark.parametrize(
    ("command", "created_by"),
    [(["a", "b  c"], "a b  c"), ("a b", "a b"), ([], None), (None, None), ([1], None), ({}, None)],
)
def test_a_step_was_made_by_the_command_of_its_container(command: object, created_by: str | None) -> None:
    (step,) = config_of(layer({"container_config": {"Cmd": command}}))["history"]
    assert step == ({"created_by": created_by} if created_by else {})


def test_fields_that_nobody_knows_stay() -> None:
    made = config_of(layer({"os.version": "10", "variant": "v7", "x": {"y": [1]}, "config": {"StopSignal": "9"}}))
    assert (made["os.version"], made["variant"], made["x"], made["config"]) == (
        "10", "v7", {"y": [1]}, {"StopSignal": "9"},
    )  # fmt: skip


@given(some.lists(some.tuples(documents, some.booleans()), min_size=1, max_size=5))
def test_any_chain_makes_a_manifest_whose_history_fits_its_layers(chain: list[tuple[dict[str, Any], bool]]) -> None:
    layers = [layer(document, str(number), empty=empty) for number, (document, empty) in enumerate(chain)]
    made = make(layers)
    manifest, config = parse_manifest(made.manifest, made.media_type), parse_image_config(made.config)
    assert config is not None
    assert config.architecture
    assert config.os
    assert len(config.history) == len(layers)
    steps = [number for number in layer_steps(config, len(manifest.layers)) if number is not None]
    assert steps == list(range(len(manifest.layers))) != []
    assert len(json.loads(made.config)["rootfs"]["diff_ids"]) == len(manifest.layers)
