"""Containerd pulls and pushes, by its ctr."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.content import Content, layout_content, registry_content
from tests.clients.daemons import Containerd, open_containerd
from tests.clients.images import TAG
from tests.clients.registry import Registry
from tests.clients.relay import Relay
from tests.clients.sandbox import Sandbox

pytestmark = pytest.mark.needs("containerd")


@pytest.fixture
def containerd(sandbox: Sandbox, folder: Path) -> Iterator[Containerd]:
    with open_containerd(sandbox, folder / "containerd") as containerd:
        yield containerd


def test_an_image_comes_back_as_it_was_pushed(
    containerd: Containerd, registry: Registry, relay: Relay, layout: Path, image: Content, folder: Path, name: str
) -> None:
    first, second = f"{relay.host_port}/{name}:{TAG}", f"{relay.host_port}/{name}-second:{TAG}"
    _import(containerd, layout, folder, first.removesuffix(f":{TAG}"))
    containerd.run("images", "push", "--plain-http", first)
    assert registry_content(registry, name, TAG) == image

    containerd.run("images", "remove", "--sync", first)
    _pull(containerd, first)
    assert _stored(containerd) == image.manifests.keys() | image.blobs.keys()

    sent = relay.sent
    containerd.run("images", "tag", first, second)
    containerd.run("images", "push", "--plain-http", second)
    assert relay.sent - sent < 50_000 < sent
    assert registry_content(registry, f"{name}-second", TAG) == image


@pytest.mark.full
def test_an_index_comes_back_with_each_architecture(
    containerd: Containerd, registry: Registry, sandbox: Sandbox, index_layout: Path, folder: Path, name: str
) -> None:
    pushed = layout_content(index_layout, TAG)
    remote = f"{registry.host_port}/{name}"
    sandbox.run(
        "skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{index_layout}:{TAG}", f"docker://{remote}:1"
    )
    containerd.run("content", "fetch", "--plain-http", "--all-platforms", f"{remote}:1")
    assert _stored(containerd) == pushed.manifests.keys() | pushed.blobs.keys()
    containerd.run("images", "tag", f"{remote}:1", f"{remote}-second:1")
    containerd.run("images", "push", "--plain-http", f"{remote}-second:1")
    assert registry_content(registry, f"{name}-second", "1") == pushed


def test_a_pull_that_was_cut_goes_on_where_it_was(
    containerd: Containerd, relay: Relay, sandbox: Sandbox, layout: Path, image: Content, name: str
) -> None:
    remote = f"{relay.host_port}/{name}:1"
    sandbox.run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:{TAG}", f"docker://{remote}")
    relay.cut_after(10_000_000)
    _pull(containerd, remote)
    assert relay.cuts == 1
    assert relay.resumed_at()
    assert _stored(containerd) == image.manifests.keys() | image.blobs.keys()


def _import(containerd: Containerd, layout: Path, folder: Path, repository: str) -> None:
    """Give it the real image, in that repository with the tag that the layout has."""
    archive = folder / "archive.tar"
    containerd.sandbox.run("skopeo", "copy", f"oci:{layout}:{TAG}", f"oci-archive:{archive}:{TAG}")
    containerd.run("images", "import", f"--snapshotter={containerd.snapshotter}", f"--base-name={repository}", archive)


def _pull(containerd: Containerd, name: str) -> None:
    containerd.run("images", "pull", "--plain-http", f"--snapshotter={containerd.snapshotter}", name)


def _stored(containerd: Containerd) -> set[str]:
    """The digests of all that it holds; containerd checks each when it stores it."""
    return set(containerd.run("content", "ls", "--quiet").split())
