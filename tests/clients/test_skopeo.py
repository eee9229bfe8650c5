"""Skopeo copies images of every kind to the registry and back."""

import json
from pathlib import Path

import pytest

from tests.clients.content import Content, directory_content, layout_content, registry_content
from tests.clients.images import TAG
from tests.clients.registry import Registry
from tests.clients.relay import Relay
from tests.clients.sandbox import Sandbox

pytestmark = pytest.mark.needs("skopeo")

PUSH = ("skopeo", "copy", "--dest-tls-verify=false", "--preserve-digests")
PULL = ("skopeo", "copy", "--src-tls-verify=false", "--preserve-digests")
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def test_an_image_comes_back_as_it_was_pushed(
    sandbox: Sandbox, registry: Registry, layout: Path, image: Content, name: str, folder: Path
) -> None:
    remote = f"docker://{registry.host_port}/{name}:1"
    sandbox.run(*PUSH, f"oci:{layout}:{TAG}", remote)
    sandbox.run(*PULL, remote, f"oci:{folder}:{TAG}")
    assert registry_content(registry, name, "1") == image
    assert layout_content(folder, TAG) == image


@pytest.mark.full
def test_docker_types_stay_docker_types(
    sandbox: Sandbox, registry: Registry, docker_folder: Path, name: str, folder: Path
) -> None:
    pushed = directory_content(docker_folder)
    remote = f"docker://{registry.host_port}/{name}:1"
    sandbox.run(*PUSH, f"dir:{docker_folder}", remote)
    sandbox.run(*PULL, remote, f"dir:{folder}")
    assert registry.manifest(name, "1").headers["content-type"] == DOCKER_MANIFEST
    assert registry_content(registry, name, "1") == directory_content(folder) == pushed


@pytest.mark.full
def test_an_image_is_pushed_as_docker_types(
    sandbox: Sandbox, registry: Registry, layout: Path, image: Content, name: str
) -> None:
    sandbox.run(
        "skopeo",
        "copy",
        "--dest-tls-verify=false",
        "-f",
        "v2s2",
        f"oci:{layout}:{TAG}",
        f"docker://{registry.host_port}/{name}:1",
    )
    content = registry_content(registry, name, "1")
    assert content.manifest["mediaType"] == DOCKER_MANIFEST
    assert [layer["digest"] for layer in content.layers] == [layer["digest"] for layer in image.layers]


@pytest.mark.full
def test_zstd_layers_come_back(
    sandbox: Sandbox, registry: Registry, zstd_layout: Path, name: str, folder: Path
) -> None:
    pushed = layout_content(zstd_layout, TAG)
    remote = f"docker://{registry.host_port}/{name}:1"
    sandbox.run(*PUSH, f"oci:{zstd_layout}:{TAG}", remote)
    sandbox.run(*PULL, remote, f"oci:{folder}:{TAG}")
    assert all(layer["mediaType"].endswith("+zstd") for layer in pushed.layers)
    assert registry_content(registry, name, "1") == layout_content(folder, TAG) == pushed


@pytest.mark.full
def test_an_index_comes_back_with_each_architecture(
    sandbox: Sandbox, registry: Registry, index_layout: Path, name: str, folder: Path
) -> None:
    pushed = layout_content(index_layout, TAG)
    remote = f"docker://{registry.host_port}/{name}:1"
    sandbox.run(*PUSH, "--all", f"oci:{index_layout}:{TAG}", remote)
    sandbox.run(*PULL, "--all", remote, f"oci:{folder}:{TAG}")
    assert {child["platform"]["architecture"] for child in pushed.manifest["manifests"]} == {"amd64", "arm64"}
    assert registry_content(registry, name, "1") == layout_content(folder, TAG) == pushed


@pytest.mark.full
def test_one_architecture_of_an_index_is_pulled(
    sandbox: Sandbox, registry: Registry, index_layout: Path, name: str, folder: Path
) -> None:
    remote = f"docker://{registry.host_port}/{name}:1"
    sandbox.run(*PUSH, "--all", f"oci:{index_layout}:{TAG}", remote)
    sandbox.run("skopeo", "--override-arch=arm64", *PULL[1:], remote, f"oci:{folder}:{TAG}")
    (arm64,) = [
        child["digest"] for child in layout_content(index_layout, TAG).manifest["manifests"]
        if child["platform"]["architecture"] == "arm64"
    ]  # fmt: skip
    assert layout_content(folder, TAG).digest == arm64


def test_inspect_and_list_tags_show_what_is_there(
    sandbox: Sandbox, registry: Registry, layout: Path, image: Content, name: str
) -> None:
    for tag in ("2", "1"):
        sandbox.run(*PUSH, f"oci:{layout}:{TAG}", f"docker://{registry.host_port}/{name}:{tag}")
    remote = f"docker://{registry.host_port}/{name}"
    shown = json.loads(sandbox.run("skopeo", "inspect", "--tls-verify=false", f"{remote}:1"))
    assert shown["Digest"] == image.digest
    assert shown["RepoTags"] == ["1", "2"]
    assert shown["Layers"] == [layer["digest"] for layer in image.layers]
    raw = sandbox.run("skopeo", "inspect", "--tls-verify=false", "--raw", f"{remote}@{image.digest}")
    assert raw.encode() == image.manifests[image.digest]
    assert json.loads(sandbox.run("skopeo", "list-tags", "--tls-verify=false", remote))["Tags"] == ["1", "2"]


def test_a_deleted_image_is_gone(sandbox: Sandbox, registry: Registry, layout: Path, image: Content, name: str) -> None:
    remote = f"docker://{registry.host_port}/{name}:1"
    sandbox.run(*PUSH, f"oci:{layout}:{TAG}", remote)
    sandbox.run("skopeo", "delete", "--tls-verify=false", remote)
    refused = sandbox.attempt("skopeo", "inspect", "--tls-verify=false", remote)
    assert refused.returncode != 0
    assert "manifest unknown" in refused.stderr
    assert registry.ask("GET", f"/v2/{name}/manifests/{image.digest}").status == 404


def test_a_second_repository_takes_the_layers_without_an_upload(
    sandbox: Sandbox, registry: Registry, relay: Relay, layout: Path, image: Content, name: str
) -> None:
    sandbox.run(*PUSH, f"oci:{layout}:{TAG}", f"docker://{relay.host_port}/{name}:1")
    sent = relay.sent
    sandbox.run(*PUSH, f"oci:{layout}:{TAG}", f"docker://{relay.host_port}/{name}-second:1")
    assert sent > sum(image.blobs.values())
    assert relay.sent - sent < 50_000
    assert registry_content(registry, f"{name}-second", "1") == image


@pytest.mark.full
def test_sync_copies_a_repository_to_a_folder_and_back(
    sandbox: Sandbox, registry: Registry, layout: Path, image: Content, name: str, folder: Path
) -> None:
    for tag in ("1", "2"):
        sandbox.run(*PUSH, f"oci:{layout}:{TAG}", f"docker://{registry.host_port}/{name}:{tag}")
    sync = ("skopeo", "sync", "--src-tls-verify=false", "--dest-tls-verify=false")
    sandbox.run(*sync, "--src=docker", "--dest=dir", f"{registry.host_port}/{name}", folder)
    repository = name.rpartition("/")[2]
    assert [directory_content(folder / f"{repository}:{tag}") for tag in ("1", "2")] == [image, image]
    sandbox.run(*sync, "--src=dir", "--dest=docker", folder, f"{registry.host_port}/{name}-back")
    assert registry.tags(f"{name}-back/{repository}") == ["1", "2"]
    assert registry_content(registry, f"{name}-back/{repository}", "2") == image
