"""Podman pushes and pulls, alone and with lists of architectures."""

import json
from pathlib import Path

import pytest

from tests.clients.content import registry_content
from tests.clients.images import Storage, list_images
from tests.clients.registry import Registry
from tests.clients.relay import Relay

pytestmark = pytest.mark.needs("podman")

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def test_an_image_comes_back_as_it_was_pushed(
    storage: Storage, registry: Registry, layout: Path, name: str, folder: Path
) -> None:
    remote = f"{registry.host_port}/{name}:1"
    storage.take(layout, remote)
    before = _facts(storage, remote)
    storage.podman("push", "--tls-verify=false", f"--digestfile={folder}/digest", remote)
    storage.podman("rmi", "--all")
    storage.podman("pull", "--tls-verify=false", remote)
    content = registry_content(registry, name, "1")
    after = _facts(storage, remote)
    assert (folder / "digest").read_text() == after["Digest"] == content.digest
    assert after["Id"] == before["Id"]
    assert after["RootFS"] == before["RootFS"]


@pytest.mark.full
def test_a_second_repository_takes_the_layers_without_an_upload(
    storage: Storage, relay: Relay, registry: Registry, layout: Path, name: str
) -> None:
    storage.take(layout, "localhost/real:1")
    storage.podman("push", "--tls-verify=false", "localhost/real:1", f"{relay.host_port}/{name}:1")
    sent = relay.sent
    storage.podman("push", "--tls-verify=false", "localhost/real:1", f"{relay.host_port}/{name}-second:1")
    first, second = (registry_content(registry, repository, "1") for repository in (name, f"{name}-second"))
    assert relay.sent - sent < 50_000 < sent
    assert second == first


@pytest.mark.full
@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_INDEX), ("v2s2", DOCKER_LIST)])
def test_a_list_is_pushed_with_all_its_images(
    storage: Storage, registry: Registry, layout: Path, name: str, form: str, media_type: str
) -> None:
    remote = f"{registry.host_port}/{name}:1"
    list_images(storage, layout)
    storage.podman(
        "manifest", "push", "--all", f"--format={form}", "--tls-verify=false", "real-index", f"docker://{remote}"
    )
    content = registry_content(registry, name, "1")
    assert content.manifest["mediaType"] == media_type
    assert [child["platform"]["architecture"] for child in content.manifest["manifests"]] == ["amd64", "arm64"]
    storage.podman("rmi", "--all", "--force")
    storage.podman("pull", "--tls-verify=false", "--arch=arm64", "--variant=v8", remote)
    assert _facts(storage, remote)["Architecture"] == "arm64"


@pytest.mark.full
def test_search_finds_the_repository(storage: Storage, registry: Registry, layout: Path, name: str) -> None:
    remote = f"{registry.host_port}/{name}"
    storage.take(layout, f"{remote}:1")
    storage.podman("push", "--tls-verify=false", f"{remote}:1")
    assert storage.podman("search", "--tls-verify=false", "--format={{.Name}}", remote) == remote
    tags = storage.podman("search", "--tls-verify=false", "--list-tags", remote)
    assert tags.split() == ["NAME", "TAG", remote, "1"]


def _facts(storage: Storage, name: str) -> dict[str, object]:
    facts: dict[str, object] = json.loads(storage.podman("image", "inspect", name))[0]
    return facts
