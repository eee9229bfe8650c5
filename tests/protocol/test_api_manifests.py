"""Orlop's own API: what a manifest is made of."""

import json
from typing import Any

import pytest

from tests.protocol.api import Api
from tests.protocol.client import Client
from tests.protocol.content import (
    DOCKER_CONFIG,
    DOCKER_IMAGE,
    DOCKER_LAYER,
    EMPTY_JSON,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_LAYER,
    absent_digest,
    descriptor,
    digest_of,
    image,
    index,
    random_bytes,
)
from tests.protocol.repository import Pushed, Repository

CONFIG: dict[str, Any] = {
    "os": "linux",
    "architecture": "arm64",
    "variant": "v8",
    "created": "2026-01-02T03:04:05.678901234Z",
    "author": "Ann",
    "config": {
        "User": "1000:1000",
        "WorkingDir": "/srv",
        "Entrypoint": ["/bin/app", "--fast"],
        "Cmd": ["serve"],
        "Env": ["PATH=/usr/bin:/bin", "TOKEN=hunter2", "EMPTY="],
        "Labels": {"org.opencontainers.image.source": "https://example.com/app", "note": "zwölf"},
        "ExposedPorts": {"8080/tcp": {}},
        "Volumes": {"/data": {}},
    },
    "history": [
        {"created": "2026-01-01T00:00:00Z", "created_by": "ADD rootfs.tar /", "comment": "base"},
        {"created_by": "ENV TOKEN", "empty_layer": True},
        {"created_by": "COPY app /bin/app"},
    ],
}


@pytest.fixture
def api(registry: Client) -> Api:
    return Api(registry)


def push(repository: Repository, config: object, layers: int = 2, reference: str = "v1", **more: Any) -> Pushed:
    content = config if isinstance(config, bytes) else json.dumps(config).encode()
    blobs = [random_bytes(100 + number) for number in range(layers)]
    for blob in (content, *blobs):
        repository.push_blob(blob)
    document = image(descriptor(content, OCI_CONFIG), [descriptor(blob, OCI_LAYER) for blob in blobs], **more)
    return repository.push_manifest(document, reference)


def path_of(repository: Repository, reference: str) -> str:
    return f"/repositories/{repository.name}/-/manifests/{reference}"


def test_an_image_is_told_with_its_config(repository: Repository, api: Api) -> None:
    pushed = push(repository, CONFIG, annotations={"a": "b"})
    repository.put_manifest("latest", pushed.content, pushed.media_type)
    told = api.get(path_of(repository, "v1"))
    config = pushed.document["config"]
    assert told["digest"] == pushed.digest
    assert told["platforms"] == ["linux/arm64/v8"]
    assert told["annotations"] == {"a": "b"}
    assert (told["tags"], told["tag_count"]) == (["latest", "v1"], 2)
    assert (told["artifact_type"], told["subject"], told["referrers"], told["children"]) == (None, None, 0, [])
    assert told["manifest_size"] == len(pushed.content)
    assert told["size"] == len(pushed.content) + config["size"] + sum(
        part["size"] for part in pushed.document["layers"]
    )
    assert told["config"] == {
        "digest": config["digest"],
        "media_type": OCI_CONFIG,
        "size": config["size"],
        "os": "linux",
        "architecture": "arm64",
        "variant": "v8",
        "created": "2026-01-02T03:04:05.678901234Z",
        "author": "Ann",
        "user": "1000:1000",
        "working_dir": "/srv",
        "entrypoint": ["/bin/app", "--fast"],
        "cmd": ["serve"],
        "env": ["PATH", "TOKEN", "EMPTY"],
        "labels": CONFIG["config"]["Labels"],
        "exposed_ports": ["8080/tcp"],
        "volumes": ["/data"],
    }


def test_values_of_environment_variables_are_not_told(repository: Repository, api: Api) -> None:
    push(repository, CONFIG)
    assert b"hunter2" not in api.request("GET", path_of(repository, "v1")).body


def test_each_layer_is_told_with_the_step_that_made_it(repository: Repository, api: Api) -> None:
    pushed = push(repository, CONFIG)
    told = api.get(path_of(repository, "v1"))
    layers = pushed.document["layers"]
    assert [(layer["digest"], layer["size"], layer["media_type"]) for layer in told["layers"]] == [
        (layer["digest"], layer["size"], OCI_LAYER) for layer in layers
    ]
    base, env, copy = told["history"]
    assert base == {
        "created": "2026-01-01T00:00:00Z",
        "created_by": "ADD rootfs.tar /",
        "comment": "base",
        "empty_layer": False,
        "layer": layers[0]["digest"],
    }
    assert (env["created_by"], env["empty_layer"], env["layer"]) == ("ENV TOKEN", True, None)
    assert (copy["created_by"], copy["layer"]) == ("COPY app /bin/app", layers[1]["digest"])
    assert [layer["step"] for layer in told["layers"]] == [base, copy]


def test_a_layer_that_comes_twice_has_the_step_of_its_place(repository: Repository, api: Api) -> None:
    layer, config = random_bytes(50), json.dumps(CONFIG).encode()
    for blob in (layer, config):
        repository.push_blob(blob)
    repository.push_manifest(image(descriptor(config, OCI_CONFIG), [descriptor(layer, OCI_LAYER)] * 2), "v1")
    steps = [layer["step"]["created_by"] for layer in api.get(path_of(repository, "v1"))["layers"]]
    assert steps == ["ADD rootfs.tar /", "COPY app /bin/app"]


@pytest.mark.parametrize("layers", [1, 3])
def test_no_step_is_guessed_where_history_and_layers_disagree(repository: Repository, api: Api, layers: int) -> None:
    push(repository, CONFIG, layers)
    told = api.get(path_of(repository, "v1"))
    assert [layer["step"] for layer in told["layers"]] == [None] * layers
    assert [step["layer"] for step in told["history"]] == [None] * 3
    assert [step["created_by"] for step in told["history"]] == ["ADD rootfs.tar /", "ENV TOKEN", "COPY app /bin/app"]


@pytest.mark.parametrize("by", ["tag", "digest", "encoded"])
def test_a_manifest_is_found_by_tag_and_by_digest(repository: Repository, api: Api, by: str) -> None:
    pushed = repository.push_image("v1")
    reference = {"tag": "v1", "digest": pushed.digest, "encoded": pushed.digest.replace(":", "%3A")}[by]
    assert api.get(path_of(repository, reference))["digest"] == pushed.digest
    encoded = repository.name.replace("/", "%2F")
    assert api.get(f"/repositories/{encoded}/-/manifests/{reference}")["digest"] == pushed.digest


def test_dockers_images_are_told_alike(repository: Repository, api: Api) -> None:
    config, layer = json.dumps(CONFIG).encode(), random_bytes(64)
    for blob in (config, layer):
        repository.push_blob(blob)
    document = image(descriptor(config, DOCKER_CONFIG), [descriptor(layer, DOCKER_LAYER)])
    repository.push_manifest({**document, "mediaType": DOCKER_IMAGE}, "v1")
    told = api.get(path_of(repository, "v1"))
    assert (told["media_type"], told["config"]["cmd"], told["platforms"]) == (
        DOCKER_IMAGE,
        ["serve"],
        ["linux/arm64/v8"],
    )


def test_an_index_is_told_with_its_children(repository: Repository, api: Api) -> None:
    arm, other = push(repository, CONFIG, reference=""), repository.push_image()
    platform = {"architecture": "arm64", "os": "linux", "variant": "v8"}
    pushed = repository.push_manifest(
        index([arm.descriptor(platform=platform), other.descriptor()], annotations={"x": "y"}), "v1"
    )
    told = api.get(path_of(repository, "v1"))
    children = [api.get(path_of(repository, child.digest)) for child in (arm, other)]
    assert [child["digest"] for child in told["children"]] == [arm.digest, other.digest]
    assert [child["platform"] for child in told["children"]] == ["linux/arm64/v8", None]
    assert [child["size"] for child in told["children"]] == [child["size"] for child in children]
    assert [child["manifest_size"] for child in told["children"]] == [len(arm.content), len(other.content)]
    assert [child["present"] for child in told["children"]] == [True, True]
    assert told["size"] == len(pushed.content) + sum(child["size"] for child in children)
    assert (told["config"], told["layers"], told["history"]) == (None, [], [])
    assert children[0]["tag_count"] == 0


def test_an_artifact_is_told_with_what_it_is_about(repository: Repository, api: Api) -> None:
    subject = repository.push_image("v1")
    repository.push_blob(EMPTY_JSON)
    document = image(descriptor(EMPTY_JSON, OCI_EMPTY), [descriptor(EMPTY_JSON, OCI_EMPTY)])
    artifact = repository.push_manifest(
        {**document, "artifactType": "application/spdx+json", "subject": subject.descriptor()}
    )
    told = api.get(path_of(repository, artifact.digest))
    assert (told["artifact_type"], told["subject"]) == ("application/spdx+json", subject.digest)
    assert told["config"] == {"digest": digest_of(EMPTY_JSON), "media_type": OCI_EMPTY, "size": 2}
    assert told["history"] == []
    assert api.get(path_of(repository, "v1"))["referrers"] == 1


def test_a_referrer_in_the_fallback_index_counts_once(repository: Repository, api: Api) -> None:
    subject = repository.push_image("v1")
    native = repository.push_image(subject=subject.descriptor())
    listed = repository.push_image()
    fallback = subject.digest.replace(":", "-")
    repository.push_manifest(index([native.descriptor(), listed.descriptor()]), fallback)
    assert api.get(path_of(repository, "v1"))["referrers"] == len(repository.referrers(subject.digest)) == 2


@pytest.mark.parametrize(
    "config",
    [
        b"", b"{}", b"[]", b"null", b"\xff\xfe", b"{", b"[" * 5000, b'{"os":"\\ud800"}',
        {"os": 1, "architecture": [], "config": [], "history": {}},
        {"config": {"Env": {"A": "b"}, "Cmd": "sh", "Entrypoint": [1, "x", None], "Labels": {"a": 1}, "Volumes": []}},
        {"history": [None, 1, {"created": 5, "empty_layer": "yes"}, []], "os": "linux"},
        {"config": None, "history": None},
        {"history": [{"empty_layer": True}] * 5000},
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_a_config_that_is_wrong_is_told_as_far_as_it_goes(repository: Repository, api: Api, config: object) -> None:
    pushed = push(repository, config)
    told = api.get(path_of(repository, "v1"))
    assert told["config"]["digest"] == pushed.document["config"]["digest"]
    assert [layer["digest"] for layer in told["layers"]] == [layer["digest"] for layer in pushed.document["layers"]]


def test_sizes_beyond_all_measure_do_not_break_the_lists(repository: Repository, api: Api) -> None:
    huge = {
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "digest": absent_digest(),
        "size": 2**63 - 1,
    }
    repository.push_blob(EMPTY_JSON)
    child = repository.push_manifest(image(descriptor(EMPTY_JSON, OCI_EMPTY), [huge] * 3))
    repository.push_manifest(index([child.descriptor()] * 20), "v1")
    assert [layer["foreign"] for layer in api.get(path_of(repository, child.digest))["layers"]] == [True] * 3
    assert api.get(path_of(repository, "v1"))["size"] > 2**47
    assert api.all(f"/repositories/{repository.name}/-/tags?sort=-size")[0]["name"] == "v1"
    assert api.get(f"/repositories?filter={repository.name}")["items"][0]["size"] < 100_000


@pytest.mark.parametrize(
    ("reference", "status", "code"),
    [
        ("v2", 404, "MANIFEST_UNKNOWN"),
        (absent_digest(), 404, "MANIFEST_UNKNOWN"),
        (absent_digest("sha512"), 404, "MANIFEST_UNKNOWN"),
        ("sha256:abc", 400, "DIGEST_INVALID"),
        ("md5:abc", 400, "DIGEST_INVALID"),
        ("-x", 400, "TAG_INVALID"),
        ("a%2Fb", 400, "TAG_INVALID"),
        ("v1%0A", 400, "PARAMETER_INVALID"),
        ("%C3%A4", 400, "TAG_INVALID"),
        ("t" * 129, 400, "TAG_INVALID"),
    ],
)
def test_a_reference_that_names_nothing_is_refused(
    repository: Repository, api: Api, reference: str, status: int, code: str
) -> None:
    repository.push_image("v1")
    problem = api.refused(path_of(repository, reference))
    assert (problem["status"], problem["code"]) == (status, code)
