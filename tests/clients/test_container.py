"""Orlop's own container, built from the Containerfile and run as its users run it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.container import CHECKOUT, python_base
from tests.clients.content import Content, layout_content
from tests.clients.images import TAG, Storage
from tests.clients.sandbox import ProgramFailed, Sandbox

pytestmark = [pytest.mark.needs("the container"), pytest.mark.full]

REMOTE = "docker://127.0.0.1:5000/demo/real:1"
# Podman's own limits are higher than root may set everywhere. The container gets its own empty network, so that its
# port 5000 is free; the clients enter that network.
RUN = ("run", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none")


@pytest.fixture(scope="module")
def engine(sandbox: Sandbox) -> Storage:
    """A podman that has Orlop's image as `orlop`."""
    folder = sandbox.folder / "container"
    folder.mkdir()
    storage = Storage(sandbox, folder)
    base = python_base(storage, folder)
    build = ("build", "--isolation=chroot", f"--build-arg=BASE={base}", f"--file={CHECKOUT}/Containerfile")
    storage.buildah(*build, "--pull-never", "--tag=orlop", CHECKOUT, timeout=600)
    return storage


@pytest.fixture
def started(engine: Storage) -> Iterator[str]:
    """The id of a running container with a volume."""
    container = _start(engine)
    yield container
    engine.podman("rm", "--force", "--volumes", "--all")


def test_it_refuses_to_let_everyone_push_unless_told(engine: Storage) -> None:
    with pytest.raises(ProgramFailed) as failure:
        engine.podman(*RUN, "--rm", "orlop")
    assert "--allow-anonymous-push" in str(failure.value).splitlines()[-1]


def test_images_outlive_the_container(
    engine: Storage, started: str, sandbox: Sandbox, layout: Path, image: Content, folder: Path
) -> None:
    push = ("skopeo", "copy", "--dest-tls-verify=false", "--preserve-digests", f"oci:{layout}:{TAG}", REMOTE)
    pull = ("skopeo", "copy", "--src-tls-verify=false", "--preserve-digests", REMOTE, f"oci:{folder}:{TAG}")
    sandbox.run(*_inside(engine, started), *push)
    engine.podman("stop", "--time=30", started)
    assert _facts(engine, started)["State"]["ExitCode"] == 0
    engine.podman("rm", started)
    sandbox.run(*_inside(engine, _start(engine)), *pull)
    assert layout_content(folder, TAG) == image


def test_it_is_not_root_and_listens_to_all(engine: Storage, started: str) -> None:
    assert engine.podman("exec", started, "id", "-u") == "5000"
    assert engine.podman("exec", started, "stat", "--format=%u:%g", "/var/lib/orlop/orlop.db") == "5000:5000"
    # Local address and port in hexadecimal: 0.0.0.0:5000.
    listening = [line.split()[1] for line in engine.podman("exec", started, "cat", "/proc/net/tcp").splitlines()[1:]]
    assert "00000000:1388" in listening


def _start(engine: Storage) -> str:
    container = engine.podman(
        *RUN, "--detach", "--volume=orlop:/var/lib/orlop", "orlop", "serve", "--allow-anonymous-push"
    )
    wait = ("curl", "--silent", "--fail", "--retry", "30", "--retry-connrefused", "--retry-delay", "1")
    try:
        engine.sandbox.run(*_inside(engine, container), *wait, "http://127.0.0.1:5000/readyz")
    except ProgramFailed as failure:
        raise ProgramFailed(f"{failure}\nthe container wrote:\n{engine.podman('logs', container)}") from None
    return container


def _inside(engine: Storage, container: str) -> tuple[str, ...]:
    """What enters the container's network, in front of a client's command."""
    return ("nsenter", f"--target={_facts(engine, container)['State']['Pid']}", "--net", "--")


def _facts(engine: Storage, container: str) -> dict[str, Any]:
    facts: dict[str, Any]
    (facts,) = json.loads(engine.podman("inspect", container))
    return facts
