"""Docker's daemon and containerd, each with all that it has in a folder of its own; at the end they are gone."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.clients.sandbox import ProgramFailed, Sandbox

START_TIMEOUT = 60.0
STOP_TIMEOUT = 30.0

DOCKERD_SETTINGS = {
    "iptables": False,
    "ip6tables": False,
    "bridge": "none",
    "ip-forward": False,
    "ip-masq": False,
}
CONTAINERD_SETTINGS = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/socket"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
"""


@dataclass(frozen=True)
class Docker:
    """The docker command, speaking to a daemon of its own."""

    sandbox: Sandbox
    socket: Path
    log: Path

    def run(self, *command: str | Path, timeout: float = 120.0) -> str:
        try:
            return self.sandbox.run(
                "docker", *command, timeout=timeout, env={"DOCKER_HOST": f"unix://{self.socket}"}
            ).strip()
        except ProgramFailed as failure:
            raise ProgramFailed(f"{failure}\nthe daemon's log ends with:\n{_end_of(self.log)}") from None


@dataclass(frozen=True)
class Containerd:
    """The ctr command, speaking to a containerd of its own."""

    sandbox: Sandbox
    socket: Path
    log: Path

    @property
    def snapshotter(self) -> str:
        return "overlayfs" if self.sandbox.overlay else "native"

    def run(self, *command: str | Path, timeout: float = 120.0) -> str:
        try:
            return self.sandbox.run("ctr", f"--address={self.socket}", *command, timeout=timeout).strip()
        except ProgramFailed as failure:
            raise ProgramFailed(f"{failure}\nthe daemon's log ends with:\n{_end_of(self.log)}") from None


@contextlib.contextmanager
def open_docker(sandbox: Sandbox, folder: Path) -> Iterator[Docker]:
    """A running docker daemon with no images, no network and no settings of the machine's."""
    folder.mkdir()
    settings = folder / "daemon.json"
    settings.write_text(json.dumps(DOCKERD_SETTINGS | {"storage-driver": "overlay2" if sandbox.overlay else "vfs"}))
    docker = Docker(sandbox, folder / "socket", folder / "log")
    command = (
        "dockerd", f"--config-file={settings}", f"--data-root={folder}/data", f"--exec-root={folder}/exec",
        f"--pidfile={folder}/pid", f"--host=unix://{docker.socket}",
    )  # fmt: skip
    with _running(sandbox.start(*command, log=docker.log), lambda: docker.run("version"), docker.log):
        yield docker


@contextlib.contextmanager
def open_containerd(sandbox: Sandbox, folder: Path) -> Iterator[Containerd]:
    """A running containerd with no images."""
    folder.mkdir()
    settings = folder / "config.toml"
    settings.write_text(CONTAINERD_SETTINGS.format(folder=folder))
    containerd = Containerd(sandbox, folder / "socket", folder / "log")
    process = sandbox.start("containerd", f"--config={settings}", log=containerd.log)
    with _running(process, lambda: containerd.run("version"), containerd.log):
        yield containerd


@contextlib.contextmanager
def _running(process: subprocess.Popen[bytes], answers: Callable[[], str], log: Path) -> Iterator[None]:
    """Wait until it answers; at the end stop it, by force if need be."""
    try:
        _wait_until(answers, process, log)
        yield
    finally:
        _stop(process)


def _wait_until(answers: Callable[[], str], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            answers()
            return
        except ProgramFailed:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ProgramFailed(f"{process.args!r} did not start; its log ends with:\n{_end_of(log)}") from None
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    # The group: the program itself is a child of the one that entered the sandbox, which passes no signal on.
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
            return


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-30:])
