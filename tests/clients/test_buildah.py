"""Buildah pushes what it built, and builds on what it pulled."""

from pathlib import Path

import pytest

from tests.clients.content import registry_content
from tests.clients.images import Storage
from tests.clients.registry import Registry
from tests.clients.relay import Relay

pytestmark = pytest.mark.needs("buildah")

MANIFEST_TYPES = {
    "oci": "application/vnd.oci.image.manifest.v1+json",
    "v2s2": "application/vnd.docker.distribution.manifest.v2+json",
}


@pytest.mark.parametrize("form", ["oci", pytest.param("v2s2", marks=pytest.mark.full)])
def test_an_image_built_on_a_pulled_one_comes_back(
    storage: Storage, registry: Registry, layout: Path, name: str, folder: Path, form: str
) -> None:
    base, built = f"{registry.host_port}/{name}-base:1", f"{registry.host_port}/{name}:1"
    storage.take(layout, base)
    _push(storage, form, base, base)
    storage.buildah("rmi", "--all")
    container = storage.buildah("from", "--tls-verify=false", base)
    (folder / "word").write_text("kept")
    storage.buildah("copy", container, folder / "word", "/word")
    storage.buildah("commit", "--rm", container, built)
    _push(storage, form, built, built, f"--digestfile={folder}/digest")
    storage.buildah("rmi", "--all")
    storage.buildah("pull", "--tls-verify=false", built)
    content = registry_content(registry, name, "1")
    assert content.manifest["mediaType"] == MANIFEST_TYPES[form]
    assert (folder / "digest").read_text() == content.digest
    assert storage.buildah("images", "--digests", "--format={{.Digest}}") == content.digest
    container = storage.buildah("from", "--pull-never", built)
    assert storage.buildah("run", "--isolation=chroot", container, "--", "cat", "/word") == "kept"


@pytest.mark.full
def test_a_second_repository_takes_the_layers_without_an_upload(
    storage: Storage, relay: Relay, registry: Registry, layout: Path, name: str
) -> None:
    storage.take(layout, "localhost/real:1")
    _push(storage, "oci", "localhost/real:1", f"{relay.host_port}/{name}:1")
    sent = relay.sent
    _push(storage, "oci", "localhost/real:1", f"{relay.host_port}/{name}-second:1")
    first, second = (registry_content(registry, repository, "1") for repository in (name, f"{name}-second"))
    assert relay.sent - sent < 50_000 < sent
    assert second == first


def _push(storage: Storage, form: str, name: str, remote: str, *options: str) -> None:
    storage.buildah("push", "--tls-verify=false", f"--format={form}", *options, name, f"docker://{remote}")
