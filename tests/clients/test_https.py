"""Clients that know the certificate push and pull over HTTPS."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.certificate import Certificate
from tests.clients.content import Content, layout_content
from tests.clients.daemons import open_containerd, open_docker
from tests.clients.images import TAG, Storage
from tests.clients.sandbox import Sandbox
from tests.servers import OrlopServer

pytestmark = [pytest.mark.needs("HTTPS"), pytest.mark.full]


@pytest.fixture(scope="module")
def certificate(sandbox: Sandbox) -> Path:
    """A folder with the certificate as `ca.crt`, which skopeo and podman take as one to trust."""
    folder = sandbox.folder / "certificate"
    folder.mkdir()
    made = Certificate.make(folder)
    made.cert.rename(folder / "ca.crt")
    return folder


@pytest.fixture(scope="module")
def server(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrlopServer]:
    folder = tmp_path_factory.mktemp("clients-https")
    with OrlopServer(folder, TLS_CERT=f"{certificate}/ca.crt", TLS_KEY=f"{certificate}/key.pem") as server:
        yield server


@pytest.fixture
def remote(server: OrlopServer, sandbox: Sandbox, certificate: Path, layout: Path, name: str) -> str:
    """The real image in the registry, pushed by skopeo."""
    assert server.url.startswith("https://")
    remote = f"{server.host_port}/{name}:1"
    trusted = ("--preserve-digests", f"--dest-cert-dir={certificate}")
    sandbox.run("skopeo", "copy", *trusted, f"oci:{layout}:{TAG}", f"docker://{remote}")
    return remote


def test_skopeo(sandbox: Sandbox, certificate: Path, remote: str, image: Content, folder: Path) -> None:
    sandbox.run("skopeo", "copy", f"--src-cert-dir={certificate}", f"docker://{remote}", f"oci:{folder}:{TAG}")
    assert layout_content(folder, TAG) == image


def test_a_certificate_that_is_not_trusted_is_refused(sandbox: Sandbox, remote: str) -> None:
    refused = sandbox.attempt("skopeo", "inspect", f"docker://{remote}")
    assert refused.returncode != 0
    assert "x509" in refused.stderr


def test_podman(storage: Storage, certificate: Path, remote: str, image: Content) -> None:
    storage.podman("pull", f"--cert-dir={certificate}", remote)
    assert storage.podman("image", "inspect", "--format={{.Digest}}", remote) == image.digest
    storage.podman("push", f"--cert-dir={certificate}", remote, f"{remote}-again")


def test_docker(sandbox: Sandbox, remote: str, folder: Path, image: Content) -> None:
    with open_docker(sandbox, folder / "docker") as docker:
        assert f"Digest: {image.digest}" in docker.run("pull", remote)
        docker.run("tag", remote, f"{remote}-again")
        docker.run("push", f"{remote}-again")


def test_containerd(sandbox: Sandbox, certificate: Path, remote: str, folder: Path, image: Content) -> None:
    with open_containerd(sandbox, folder / "containerd") as containerd:
        hosts = folder / "hosts" / remote.partition("/")[0]
        hosts.mkdir(parents=True)
        (hosts / "hosts.toml").write_text(f'[host."https://{hosts.name}"]\nca = "{certificate}/ca.crt"\n')
        trusted = ("--hosts-dir", hosts.parent)
        containerd.run("content", "fetch", *trusted, remote)
        assert set(containerd.run("content", "ls", "--quiet").split()) == image.manifests.keys() | image.blobs.keys()
        containerd.run("images", "tag", remote, f"{remote}-again")
        containerd.run("images", "push", *trusted, f"{remote}-again")
