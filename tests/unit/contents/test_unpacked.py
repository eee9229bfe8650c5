"""What images show of themselves is what a program finds that really unpacks their layers: umoci."""

import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from orlop.contents.entry import Entry
from orlop.contents.index import Index
from orlop.contents.overlay import Overlay
from orlop.domain.digest import Digest
from tests.left_out import leave_out, missing_programs
from tests.unit.contents.chains_of_layers import (
    Layer,
    Model,
    chains,
    directory,
    file,
    hardlink,
    loaded,
    opaque,
    symlink,
    whiteout,
)

CONTENTS = {str(Digest.of(content)): content for content in (b"", b"1", b"22", b"333")}
TYPES = {
    "directory": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
}

Shown = dict[bytes, tuple[str, str]]
"""For each path its kind, and what is in it."""


@pytest.fixture(scope="module", autouse=True)
def _umoci() -> None:
    if reason := missing_programs("umoci"):
        leave_out("umoci", reason)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(chain=chains)
def test_generated_chains(tmp_path_factory: pytest.TempPathFactory, chain: list[Layer]) -> None:
    chain = possible(chain)
    folder = tmp_path_factory.mktemp("chain")
    assert shown(folder, chain) == unpacked(folder, chain)


def test_what_layers_do_to_one_another(tmp_path: Path) -> None:
    chain = [
        [
            *(file(path, b"1") for path in (b"/etc/motd", b"/etc/x/y", b"/usr/lib/old", b"/a/b/c", b"/again/old")),
            symlink(b"/lib", b"usr/lib"),
            symlink(b"/run", b"/var/run"),
            directory(b"/", 0o755),
        ],
        [
            whiteout(b"/etc/motd"),
            opaque(b"/a"),
            file(b"/a/new", b"22"),
            file(b"/lib/new", b"22"),  # through the link of the layer below
            whiteout(b"/lib/old"),
            file(b"/run/pid", b"22"),  # through a link to nothing
            whiteout(b"/again"),
            file(b"/again/new", b"22"),
        ],
        [
            hardlink(b"/linked", b"/usr/lib/new"),
            file(b"/etc/x", b"333"),
            symlink(b"/new", b"lib"),
            file(b"/new/through", b"333"),  # through a link of its own
        ],
    ]
    assert shown(tmp_path, chain) == unpacked(tmp_path, chain)


def possible(chain: list[Layer]) -> list[Layer]:
    """Without what no program can unpack, and with whiteouts where programs that make layers put them: first."""
    model, result = Model(), []
    for layer in chain:
        kept: Layer = []
        for member in sorted(layer, key=lambda member: not member.role):
            trial = Model()
            for lower in [*result, kept]:
                trial.unpack(lower)
            if _is_possible(trial, member, model):
                kept.append(member)
        model.unpack(kept)
        result.append(kept)
    return result


def _is_possible(trial: Model, member: Entry, before: Model) -> bool:
    parts = member.raw_path.split(b"/")[1:-1]
    for depth in range(len(parts)):
        above = trial.find(b"/" + b"/".join(parts[: depth + 1]))
        if above is not None and above.kind != "directory":
            return False
    if member.role:
        return member.role == "metadata" or before.find(member.target) is not None
    target = trial.find(member.raw_link)
    return member.type != "hardlink" or (
        member.raw_link != member.raw_path
        and target is not None
        and target.kind in ("file", "hardlink")
        # umoci makes what it links to anew where that stands in the way
        and not member.raw_link.startswith(member.raw_path + b"/")
    )


def shown(folder: Path, chain: list[Layer]) -> Shown:
    index = Index(folder / "contents.db")
    layers = loaded(index, chain)
    found: Shown = {}
    with index.reading() as connection:
        overlay = Overlay(connection, layers)
        for node in overlay.walk():
            kind = "file" if node.kind == "hardlink" else node.kind
            told = (node.link or b"").decode() if kind == "symlink" else overlay.content(node).digest or ""
            found[node.path] = (kind, told)
    index.close()
    return found


def unpacked(folder: Path, chain: list[Layer]) -> Shown:
    image, root = folder / "image", folder / "root"
    layout(image, chain)
    command = [
        "umoci",
        "raw",
        "unpack",
        *(["--rootless"] if os.geteuid() else []),
        f"--image={image}:latest",
        str(root),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: Shown = {}
    top = os.fsencode(root)
    for above, folders, files in os.walk(top):
        for name in folders + files:
            path = above + b"/" + name
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                told = ("symlink", os.readlink(path).decode())
            elif stat.S_ISREG(mode):
                told = ("file", Digest.of(Path(os.fsdecode(path)).read_bytes()))
            else:
                told = ("directory" if stat.S_ISDIR(mode) else "fifo", "")
            found[path.removeprefix(top)] = told
    return found


def layout(image: Path, chain: list[Layer]) -> None:
    """The image as a folder of the OCI's form."""
    (image / "blobs/sha256").mkdir(parents=True)
    (image / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    layers = [_blob(image, "image.layer.v1.tar", archive(layer)) for layer in chain]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "config": _blob(image, "image.config.v1+json", json.dumps(config).encode()),
        "layers": layers,
    }
    top = _blob(image, "image.manifest.v1+json", json.dumps(manifest).encode())
    top["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    (image / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))


def _blob(image: Path, kind: str, content: bytes) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    (image / "blobs/sha256" / digest).write_bytes(content)
    return {"mediaType": f"application/vnd.oci.{kind}", "digest": f"sha256:{digest}", "size": len(content)}


def archive(layer: Layer) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar:
        for member in layer:
            header = tarfile.TarInfo(os.fsdecode(member.raw_path.lstrip(b"/") or b"./"))
            header.type = TYPES.get(member.type, tarfile.REGTYPE)
            header.mode = member.mode or 0o644
            header.linkname = os.fsdecode(member.raw_link.lstrip(b"/") if header.islnk() else member.raw_link)
            content = CONTENTS.get(member.digest, b"") if header.isreg() else b""
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return target.getvalue()
