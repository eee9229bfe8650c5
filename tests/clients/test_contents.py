"""What the registry says of a real Debian image is what tar, umoci, dpkg and pip say of it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import marisa_trie
import pytest

from orlop.contents import toc
from orlop.contents.entry import Entry
from orlop.domain.digest import Digest
from orlop.storage.local import LocalStorage
from tests.clients.content import layout_content
from tests.clients.images import REMOVED, TAG, zstd_form
from tests.clients.registry import Registry
from tests.clients.sandbox import Sandbox
from tests.clients.unpacked import Member, by_tar, by_tarfile, line, of_listing, on_disk, opened
from tests.servers import OrlopServer, command

pytestmark = pytest.mark.needs("umoci")

SOON = 10.0
"""Seconds after a push in which an image can be looked into."""
NAME = "debian/real"
PUSH = ("skopeo", "copy", "--dest-tls-verify=false", "--preserve-digests")


class Pushed(NamedTuple):
    """The real image, pushed to a server that looks into images, and unpacked by umoci."""

    server: OrlopServer
    registry: Registry
    layout: Path
    rootfs: Path
    seconds: float
    """From the end of the push until it could be searched."""

    @property
    def store(self) -> Path:
        return self.server.data / "store"

    def orlop(self, *words: str) -> bytes:
        """What a command that asks the server prints."""
        address = {"ORLOP_SERVER": self.server.url}
        ended = subprocess.run(
            command(*words), env=self.server.environment() | address, capture_output=True, timeout=60, check=False
        )
        assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout

    def reference(self, name: str = NAME) -> str:
        return f"{self.server.host_port}/{name}:1"


@pytest.fixture(scope="module")
def pushed(sandbox: Sandbox, layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    with OrlopServer(data=tmp_path_factory.mktemp("contents-server"), CONTENTS_ENABLED="true") as server:
        registry = Registry(server.host_port)
        seconds = push(sandbox, registry, layout, NAME)
        bundle = sandbox.folder / "contents-bundle"
        sandbox.run("umoci", "unpack", f"--image={layout}:{TAG}", bundle)
        yield Pushed(server, registry, layout, bundle / "rootfs", seconds)
        sandbox.run("rm", "-rf", bundle)


def push(sandbox: Sandbox, registry: Registry, layout: Path, name: str) -> float:
    """Pushes the image of a layout, and waits until it can be looked into; how many seconds that took."""
    sandbox.run(*PUSH, f"oci:{layout}:{TAG}", f"docker://{registry.host_port}/{name}:1")
    begun = time.monotonic()
    while (answer := registry.ask("GET", f"/api/v1/repositories/{name}/-/files/1/")).status != 200:
        assert answer.status == 409, answer
        assert time.monotonic() - begun < 6 * SOON, answer
        time.sleep(0.05)
    return time.monotonic() - begun


def listing(registry: Registry, name: str = NAME) -> list[Member]:
    """All that the registry lists of the image, page by page."""
    address: str | None = f"/api/v1/repositories/{name}/-/files/1/?recursive=true&n=1000"
    found = []
    while address is not None:
        answer = registry.ask("GET", address)
        assert answer.status == 200, answer
        found += [of_listing(item) for item in answer.json["items"]]
        address = answer.json["next"]
    return found


def tables(pushed: Pushed, layout: Path) -> Iterator[tuple[Path, list[Entry], toc.Footer]]:
    """The plain archive of each layer, and the table of contents that the registry made of it."""
    with LocalStorage(pushed.store) as storage:
        for layer in layout_content(layout, TAG).layers:
            archive = opened(
                (layout / "blobs/sha256" / layer["digest"].partition(":")[2]).read_bytes(), pushed.rootfs.parent
            )
            path = storage.layer_toc_path(Digest(layer["digest"]))
            footer = toc.verify(storage, path)
            yield archive, list(toc.entries(storage, path, footer)), footer


def member_of(entry: Entry) -> Member:
    return Member(
        path=entry.path,
        kind=entry.type,
        size=entry.size,
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
        mtime=entry.mtime,
        link=entry.link,
        digest=entry.digest.removeprefix("sha256:"),
    )


def folder_of(pushed: Pushed, name: str = NAME) -> Path:
    """Where the image's documents lie in the tree, by the id that v1 shows."""
    tags = pushed.registry.ask("GET", f"/v1/repositories/{name}/tags").json
    return pushed.store / "images" / name / tags["1"]


def test_it_can_be_looked_into_soon_after_its_push(pushed: Pushed) -> None:
    print(f"{pushed.seconds:.2f} s")
    assert pushed.seconds < SOON


def test_each_table_of_contents_is_what_tarfile_and_tar_say(pushed: Pushed) -> None:
    for archive, entries, footer in tables(pushed, pushed.layout):
        told = [member_of(entry) for entry in entries]
        assert told == list(by_tarfile(archive))
        assert [line(member) for member in told] == by_tar(archive)
        assert footer.unpacked == archive.stat().st_size


def test_the_merged_tree_is_what_umoci_unpacks(pushed: Pushed) -> None:
    there = {member.path: member for member in on_disk(pushed.rootfs)}
    told = {member.path: member for member in listing(pushed.registry)}
    assert told.keys() == there.keys()
    assert f"/{REMOVED}" not in told
    for path, member in told.items():
        unpacked = there[path]
        if member.kind == "hardlink":  # on disk it is a file like the other
            member = member._replace(kind="file", link="")
        if member.kind == "directory":  # its time is that of what was last put into it
            member = member._replace(mtime=unpacked.mtime)
        assert member == unpacked


def test_the_trie_has_every_file_that_umoci_unpacks(pushed: Pushed) -> None:
    trie = marisa_trie.Trie()
    trie.mmap(str(folder_of(pushed) / "files.trie"))
    assert set(trie) == {member.path for member in on_disk(pushed.rootfs) if member.kind != "directory"}
    changes = json.loads((folder_of(pushed) / "diffs.json").read_text())
    assert changes["removed"] == [f"/{REMOVED}"]
    assert any(path.startswith("/usr/lib/") and "libsqlite3.so" in path for path in changes["added"])
    assert all(paths == sorted(paths) for paths in changes.values())


@pytest.mark.parametrize(
    ("path", "unpacked"),
    [("/etc/os-release", "usr/lib/os-release"), ("/usr/bin/git", "usr/bin/git"), ("/bin/sh", "usr/bin/dash")],
)
def test_a_file_is_fetched_as_it_is(pushed: Pushed, path: str, unpacked: str) -> None:
    """Through the links of the image."""
    content = (pushed.rootfs / unpacked).read_bytes()
    answer = pushed.registry.ask("GET", f"/api/v1/repositories/{NAME}/-/files/1{path}")
    assert (answer.status, answer.body) == (200, content)
    assert pushed.orlop("cat", pushed.reference(), path) == content


def test_a_directory_is_listed(pushed: Pushed) -> None:
    names = pushed.orlop("files", pushed.reference(), "/etc").decode()
    assert "os-release" in names
    assert "debian_version" in names


def test_packages_are_those_of_dpkg(pushed: Pushed) -> None:
    shown = "${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\\n"
    asked = ["dpkg-query", f"--admindir={pushed.rootfs}/var/lib/dpkg", "-W", "-f", shown]
    installed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(installed) > 50
    assert sorted(packages(pushed, NAME, "dpkg")) == sorted(installed)


def packages(pushed: Pushed, name: str, ecosystem: str) -> list[str]:
    found = json.loads(pushed.orlop("packages", pushed.reference(name), "--json"))
    items: list[dict[str, Any]] = found["items"] if isinstance(found, dict) else found
    parts = (
        ("name", "version", "architecture", "source", "source_version") if ecosystem == "dpkg" else ("name", "version")
    )
    return [" ".join(str(item[part]) for part in parts) for item in items if item["ecosystem"] == ecosystem]


@pytest.mark.full
def test_packages_of_python_are_those_of_pip(sandbox: Sandbox, pushed: Pushed, folder: Path) -> None:
    """A layer with what is installed here."""
    site = folder / "site"
    site.mkdir()
    here = Path(pytest.__file__).parents[1]
    for installed in here.glob("*.dist-info"):
        sandbox.run("cp", "-r", installed, site)
    made = folder / "made"
    sandbox.run("cp", "-r", pushed.layout, made)
    sandbox.run("umoci", "insert", f"--image={made}:{TAG}", site, "/usr/lib/python3/dist-packages")
    push(sandbox, pushed.registry, made, "debian/python")
    asked = [sys.executable, "-m", "pip", "list", "--format=json", "--path", str(site)]
    listed = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    assert len(listed) > 20
    told = packages(pushed, "debian/python", "python")
    assert sorted(told) == sorted(f"{each['name']} {each['version']}" for each in listed)


def test_what_is_in_it_is_found(pushed: Pushed) -> None:
    found = pushed.orlop("find", "libsqlite3.so").decode()
    assert NAME in found
    assert "libsqlite3.so.0" in found
    assert REMOVED not in pushed.orlop("find", "git-shell").decode()


@pytest.mark.full
@pytest.mark.parametrize("form", ["zstd", "plain"])
def test_the_same_files_packed_otherwise_are_the_same_image(
    sandbox: Sandbox, pushed: Pushed, form: str, folder: Path
) -> None:
    """One listing and one chain, whatever the layers are compressed by."""
    made = folder / "made"
    if form == "zstd":
        zstd_form(sandbox, pushed.layout, made)
    else:
        sandbox.run("skopeo", "copy", "--dest-decompress", f"oci:{pushed.layout}:{TAG}", f"dir:{folder}/plain")
        sandbox.run("skopeo", "copy", "--preserve-digests", f"dir:{folder}/plain", f"oci:{made}:{TAG}")
    types = {layer["mediaType"].rpartition(".")[2] for layer in layout_content(made, TAG).layers}
    assert types == {"tar+zstd" if form == "zstd" else "tar"}
    name = f"debian/{form}"
    push(sandbox, pushed.registry, made, name)
    assert listing(pushed.registry, name) == listing(pushed.registry)
    for archive, entries, _ in tables(pushed, made):
        assert [member_of(entry) for entry in entries] == list(by_tarfile(archive))
    (other,) = (pushed.store / "images" / name).iterdir()
    assert (other / "files.trie").samefile(folder_of(pushed) / "files.trie")
    answer = pushed.registry.ask("GET", f"/api/v1/repositories/{name}/-/files/1/usr/bin/git")
    assert (answer.status, answer.body) == (200, (pushed.rootfs / "usr/bin/git").read_bytes())
