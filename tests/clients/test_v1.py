"""A real image over v1 and v2, and the programs that still speak v1."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker_registry_client
import pytest

from tests.clients.content import registry_content
from tests.clients.daemons import Docker, open_docker
from tests.clients.images import TAG, Storage
from tests.clients.programs import demand
from tests.clients.registry import Registry
from tests.clients.sandbox import Sandbox
from tests.protocol.client import Client
from tests.protocol.v1 import docker as v1
from tests.protocol.v1.docker import Image, new_chain, new_id

pytestmark = pytest.mark.needs("v1")


@pytest.fixture
def client(registry: Registry) -> Iterator[Client]:
    host, _, port = registry.host_port.rpartition(":")
    with Client((host, int(port))) as client:
        yield client


@pytest.fixture
def docker(sandbox: Sandbox, folder: Path) -> Iterator[Docker]:
    with open_docker(sandbox, folder / "docker") as docker:
        yield docker


def v1_chain(layout: Path) -> list[Image]:
    """The real image's layers, as a client of v1 would push them."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads(_blob(layout, entry["digest"]))
    config = json.loads(_blob(layout, manifest["config"]["digest"]))
    chain: list[Image] = []
    for layer in manifest["layers"]:
        document = {
            "id": new_id(),
            **({"parent": chain[-1].id} if chain else {}),
            "created": "2014-06-09T12:00:00Z",
            "container_config": {"Cmd": ["/bin/sh", "-c", "made"]},
            "config": config.get("config", {}),
            "architecture": "amd64",
            "os": "linux",
        }
        chain.append(Image(document["id"], json.dumps(document).encode(), _blob(layout, layer["digest"])))
    return chain


def _blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def files_of(root: Path) -> dict[str, tuple[object, ...]]:
    """What a file system holds, by path: kind, mode, owner, size or target, and for files their bytes' hash."""
    listing = subprocess.run(
        ["find", ".", "-printf", r"%P\t%y\t%m\t%U\t%G\t%l\n"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, tuple[object, ...]] = {}
    for line in listing.splitlines():
        path, *facts = line.split("\t")
        found[path] = tuple(facts)
    sums = subprocess.run(
        "find . -type f -print0 | sort -z | xargs -0 sha256sum", shell=True, cwd=root, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    for line in sums.splitlines():
        digest, _, path = line.partition("  ./")
        found[path] = (*found[path], digest)
    return found


def test_a_real_image_that_v1_pushed_is_pulled_by_todays_clients(
    sandbox: Sandbox, registry: Registry, client: Client, storage: Storage, docker: Docker, layout: Path, name: str,
    folder: Path,
) -> None:  # fmt: skip
    chain = v1_chain(layout)
    v1.Docker(client, name).push(chain, "latest", by="payload")
    remote = f"{registry.host_port}/{name}:latest"
    sandbox.run("skopeo", "copy", "--src-tls-verify=false", f"docker://{remote}", f"oci:{folder}/pulled:{TAG}")
    for source, target in ((layout, "before"), (folder / "pulled", "after")):
        sandbox.run("umoci", "unpack", f"--image={source}:{TAG}", folder / target)
    before, after = files_of(folder / "before" / "rootfs"), files_of(folder / "after" / "rootfs")
    assert len(before) > 1000
    assert after == before
    storage.podman("pull", "--tls-verify=false", remote)
    facts = json.loads(storage.podman("image", "inspect", remote))[0]
    assert len(facts["RootFS"]["Layers"]) == len(chain)
    docker.run("pull", remote)
    assert json.loads(docker.run("image", "inspect", remote))[0]["RootFS"]["Layers"] == facts["RootFS"]["Layers"]
    assert v1.Docker(client, name).pull() == chain


def test_a_real_image_that_skopeo_pushed_is_pulled_over_v1(
    sandbox: Sandbox, registry: Registry, client: Client, layout: Path, name: str
) -> None:
    remote = f"docker://{registry.host_port}/{name}:latest"
    sandbox.run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:{TAG}", remote)
    content = registry_content(registry, name, "latest")
    pulled = v1.Docker(client, name).pull()
    sizes = [layer["size"] for layer in content.manifest["layers"]]
    assert [len(image.layer) for image in pulled if len(image.layer) > 32] == sizes
    for image, layer in zip((each for each in pulled if len(each.layer) > 32), content.manifest["layers"], strict=True):
        assert image.layer == _blob(layout, layer["digest"])


def test_docker_and_podman_search(
    registry: Registry, client: Client, storage: Storage, docker: Docker, name: str
) -> None:
    v1.Docker(client, name).push(new_chain(1))
    term = name.rpartition("/")[2]
    assert name in docker.run("search", f"{registry.host_port}/{term}")
    found = storage.podman("search", "--tls-verify=false", "--format={{.Name}}", f"{registry.host_port}/{term}")
    assert found.split() == [f"{registry.host_port}/{name}"]


@pytest.mark.filterwarnings("ignore")
def test_the_client_library_of_pypi(registry: Registry, client: Client, name: str) -> None:
    chain = new_chain(2)
    v1.Docker(client, name).push(chain, "v1")
    library = docker_registry_client.DockerRegistryClient(f"http://{registry.host_port}", api_version=1)
    assert name in library.repositories()
    repository = library.repository(name)
    assert set(repository.tags()) == {"v1"}
    image = repository.image("v1")
    assert image.image_id == chain[-1].id
    assert image.ancestry() == [chain[1].id, chain[0].id]
    assert image.get_data("docker_version") == "1.0.1"
    assert repository.data("v1")["arch"] == "amd64"
    repository.tag("again", chain[0].id)
    repository.untag("v1")
    repository.refresh()
    assert set(repository.tags()) == {"again"}


NODE = """
const registry = require('docker-registry-client');
const client = registry.createClientV1({name: process.argv[2], insecure: true});
client.listRepoTags(function (err, tags) {
    if (err) { throw err; }
    const imgId = tags.v1;
    client.getImgAncestry({imgId: imgId}, function (err, ancestry) {
        if (err) { throw err; }
        client.getImgLayerStream({imgId: imgId}, function (err, stream) {
            if (err) { throw err; }
            let size = 0;
            stream.on('data', function (piece) { size += piece.length; });
            stream.on('end', function () {
                console.log(JSON.stringify({tags: tags, ancestry: ancestry, size: size}));
            });
            stream.resume();
        });
    });
});
"""


@pytest.mark.full
def test_the_client_library_of_npm(registry: Registry, client: Client, name: str, tmp_path: Path) -> None:
    demand("v1 by npm")
    chain = new_chain(2)
    v1.Docker(client, name).push(chain, "v1")
    (tmp_path / "client.js").write_text(NODE)
    run = {"cwd": tmp_path, "capture_output": True, "text": True, "check": True, "timeout": 300}
    subprocess.run(["npm", "install", "--silent", "docker-registry-client@3.4.0"], **run)  # type: ignore[call-overload]
    done = subprocess.run(["node", "client.js", f"{registry.host_port}/{name}"], **run)  # type: ignore[call-overload]
    told = json.loads(done.stdout)
    assert told["tags"] == {"v1": chain[-1].id}
    assert told["ancestry"] == [chain[1].id, chain[0].id]
    assert told["size"] == len(chain[-1].layer)
