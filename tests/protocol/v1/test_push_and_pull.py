"""The whole push and pull, and what each protocol shows of the other's images."""

import bz2
import gzip
import hashlib
import json
import lzma
from collections.abc import Callable

import pytest

from orlop.domain.v1.from_manifest import EMPTY_LAYER
from tests.protocol.client import Client
from tests.protocol.content import OCI_CONFIG, OCI_IMAGE, OCI_LAYER, descriptor, digest_of, encode, image, index
from tests.protocol.repository import Repository
from tests.protocol.v1.docker import Docker, archive, new_chain, new_image


@pytest.mark.parametrize("by", ["payload", "tarsum", "both"])
@pytest.mark.parametrize("twice", [False, True])
def test_what_was_pushed_is_pulled_byte_for_byte(docker: Docker, by: str, twice: bool) -> None:
    docker.twice = twice
    chain = new_chain()
    docker.push(chain, "latest", "v1", by=by)
    assert docker.pull() == chain
    assert docker.pull("v1") == chain
    answer = docker.registry("GET", f"repositories/{docker.name}/tags")
    assert answer.json() == {"latest": chain[-1].id, "v1": chain[-1].id}
    sums = docker.image("GET", chain[-1].id, "json").header("X-Docker-Checksum-Payload")
    assert chain[-1].payload in sums


def test_a_second_push_sends_nothing_again(docker: Docker) -> None:
    chain = new_chain()
    docker.push(chain)
    docker.push([*chain, new_image(chain[-1].id)])
    assert docker.pull()[:3] == chain
    answer = docker.image("PUT", chain[0].id, "json", chain[0].json)
    assert (answer.status, answer.json()) == (409, {"error": "Image already exists"})
    answer = docker.image("PUT", chain[0].id, "layer", b"another")
    assert (answer.status, answer.json()) == (409, {"error": "Image already exists"})


def test_v2_clients_pull_what_v1_clients_pushed(docker: Docker) -> None:
    chain = new_chain()
    docker.push(chain, "latest")
    repository = Repository(docker.client, docker.name)
    answer = repository.get("manifests/latest")
    manifest = answer.json()
    assert answer.header("Content-Type") == OCI_IMAGE
    assert [layer["digest"] for layer in manifest["layers"]] == [digest_of(each.layer) for each in chain]
    assert [layer["size"] for layer in manifest["layers"]] == [len(each.layer) for each in chain]
    for each, layer in zip(chain, manifest["layers"], strict=True):
        assert repository.get(f"blobs/{layer['digest']}").body == each.layer
    config = repository.get(f"blobs/{manifest['config']['digest']}").json()
    assert config["rootfs"]["diff_ids"] == [digest_of(gzip.decompress(each.layer)) for each in chain]
    assert len(config["history"]) == 3
    assert "ADD file" in config["history"][0]["created_by"]
    assert repository.tags() == ["latest"]


def test_the_same_images_make_the_same_manifest(registry: Client) -> None:
    chain = new_chain()
    digests = set()
    for _ in range(2):
        docker = Docker(registry)
        docker.push(chain, "a", "b")
        repository = Repository(registry, docker.name)
        digests |= {repository.head(f"manifests/{tag}").header("Docker-Content-Digest") for tag in "ab"}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("pack", "media_type", "copied"),
    [
        (bytes, "application/vnd.oci.image.layer.v1.tar", False),
        (gzip.compress, "application/vnd.oci.image.layer.v1.tar+gzip", False),
        (bz2.compress, "application/vnd.oci.image.layer.v1.tar+gzip", True),
        (lzma.compress, "application/vnd.oci.image.layer.v1.tar+gzip", True),
    ],
)
def test_each_compression_is_shown_in_a_form_that_v2_has(
    docker: Docker, pack: Callable[[bytes], bytes], media_type: str, copied: bool
) -> None:
    plain = archive({"a/b": b"content" * 100})
    layer = pack(plain)
    pushed = new_image(layer=layer)
    docker.push([pushed], by="payload")
    assert docker.pull() == [pushed]
    repository = Repository(docker.client, docker.name)
    manifest = repository.get("manifests/latest").json()
    (shown,) = manifest["layers"]
    assert shown["mediaType"] == media_type
    body = repository.get(f"blobs/{shown['digest']}").body
    assert (body != layer) == copied
    assert (gzip.decompress(body) if "gzip" in media_type else body) == plain
    config = repository.get(f"blobs/{manifest['config']['digest']}").json()
    assert config["rootfs"]["diff_ids"] == [digest_of(plain)]


def test_an_empty_layer_is_a_step_of_the_history_alone(docker: Docker) -> None:
    root = new_image()
    chain = [root, new_image(root.id, layer=EMPTY_LAYER)]
    docker.push(chain)
    assert docker.pull() == chain
    repository = Repository(docker.client, docker.name)
    manifest = repository.get("manifests/latest").json()
    assert len(manifest["layers"]) == 1
    config = repository.get(f"blobs/{manifest['config']['digest']}").json()
    assert [step.get("empty_layer", False) for step in config["history"]] == [False, True]


def test_a_layer_that_is_no_archive_is_pulled_and_cannot_be_tagged(docker: Docker) -> None:
    pushed = new_image(layer=b"no archive " * 100)
    docker.announce([pushed])
    docker.push_one(pushed, by="payload")
    assert docker.image("GET", pushed.id, "layer").body == pushed.layer
    answer = docker.tag("latest", pushed.id)
    assert answer.status == 400
    assert "cannot be read" in answer.json()["error"]


def test_a_name_without_a_slash_is_one_repository_over_both(registry: Client) -> None:
    name = f"bare{new_image().id[:8]}"
    docker = Docker(registry, name)
    chain = new_chain(1)
    docker.push(chain)
    assert Repository(registry, name).tags() == ["latest"]
    assert registry.get(f"/v2/library/{name}/tags/list").status == 404
    assert registry.get(f"/v1/repositories/library/{name}/tags").status == 404


def test_a_tag_that_goes_over_one_goes_over_the_other(docker: Docker) -> None:
    docker.push(new_chain(), "a", "b")
    repository = Repository(docker.client, docker.name)
    answer = docker.registry("DELETE", f"repositories/{docker.name}/tags/a")
    assert (answer.status, answer.json()) == (200, True)
    assert repository.tags() == ["b"]
    assert repository.get("manifests/a").status == 404
    answer = docker.registry("DELETE", f"repositories/{docker.name}/tags/a")
    assert (answer.status, answer.json()) == (404, {"error": "Tag not found: a"})
    assert repository.delete("manifests/b").status == 202
    assert docker.registry("GET", f"repositories/{docker.name}/tags/b").status == 404


def v2_image(repository: Repository, layers: int = 2, **more: object) -> tuple[bytes, list[bytes]]:
    """A manifest with a config of one step for each layer, and an empty one between."""
    contents = [gzip.compress(archive({f"f{number}": b"%d" % number}), mtime=0) for number in range(layers)]
    history = [{"created_by": f"step {number}"} for number in range(layers)]
    history.insert(1, {"created_by": "ENV a=b", "empty_layer": True})  # type: ignore[dict-item]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["run"], "Labels": {"n": repository.name}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(gzip.decompress(each)) for each in contents]},
            "history": history,
        }
    ).encode()
    for each in (config, *contents):
        repository.push_blob(each)
    document = image(descriptor(config, OCI_CONFIG), [descriptor(each, OCI_LAYER) for each in contents], **more)
    return encode(document), contents


def test_v1_clients_pull_what_v2_clients_pushed(docker: Docker) -> None:
    repository = Repository(docker.client, docker.name)
    manifest, layers = v2_image(repository)
    repository.put_manifest("latest", manifest, OCI_IMAGE)
    chain = docker.pull()
    assert [each.layer for each in chain] == [layers[0], EMPTY_LAYER, layers[1]]
    assert [each.parent for each in chain] == [None, chain[0].id, chain[1].id]
    leaf = json.loads(chain[-1].json)
    assert (leaf["id"], leaf["config"]["Cmd"], leaf["architecture"]) == (chain[-1].id, ["run"], "amd64")
    assert len({each.id for each in chain}) == 3
    assert docker.pull() == chain
    assert docker.registry("GET", f"repositories/{docker.name}/tags").json() == {"latest": chain[-1].id}
    # The other way round: its images can be tagged over v1.
    assert docker.tag("again", chain[-1].id).status == 200
    assert repository.get("manifests/again").body == manifest
    assert docker.tag("part", chain[0].id).status == 400


def test_of_an_index_v1_shows_the_image_for_its_platform(docker: Docker) -> None:
    repository = Repository(docker.client, docker.name)
    manifest, layers = v2_image(repository)
    other, _ = v2_image(repository, 1)
    for each in (manifest, other):
        repository.put_manifest(digest_of(each), each, OCI_IMAGE)
    document = index(
        [
            descriptor(other, OCI_IMAGE, platform={"os": "linux", "architecture": "arm64"}),
            descriptor(manifest, OCI_IMAGE, platform={"os": "linux", "architecture": "amd64"}),
        ]
    )
    repository.push_manifest(document, "latest")
    assert [each.layer for each in docker.pull()] == [layers[0], EMPTY_LAYER, layers[1]]


def test_what_v1_cannot_show_is_left_out(docker: Docker) -> None:
    repository = Repository(docker.client, docker.name)
    manifest, _ = v2_image(repository)
    repository.put_manifest("shown", manifest, OCI_IMAGE)
    repository.push_image("artifact", artifactType="text/x")
    sbom = b'{"sbom": true}'
    repository.push_blob(sbom)
    document = image(descriptor(sbom, "application/vnd.example+json"), [descriptor(sbom, "text/plain")])
    repository.push_manifest(document, "sbom")
    assert list(docker.registry("GET", f"repositories/{docker.name}/tags").json()) == ["shown"]
    answer = docker.registry("GET", f"repositories/{docker.name}/tags/sbom")
    assert (answer.status, answer.json()) == (404, {"error": "Tag not found"})


def test_ids_are_private_to_their_repository(registry: Client) -> None:
    first, second = Docker(registry), Docker(registry)
    mine = new_image()
    other = mine._replace(layer=gzip.compress(archive({"x": b"other"})))
    first.push([mine])
    second.push([other], by="payload")
    assert first.pull() == [mine]
    assert second.pull() == [other]
    child = new_image(mine.id)
    stranger = Docker(registry)
    stranger.announce([child])
    answer = stranger.image("PUT", child.id, "json", child.json)
    assert (answer.status, answer.json()) == (400, {"error": "Image depends on a non existing parent"})


def test_the_layers_digest_is_what_it_was_sent_as(docker: Docker) -> None:
    pushed = new_image()
    docker.push([pushed])
    answer = docker.image("GET", pushed.id, "layer")
    assert hashlib.sha256(answer.body).hexdigest() in answer.header("ETag")
