"""Orlop's own container, built from the Containerfile and run as its users run it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.container import CHECKOUT, python_base
from tests.clients.content import Content, layout_content
from tests.clients.images import TAG, Storage
from tests.clients.sandbox import ProgramFailed, Sandbox

pytestmark = [pytest.mark.needs("the container"), pytest.mark.full]

PASSWORD = re.compile(r"made the account admin with the password (\S+), which is not shown again")
REMOTE = "docker://127.0.0.1:5000/demo/real:1"
# Podman's own limits are higher than root may set everywhere. The container gets its own empty network, so that its
# port 5000 is free; the clients enter that network.
RUN = ("run", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", "--network=none")
VOLUME = "--volume=orlop:/var/lib/orlop"
ASK = ("curl", "--silent", "--fail", "--retry", "30", "--retry-connrefused", "--retry-delay", "1")


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
    """The id of a running container with a new volume."""
    container = _start(engine, VOLUME)
    yield container
    engine.podman("rm", "--force", "--volumes", "--all")
    engine.podman("volume", "rm", "orlop")


def test_it_refuses_to_let_everyone_push_unless_told(engine: Storage) -> None:
    with pytest.raises(ProgramFailed) as failure:
        engine.podman(*RUN, "--rm", "--env=ORLOP_ACCESS_MODE=open", "orlop")
    assert "--allow-anonymous-push" in str(failure.value).splitlines()[-1]


def test_it_is_open_to_all_where_it_is_told_to(engine: Storage, sandbox: Sandbox) -> None:
    container = _start(engine, "--rm", "--env=ORLOP_ACCESS_MODE=open", serve=("serve", "--allow-anonymous-push"))
    sandbox.run(*_inside(engine, container), *ASK, "http://127.0.0.1:5000/v2/")
    assert PASSWORD.search(_log(engine, container)) is None
    engine.podman("rm", "--force", container)


def test_nobody_gets_in_without_the_password(engine: Storage, started: str, sandbox: Sandbox, layout: Path) -> None:
    push = ("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:{TAG}", REMOTE)
    for credentials in ((), ("--dest-creds=admin:admin",)):
        refused = sandbox.attempt(*_inside(engine, started), *push, *credentials)
        assert refused.returncode != 0
        assert re.search("is denied|authentication required|is wrong", refused.stderr)


def test_images_and_accounts_outlive_the_container(
    engine: Storage, started: str, sandbox: Sandbox, layout: Path, image: Content, folder: Path
) -> None:
    password = PASSWORD.search(_log(engine, started))
    assert password is not None
    credentials = f"admin:{password[1]}"
    push = ("--dest-tls-verify=false", f"--dest-creds={credentials}", f"oci:{layout}:{TAG}", REMOTE)
    pull = ("--src-tls-verify=false", f"--src-creds={credentials}", REMOTE, f"oci:{folder}:{TAG}")
    sandbox.run(*_inside(engine, started), "skopeo", "copy", "--preserve-digests", *push)
    engine.podman("stop", "--time=30", started)
    assert _facts(engine, started)["State"]["ExitCode"] == 0
    engine.podman("rm", started)
    again = _start(engine, VOLUME)
    assert PASSWORD.search(_log(engine, again)) is None
    sandbox.run(*_inside(engine, again), "skopeo", "copy", "--preserve-digests", *pull)
    assert layout_content(folder, TAG) == image


def test_accounts_are_made_in_the_running_container(engine: Storage, started: str, sandbox: Sandbox) -> None:
    engine.podman("exec", started, "orlop", "user", "create", "ci", "--robot")
    token = engine.podman("exec", started, "orlop", "token", "create", "ci")
    asked = (*ASK, "--user", f"ci:{token}", "http://127.0.0.1:5000/api/v1/me")
    assert json.loads(sandbox.run(*_inside(engine, started), *asked))["account"] == "ci"


def test_it_is_not_root_and_listens_to_all(engine: Storage, started: str) -> None:
    assert engine.podman("exec", started, "id", "-u") == "5000"
    assert engine.podman("exec", started, "stat", "--format=%u:%g", "/var/lib/orlop/orlop.db") == "5000:5000"
    # Local address and port in hexadecimal: 0.0.0.0:5000.
    listening = [line.split()[1] for line in engine.podman("exec", started, "cat", "/proc/net/tcp").splitlines()[1:]]
    assert "00000000:1388" in listening


def _start(engine: Storage, *options: str, serve: tuple[str, ...] = ()) -> str:
    container = engine.podman(*RUN, "--detach", *options, "orlop", *serve)
    try:
        engine.sandbox.run(*_inside(engine, container), *ASK, "http://127.0.0.1:5000/readyz")
    except ProgramFailed as failure:
        raise ProgramFailed(f"{failure}\nthe container wrote:\n{_log(engine, container)}") from None
    return container


def _log(engine: Storage, container: str) -> str:
    """What the container has written, wherever to."""
    ended = engine.sandbox.attempt("podman", *engine.options, "--events-backend=file", "logs", container)
    return ended.stdout + ended.stderr


def _inside(engine: Storage, container: str) -> tuple[str, ...]:
    """What enters the container's network, in front of a client's command."""
    return ("nsenter", f"--target={_facts(engine, container)['State']['Pid']}", "--net", "--")


def _facts(engine: Storage, container: str) -> dict[str, Any]:
    facts: dict[str, Any]
    (facts,) = json.loads(engine.podman("inspect", container))
    return facts
