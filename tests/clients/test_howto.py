"""The commands in docs/howto/clients.md do what they say, as they stand there."""

import re
import sys
from pathlib import Path

import pytest

from tests.clients.container import CHECKOUT
from tests.clients.daemons import open_containerd, open_docker
from tests.clients.images import TAG
from tests.clients.registry import Registry
from tests.clients.sandbox import Sandbox

pytestmark = [pytest.mark.needs("the how-to"), pytest.mark.full]

NAME = "docker.io/library/debian:12"
TEXT = (CHECKOUT / "docs" / "howto" / "clients.md").read_text()


@pytest.fixture(scope="module")
def store(sandbox: Sandbox, layout: Path) -> None:
    """The sandbox's own store of images has `debian:12`."""
    sandbox.run("skopeo", "copy", f"oci:{layout}:{TAG}", f"containers-storage:{NAME}")


@pytest.fixture
def demo(sandbox: Sandbox, layout: Path, registry: Registry) -> None:
    """The registry has `demo/debian:12`."""
    remote = f"docker://{registry.host_port}/demo/debian:12"
    sandbox.run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:{TAG}", remote)


def test_docker(sandbox: Sandbox, registry: Registry, layout: Path, folder: Path) -> None:
    sandbox.run("skopeo", "copy", f"oci:{layout}:{TAG}", f"docker-archive:{folder}/archive:{NAME}")
    with open_docker(sandbox, folder / "docker") as docker:
        docker.run("load", f"--input={folder}/archive")
        said = _follow("docker", sandbox, registry, folder, {"DOCKER_HOST": f"unix://{docker.socket}"})
    assert "Mounted from demo/debian" in said
    assert {"12", "all"} <= set(registry.tags("demo/debian"))


@pytest.mark.usefixtures("store")
def test_podman(sandbox: Sandbox, registry: Registry, folder: Path) -> None:
    said = _follow("podman", sandbox, registry, folder)
    assert f"{registry.host_port}/demo/debian" in said
    assert registry.manifest("demo/debian", "all").json["manifests"]


@pytest.mark.usefixtures("store", "demo")
def test_skopeo(sandbox: Sandbox, registry: Registry, folder: Path) -> None:
    _follow("skopeo", sandbox, registry, folder)
    assert registry.manifest("demo/debian", "same").body == registry.manifest("demo/debian", "12").body
    assert registry.ask("GET", "/v2/mirror/debian/manifests/12").status == 404


@pytest.mark.usefixtures("store")
def test_buildah(sandbox: Sandbox, registry: Registry, folder: Path) -> None:
    _follow("buildah", sandbox, registry, folder)
    assert registry.tags("demo/built") == ["1"]


@pytest.mark.usefixtures("demo")
def test_containerd(sandbox: Sandbox, registry: Registry, folder: Path) -> None:
    with open_containerd(sandbox, folder / "containerd") as containerd:
        variables = {
            "CONTAINERD_ADDRESS": str(containerd.socket),
            "CONTAINERD_SNAPSHOTTER": containerd.snapshotter,
        }
        _follow("containerd", sandbox, registry, folder, variables)
    assert "again" in registry.tags("demo/debian")


def test_oras(sandbox: Sandbox, registry: Registry, folder: Path) -> None:
    (folder / "notes.txt").write_text("notes")
    (folder / "report.txt").write_text("no faults")
    (program,) = _blocks("ORAS", "python", registry)
    (folder / "program.py").write_text(program)
    said = sandbox.run("sh", "-ec", f"cd {folder} && exec {sys.executable} program.py")
    assert registry.manifest("demo/notes", "report").headers["docker-content-digest"] in said
    assert (folder / "pulled" / "notes.txt").read_text() == "notes"


@pytest.mark.usefixtures("demo")
def test_curl(sandbox: Sandbox, registry: Registry, folder: Path) -> None:
    _follow("curl", sandbox, registry, folder)
    assert (folder / "layer").stat().st_size in [
        part["size"] for part in registry.manifest("demo/debian", "12").json["layers"]
    ]


def test_every_section_with_commands_is_run() -> None:
    tested = {name.removeprefix("test_") for name in globals()}
    sections = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    with_commands = {name.lower() for name in sections if _blocks(name, "sh") or _blocks(name, "python")}
    assert with_commands
    assert with_commands <= tested


def _follow(
    section: str, sandbox: Sandbox, registry: Registry, folder: Path, variables: dict[str, str] | None = None
) -> str:
    """Run the section's commands in order, in that folder; gives what they printed."""
    script = "\n".join([f"cd {folder}", *_blocks(section, "sh", registry)])
    return sandbox.run("sh", "-exc", script, env=variables, timeout=240)


def _blocks(section: str, language: str, registry: Registry | None = None) -> list[str]:
    text = TEXT.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block.replace("127.0.0.1:5000", registry.host_port) if registry else block for block in blocks]
