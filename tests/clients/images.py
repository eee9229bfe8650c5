"""A real image: a Debian base, a layer with a program, and a layer that adds a library and removes a file."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.clients.cache import made_once
from tests.clients.sandbox import Sandbox, run_limited

SUITE = "bookworm"
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
LAYERS = ("git", "libsqlite3-0")
REMOVED = "usr/bin/git-shell"
"""A file of the first layer that the second removes: so the image has a whiteout."""

MAKING_TIMEOUT = 600.0
TAG = "real"


@dataclass(frozen=True)
class Storage:
    """Buildah's and podman's store of images, in a folder of the sandbox's."""

    sandbox: Sandbox
    folder: Path

    @property
    def driver(self) -> str:
        return "overlay" if self.sandbox.overlay else "vfs"

    @property
    def run_folder(self) -> str:
        """Short, because podman refuses one of more than 50 characters."""
        return f"/run/{self.folder.name}"

    @property
    def options(self) -> list[str]:
        return [f"--storage-driver={self.driver}", f"--root={self.folder}/root", f"--runroot={self.run_folder}"]

    def take(self, layout: Path, name: str) -> None:
        """Put the real image into the store, under that name."""
        store = f"{self.driver}@{self.folder}/root+{self.run_folder}"
        self.sandbox.run("skopeo", "copy", f"oci:{layout}:{TAG}", f"containers-storage:[{store}]{name}")

    def buildah(self, *command: str | Path, timeout: float = 120.0) -> str:
        return self.sandbox.run("buildah", *self.options, *command, timeout=timeout).strip()

    def podman(self, *command: str | Path, timeout: float = 120.0) -> str:
        local = ("--events-backend=file", "--cgroup-manager=cgroupfs")
        return self.sandbox.run("podman", *self.options, *local, *command, timeout=timeout).strip()


def debian_base(name: str = "base", include: tuple[str, ...] = ()) -> Path:
    """A tar of a Debian that has only its essential packages and `include`: 100 MB, made in 20 to 70 s."""
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=essential",
        *(f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT),
    ]
    return _debian(name, [*command, *(f"--include={package}" for package in include)])


def arm64_base() -> Path:
    """A tar of a small root for another architecture, of which no program is run: 2 MB."""
    return _debian(
        "arm64", ["mmdebstrap", "--mode=root", "--variant=extract", "--architectures=arm64", "--include=busybox-static"]
    )


def _debian(name: str, command: list[str]) -> Path:
    def make(folder: Path) -> None:
        _run([*command, SUITE, str(folder / "root.tar")])

    return made_once(name, {"command": command, "suite": SUITE}, make) / "root.tar"


def real_image(sandbox: Sandbox) -> Path:
    """The image as an OCI layout, tagged `real`: three gzip layers of 34, 9 and 1 MB."""
    recipe = {"base": str(debian_base()), "layers": LAYERS, "removed": REMOVED}
    return made_once("image", recipe, partial(_make_real_image, sandbox))


def _make_real_image(sandbox: Sandbox, folder: Path) -> None:
    storage = Storage(sandbox, sandbox.folder / "making")
    image = commit_root(storage, debian_base(), "base")
    for package in LAYERS:
        container = storage.buildah("from", image)
        root = sandbox.outside(storage.buildah("mount", container))
        if package == LAYERS[-1]:
            (root / REMOVED).unlink()
        _unpack(package, root, sandbox.folder / "temporary")
        image = storage.buildah("commit", "--format=oci", "--rm", container, package)
    storage.buildah("push", image, f"oci:{folder}:{TAG}")
    storage.buildah("rmi", "--all")


def commit_root(storage: Storage, tar: Path, name: str, *options: str) -> str:
    """Make an image of one layer from a tar of a root; gives its id."""
    container = storage.buildah("from", "scratch")
    storage.buildah("add", container, tar, "/")
    storage.buildah("config", "--cmd=/bin/bash", *options, container)
    return storage.buildah("commit", "--format=oci", "--rm", container, name)


def _unpack(package: str, root: Path, folder: Path) -> None:
    _run(["sh", "-c", f"cd {folder} && apt-get download {package} && dpkg -x {package}_*.deb {root}"])


def _run(command: list[str]) -> None:
    ended = run_limited(command, MAKING_TIMEOUT, os.environ)
    assert ended.returncode == 0, f"{' '.join(command)}\nended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"


def docker_form(sandbox: Sandbox, layout: Path, folder: Path) -> None:
    """The same layers under Docker's media types, in the form that skopeo calls `dir:`."""
    sandbox.run("skopeo", "copy", "-f", "v2s2", f"oci:{layout}:{TAG}", f"dir:{folder}")


def zstd_form(sandbox: Sandbox, layout: Path, folder: Path) -> None:
    """The same files in layers compressed with zstd, as an OCI layout."""
    compress = ("--dest-compress", "--dest-compress-format=zstd")
    sandbox.run("skopeo", "copy", *compress, f"oci:{layout}:{TAG}", f"oci:{folder}:{TAG}")


def index_form(storage: Storage, layout: Path, folder: Path) -> None:
    """An index of the image and of one for arm64, as an OCI layout."""
    list_images(storage, layout)
    storage.buildah("manifest", "push", "--all", "--format=oci", "real-index", f"oci:{folder}:{TAG}")


def list_images(storage: Storage, layout: Path) -> None:
    """Make the list `real-index` of two architectures in the storage."""
    storage.take(layout, "localhost/amd64:1")
    arm64 = commit_root(storage, arm64_base(), "arm64", "--arch=arm64", "--variant=v8")
    storage.buildah("manifest", "create", "real-index")
    storage.buildah("manifest", "add", "real-index", "localhost/amd64:1")
    storage.buildah("manifest", "add", "--arch=arm64", "--variant=v8", "real-index", arm64)
