"""Docker's own daemon pushes and pulls."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.content import Content, registry_content
from tests.clients.daemons import Docker, open_docker
from tests.clients.images import TAG
from tests.clients.registry import Registry
from tests.clients.relay import Relay
from tests.clients.sandbox import Sandbox

pytestmark = pytest.mark.needs("docker")

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
LIST_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.fixture
def docker(sandbox: Sandbox, folder: Path) -> Iterator[Docker]:
    with open_docker(sandbox, folder / "docker") as docker:
        yield docker


def test_an_image_comes_back_as_it_was_pushed(
    docker: Docker, registry: Registry, relay: Relay, layout: Path, folder: Path, name: str
) -> None:
    first, second = f"{relay.host_port}/{name}:1", f"{relay.host_port}/{name}-second:1"
    identity = _load(docker, layout, folder, first)
    docker.run("push", first)
    content = registry_content(registry, name, "1")
    assert content.manifest["mediaType"] == MANIFEST_TYPE

    sent = relay.sent
    docker.run("tag", first, second)
    assert "Mounted from" in docker.run("push", second)
    assert relay.sent - sent < 50_000 < sent
    assert registry_content(registry, f"{name}-second", "1") == content

    docker.run("rmi", first, second)
    docker.run("pull", first)
    assert _facts(docker, first)["Id"] == identity
    assert _facts(docker, first)["RepoDigests"] == [f"{relay.host_port}/{name}@{content.digest}"]


@pytest.mark.full
def test_an_oci_image_is_pulled_by_tag_and_by_digest(
    docker: Docker, registry: Registry, sandbox: Sandbox, layout: Path, image: Content, name: str
) -> None:
    remote = f"{registry.host_port}/{name}"
    sandbox.run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:{TAG}", f"docker://{remote}:1")
    assert f"Digest: {image.digest}" in docker.run("pull", f"{remote}:1")
    docker.run("rmi", f"{remote}:1")
    docker.run("pull", f"{remote}@{image.digest}")
    assert _facts(docker, f"{remote}@{image.digest}")["Id"] == image.manifest["config"]["digest"]


@pytest.mark.full
def test_a_manifest_list_is_pushed_and_its_image_pulled(
    docker: Docker, registry: Registry, layout: Path, folder: Path, name: str
) -> None:
    remote = f"{registry.host_port}/{name}"
    identity = _load(docker, layout, folder, f"{remote}:amd64")
    docker.run("push", f"{remote}:amd64")
    docker.run("manifest", "create", "--insecure", f"{remote}:all", f"{remote}:amd64")
    docker.run("manifest", "push", "--insecure", f"{remote}:all")
    content = registry_content(registry, name, "all")
    assert content.manifest["mediaType"] == LIST_TYPE
    docker.run("rmi", f"{remote}:amd64")
    assert f"Digest: {content.digest}" in docker.run("pull", f"{remote}:all")
    assert _facts(docker, f"{remote}:all")["Id"] == identity


@pytest.mark.full
def test_a_pull_that_was_cut_goes_on_where_it_was(
    docker: Docker, relay: Relay, sandbox: Sandbox, layout: Path, image: Content, name: str
) -> None:
    remote = f"{relay.host_port}/{name}:1"
    sandbox.run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:{TAG}", f"docker://{remote}")
    relay.cut_after(10_000_000)
    docker.run("pull", remote)
    assert relay.cuts == 1
    assert relay.resumed_at()
    assert _facts(docker, remote)["Id"] == image.manifest["config"]["digest"]


def _load(docker: Docker, layout: Path, folder: Path, name: str) -> object:
    """Give the daemon the real image under that name; gives its id."""
    archive = folder / "archive.tar"
    docker.sandbox.run("skopeo", "copy", f"oci:{layout}:{TAG}", f"docker-archive:{archive}:{name}")
    docker.run("load", f"--input={archive}")
    return _facts(docker, name)["Id"]


def _facts(docker: Docker, name: str) -> dict[str, object]:
    facts: dict[str, object] = json.loads(docker.run("image", "inspect", name))[0]
    return facts
