"""What v1 tells of the files in an image, from a server that looks into images."""

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.protocol.answer import Answer
from tests.protocol.content import OCI_CONFIG, OCI_IMAGE, descriptor, encode, image
from tests.protocol.repository import Repository
from tests.protocol.v1.docker import Docker, Image, new_chain, new_image, refused
from tests.servers import OrlopServer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PATIENCE = 30.0
WHOLE = "application/vnd.oci.image.layer.v1.tar"


@pytest.fixture(scope="module", params=["local"])
def server(request: pytest.FixtureRequest) -> Iterator[OrlopServer]:
    with OrlopServer(storage=request.param, CONTENTS_ENABLED="true") as server:
        yield server


def tar(*members: tuple[str, bytes | None]) -> bytes:
    """A plain archive; None: a directory."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.size, info.mode, info.mtime, info.uid = len(content or b""), 0o640, 1_400_000_000, 7
            archive.addfile(info, io.BytesIO(content or b""))
    return stream.getvalue()


def facts(kind: str = "f", size: int = 0, *, deleted: bool = False) -> list[Any]:
    return [kind, deleted, size, 1_400_000_000, 0o640, 7, 0]


def computed(docker: Docker, image_id: str, part: str, folder: str = "images") -> Answer:
    """The answer, once it is one; until then it has no body."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = docker.registry("GET", f"{folder}/{image_id}/{part}")
        if answer.status != 200 or answer.body:
            return answer
        assert answer.header("Content-Type") == "application/json"
        assert time.monotonic() < deadline, "nobody has looked at it"
        time.sleep(0.05)


BASE = (("./", None), ("./etc", None), ("etc/motd", b"hello"), ("/etc/issue", b"1"), ("opt/a", b""), ("opt/b/c", b""))
LEAF = (("etc/.wh.issue", b""), ("etc/motd", b"bye"), ("opt/.wh..wh..opq", b""), ("opt/new", b"12"), ("a/../../x", b""))
BASE_FILES = [
    ["/", *facts("d")], ["/etc", *facts("d")], ["/etc/motd", *facts(size=5)], ["/etc/issue", *facts(size=1)],
    ["/opt/a", *facts()], ["/opt/b/c", *facts()],
]  # fmt: skip
LEAF_FILES = [["/etc/issue", *facts(deleted=True)], ["/etc/motd", *facts(size=3)], ["/opt/new", *facts(size=2)]]
LEAF_DIFF = {
    "deleted": {path: facts(deleted=True) for path in ("/etc/issue", "/opt/a", "/opt/b")},
    "changed": {"/etc/motd": facts(size=3)},
    "created": {"/opt/new": facts(size=2)},
}


def chain_of(pack: Any) -> list[Image]:
    """An image and one on it that changes it."""
    base = new_image(layer=pack(tar(*BASE)))
    return [base, new_image(base.id, layer=pack(tar(*LEAF)))]


def packed_by_zstd(content: bytes) -> bytes:
    return zstd.compress(content)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, packed_by_zstd])
def test_files_and_diff_of_what_was_pushed_over_v1(docker: Docker, pack: Any) -> None:
    base, leaf = chain_of(pack)
    docker.push([base, leaf], by="payload")
    assert computed(docker, leaf.id, "files").json() == LEAF_FILES
    assert computed(docker, leaf.id, "diff").json() == LEAF_DIFF
    assert computed(docker, base.id, "files").json() == BASE_FILES
    created = {path: told for path, *told in BASE_FILES}
    assert computed(docker, base.id, "diff").json() == {"deleted": {}, "changed": {}, "created": created}


def test_an_image_that_has_no_tag_is_looked_at_when_somebody_asks(docker: Docker) -> None:
    base, leaf = chain_of(gzip.compress)
    docker.announce([base, leaf])
    for each in (base, leaf):
        docker.push_one(each)
    assert docker.image("GET", leaf.id, "diff").body == b""
    assert computed(docker, leaf.id, "diff").json() == LEAF_DIFF


def test_images_that_v2_clients_have_pushed(docker: Docker, repository: Repository) -> None:
    layers = [gzip.compress(tar(*BASE)), gzip.compress(tar(*LEAF))]
    history = [{"created_by": "ADD"}, {"created_by": "RUN"}, {"created_by": "CMD", "empty_layer": True}]
    config = encode({"os": "linux", "architecture": "amd64", "history": history})
    for content in (*layers, config):
        repository.push_blob(content)
    manifest = encode(image(descriptor(config, OCI_CONFIG), [descriptor(layer, f"{WHOLE}+gzip") for layer in layers]))
    assert repository.put_manifest("latest", manifest, OCI_IMAGE).status == 201
    docker.name = repository.name
    docker.announce([])
    top = docker.registry("GET", f"repositories/{docker.name}/tags/latest").json()
    command, leaf, base = docker.image("GET", top, "ancestry").json()
    assert computed(docker, command, "files").json() == []
    assert computed(docker, command, "diff").json() == {"deleted": {}, "changed": {}, "created": {}}
    assert computed(docker, leaf, "files").json() == LEAF_FILES
    assert computed(docker, leaf, "diff").json() == LEAF_DIFF
    assert computed(docker, base, "files").json() == BASE_FILES


def test_a_layer_that_is_no_archive_is_told_with_its_reason(docker: Docker) -> None:
    damaged = new_image(layer=gzip.compress(tar(*BASE))[:-9])
    leaf = new_image(damaged.id, layer=tar(*LEAF))
    docker.announce([damaged, leaf])
    for each in (damaged, leaf):
        docker.push_one(each, by="payload")
    for image_id, part in ((damaged.id, "files"), (damaged.id, "diff"), (leaf.id, "diff")):
        answer = computed(docker, image_id, part)
        refused(answer, 400)
        assert "cut short" in answer.json()["error"]
    assert computed(docker, leaf.id, "files").json() == LEAF_FILES


def test_a_large_layer_comes_whole(docker: Docker) -> None:
    names = [f"folder-{number % 100}/{'x' * 50}-{number}" for number in range(8_000)]
    large = new_image(layer=gzip.compress(tar(*[(name, b"") for name in names]), 1))
    docker.push([large])
    answer = computed(docker, large.id, "files")
    assert [row[0] for row in answer.json()] == [f"/{name}" for name in names]
    assert answer.header("Content-Length") == str(len(answer.body))
    head = docker.image("HEAD", large.id, "files")
    assert head.header("Content-Length") == str(len(answer.body))
    assert list(computed(docker, large.id, "diff").json()["created"]) == [f"/{name}" for name in names]


def test_what_is_told_of_files_may_not_be_kept(docker: Docker) -> None:
    """It is not there at first, and the registry may tell more of it one day."""
    chain = new_chain(1)
    docker.push(chain)
    for _ in range(2):
        answer = docker.image("GET", chain[0].id, "files")
        assert answer.header("Cache-Control") == "no-cache"
        assert answer.header("X-Content-Type-Options") == "nosniff"
        computed(docker, chain[0].id, "files")


@pytest.mark.parametrize("server", ["memory"], indirect=True)
def test_a_registry_that_forgets_looks_too(docker: Docker) -> None:
    base, leaf = chain_of(gzip.compress)
    docker.push([base, leaf])
    assert computed(docker, leaf.id, "diff").json() == LEAF_DIFF
    assert computed(docker, base.id, "files").json() == BASE_FILES
