"""Programs of today read what was made of v1 images: config, files of every layer, whiteouts."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from orlop.domain.v1.to_manifest import Layer, Made, make
from tests.clients.content import digest_of, directory_content
from tests.clients.daemons import open_containerd, open_docker
from tests.clients.images import TAG, Storage
from tests.clients.registry import Registry
from tests.clients.sandbox import Sandbox

PLAIN = "application/vnd.oci.image.layer.v1.tar"
ROOT = {"id": "aa" * 32, "created": "2013-06-14T00:33:44.123456-07:00", "container_config": {"Cmd": None}}
SETTING = {
    "id": "bb" * 32,
    "parent": "aa" * 32,
    "comment": "no files",
    "container_config": {"Cmd": ["/bin/sh", "-c", "#(nop) CMD [/hello]"]},
}
LEAF = {
    "id": "cc" * 32,
    "parent": "bb" * 32,
    "created": "2014-03-01T12:00:00.5Z",
    "container": "dd" * 32,
    "container_config": {"Hostname": "dd", "Cmd": ["/bin/sh", "-c", "cp /tmp/hello /hello"], "Dns": None, "Memory": 0},
    "docker_version": "0.9.0",
    "author": "Jane",
    "config": {
        "Hostname": "dd",
        "Cmd": ["/hello"],
        "Env": ["HOME=/", "PATH=/bin"],
        "ExposedPorts": {"80/tcp": {}},
        "PortSpecs": None,
        "Volumes": {"/data": {}},
        "WorkingDir": "/etc",
        "OnBuild": None,
    },
    "architecture": "amd64",
    "os": "linux",
    "checksum": "tarsum+sha256:00",
    "Size": 6,
}
ODD = {
    "created": "Sat Mar 1 2014",
    "config": {"Cmd": "/hello", "Env": ["HOME"], "ExposedPorts": ["80"], "Labels": {"a": 1}, "cmd": 5},
    "container_config": [],
    "docker_version": 9,
    "author": ["Jane"],
    "architecture": "",
    "os": None,
    "History": 5,
    "RootFS": "x",
}
FILES = {"etc/kept": b"kept", "hello": b"hello\n"}


class Image(NamedTuple):
    made: Made
    layers: dict[str, bytes]
    """By digest."""


def tar_of(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def image_of(*chain: tuple[dict[str, Any], dict[str, bytes], bool]) -> Image:
    """Of each image its JSON, its files, and whether its layer is compressed."""
    layers, contents = [], {}
    for document, files, compressed in chain:
        plain = tar_of(files)
        content = gzip.compress(plain, mtime=0) if compressed else plain
        digest = digest_of(content)
        contents[digest] = content
        media_type = f"{PLAIN}+gzip" if compressed else PLAIN
        layers.append(
            Layer(json.dumps(document).encode(), digest, len(content), media_type, digest_of(plain), not files)
        )
    return Image(make(layers), contents)


WHOLE = image_of(
    (ROOT, {"etc/kept": b"kept", "etc/removed": b"removed"}, False),
    (SETTING, {}, True),
    (LEAF, {"hello": b"hello\n", "etc/.wh.removed": b""}, True),
)
BARE = image_of(*(({}, files, True) for files in ({"etc/kept": b"kept"}, {"hello": b"hello\n"})))
STRANGE = image_of((ODD, {"etc/kept": b"kept"}, True), (ODD, {}, False), (ODD, {"hello": b"hello\n"}, False))
IMAGES = pytest.mark.parametrize("image", [WHOLE, BARE, STRANGE], ids=["whole", "bare", "odd"])
EMPTY = image_of((ROOT, {}, True), (SETTING, {}, False))
IMAGES_AND_FILES = pytest.mark.parametrize(
    ("image", "files"),
    [(WHOLE, FILES), (BARE, FILES), (STRANGE, FILES), (EMPTY, {})],
    ids=["whole", "bare", "odd", "empty"],
)


def write_layout(image: Image, folder: Path) -> Path:
    """The image as an OCI layout with the tag TAG."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for content in (image.made.config, image.made.manifest, *image.layers.values()):
        (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
    entry = {
        "mediaType": image.made.media_type,
        "digest": digest_of(image.made.manifest),
        "size": len(image.made.manifest),
        "annotations": {"org.opencontainers.image.ref.name": TAG},
    }
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def files_in(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def push(sandbox: Sandbox, image: Image, folder: Path, remote: str) -> None:
    layout = write_layout(image, folder / "layout")
    command = ("skopeo", "copy", "--dest-tls-verify=false", "--preserve-digests")
    sandbox.run(*command, f"oci:{layout}:{TAG}", f"docker://{remote}")


@pytest.mark.needs("skopeo")
@IMAGES
def test_skopeo_copies_it_as_it_is(sandbox: Sandbox, folder: Path, image: Image) -> None:
    layout = write_layout(image, folder / "layout")
    sandbox.run("skopeo", "copy", "--preserve-digests", f"oci:{layout}:{TAG}", f"dir:{folder}/copy")
    copy = directory_content(folder / "copy")
    assert copy.manifests == {digest_of(image.made.manifest): image.made.manifest}
    assert copy.blobs.keys() - {digest_of(image.made.config)} <= image.layers.keys()


@pytest.mark.needs("skopeo")
def test_skopeo_shows_what_the_v1_images_said(sandbox: Sandbox, folder: Path) -> None:
    layout = write_layout(WHOLE, folder / "layout")
    shown = json.loads(sandbox.run("skopeo", "inspect", "--config", f"oci:{layout}:{TAG}"))
    assert shown["config"] == {
        "Cmd": ["/hello"],
        "Env": ["HOME=/", "PATH=/bin"],
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
        "WorkingDir": "/etc",
    }
    assert (shown["author"], shown["architecture"], shown["os"]) == ("Jane", "amd64", "linux")
    assert [(step.get("created_by"), step.get("empty_layer", False)) for step in shown["history"]] == [
        (None, False),
        ("/bin/sh -c #(nop) CMD [/hello]", True),
        ("/bin/sh -c cp /tmp/hello /hello", False),
    ]


@pytest.mark.needs("skopeo")
@IMAGES
def test_skopeo_makes_docker_types_and_schema_1_of_it(sandbox: Sandbox, folder: Path, image: Image) -> None:
    layout = write_layout(image, folder / "layout")
    for form in ("v2s2", "v2s1"):
        sandbox.run("skopeo", "copy", "--format", form, f"oci:{layout}:{TAG}", f"dir:{folder}/{form}")


@pytest.mark.needs("umoci")
@IMAGES_AND_FILES
def test_umoci_unpacks_it(sandbox: Sandbox, folder: Path, image: Image, files: dict[str, bytes]) -> None:
    layout = write_layout(image, folder / "layout")
    sandbox.run("umoci", "unpack", f"--image={layout}:{TAG}", folder / "bundle")
    assert files_in(folder / "bundle" / "rootfs") == files
    started = json.loads((folder / "bundle" / "config.json").read_text())["process"]
    assert started["args"] == (["/hello"] if image in (WHOLE, STRANGE) else ["sh"])


@pytest.mark.needs("podman")
@IMAGES_AND_FILES
def test_podman_pulls_it(
    sandbox: Sandbox,
    storage: Storage,
    registry: Registry,
    folder: Path,
    name: str,
    image: Image,
    files: dict[str, bytes],
) -> None:
    remote = f"{registry.host_port}/{name}:1"
    push(sandbox, image, folder, remote)
    storage.podman("pull", "--tls-verify=false", remote)
    (facts,) = json.loads(storage.podman("image", "inspect", remote))
    assert facts["Id"] == hashlib.sha256(image.made.config).hexdigest()
    assert facts["Digest"] == digest_of(image.made.manifest)
    assert files_in(sandbox.outside(storage.podman("image", "mount", remote))) == files
    storage.podman("image", "umount", remote)


@pytest.mark.needs("docker")
@pytest.mark.full
def test_docker_pulls_it(sandbox: Sandbox, registry: Registry, folder: Path, name: str) -> None:
    with open_docker(sandbox, folder / "docker") as docker:
        for number, image in enumerate((WHOLE, BARE, STRANGE, EMPTY)):
            remote = f"{registry.host_port}/{name}:{number}"
            push(sandbox, image, folder / str(number), remote)
            docker.run("pull", remote)
            (facts,) = json.loads(docker.run("image", "inspect", remote))
            assert facts["Id"] == digest_of(image.made.config)
            assert facts["RootFS"]["Layers"] == json.loads(image.made.config)["rootfs"]["diff_ids"]
            steps = docker.run("history", "--quiet", "--no-trunc", remote).split()
            assert len(steps) == len(json.loads(image.made.config)["history"])
            if image is not EMPTY:
                docker.run("create", f"--name=it{number}", remote, "/hello")
                docker.run("cp", f"it{number}:/etc/kept", folder / f"kept{number}")
                assert (folder / f"kept{number}").read_bytes() == FILES["etc/kept"]


@pytest.mark.needs("containerd")
@pytest.mark.full
def test_containerd_unpacks_it(sandbox: Sandbox, registry: Registry, folder: Path, name: str) -> None:
    with open_containerd(sandbox, folder / "containerd") as containerd:
        for number, (image, files) in enumerate(((WHOLE, FILES), (BARE, FILES), (STRANGE, FILES), (EMPTY, {}))):
            remote = f"{registry.host_port}/{name}:{number}"
            push(sandbox, image, folder / str(number), remote)
            snapshotter = f"--snapshotter={containerd.snapshotter}"
            containerd.run("images", "pull", "--plain-http", snapshotter, remote)
            root = folder / f"root{number}"
            root.mkdir()
            containerd.run("images", "mount", snapshotter, remote, root)
            assert files_in(sandbox.outside(str(root))) == files
            containerd.run("images", "unmount", root)
