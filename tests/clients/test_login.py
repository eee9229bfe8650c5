"""Clients sign in over HTTPS, push and pull what they may, and are refused the rest: by tokens and by Basic."""

import base64
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from oras.client import OrasClient  # type: ignore[import-untyped]

from tests.bench.certificate import Certificate
from tests.clients.content import Content, layout_content
from tests.clients.daemons import open_containerd, open_docker
from tests.clients.images import TAG, Storage
from tests.clients.sandbox import ProgramFailed, Sandbox
from tests.servers import OrlopServer

pytestmark = pytest.mark.needs("HTTPS")

ALICE, BOB, PASSWORD = "alice", "bob", "correct horse"
RULES = ("signed-in may all on {account}/**", "anyone may pull on public/**", "account:ci may push on builds/**")


@dataclass(frozen=True)
class House:
    """A registry with accounts, and what its clients need to know."""

    server: OrlopServer
    certificate: Path
    """A folder with the certificate as `ca.crt`."""
    challenge: str
    token: str
    """The robot's, good for builds/app alone."""

    @property
    def host(self) -> str:
        return self.server.host_port

    def orlop(self, *words: str, stdin: str = "") -> str:
        return orlop(self.server.data, *words, stdin=stdin)


def orlop(data: Path, *words: str, stdin: str = "") -> str:
    command = [sys.executable, "-m", "orlop", *words, "--data", str(data)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module", params=["token", "basic"])
def house(
    request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    folder = sandbox.folder / f"login-{request.param}"
    folder.mkdir()
    made = Certificate.make(folder)
    made.cert.rename(folder / "ca.crt")
    data = tmp_path_factory.mktemp("clients-login")
    for name in (ALICE, BOB):
        orlop(data, "user", "create", name, "--password-file", "-", stdin=f"{PASSWORD}\n")
    orlop(data, "user", "create", "root", "--admin", "--password-file", "-", stdin=f"{PASSWORD}\n")
    orlop(data, "user", "create", "ci", "--robot")
    token = orlop(data, "token", "create", "ci", "--scope", "builds/app:pull,push")
    settings = {
        "ACCESS_MODE": "accounts",
        "ACCESS_RULES": ";".join(RULES),
        "ACCESS_CHALLENGE": request.param,
        "TLS_CERT": str(folder / "ca.crt"),
        "TLS_KEY": str(made.key),
    }
    with OrlopServer(data, **settings) as server:
        yield House(server, folder, request.param, token)


@pytest.fixture
def server(house: House) -> OrlopServer:
    return house.server


@dataclass(frozen=True)
class Skopeo:
    """skopeo with logins of its own."""

    house: House
    sandbox: Sandbox
    authfile: Path

    def login(self, name: str, secret: str) -> None:
        self.sandbox.run("skopeo", "login", *self._options("--"), f"-u={name}", f"-p={secret}", self.house.host)

    def push(self, layout: Path, name: str) -> None:
        target = f"docker://{self.house.host}/{name}"
        options = self._options("--dest-")
        self.sandbox.run("skopeo", "copy", "--preserve-digests", *options, f"oci:{layout}:{TAG}", target)

    def pull(self, name: str, folder: Path) -> None:
        source = f"docker://{self.house.host}/{name}"
        self.sandbox.run("skopeo", "copy", *self._options("--src-"), source, f"oci:{folder}:{TAG}")

    def _options(self, prefix: str) -> tuple[str, str]:
        return f"{prefix}cert-dir={self.house.certificate}", f"--authfile={self.authfile}"


@pytest.fixture
def skopeo(house: House, sandbox: Sandbox, folder: Path) -> Skopeo:
    (folder / "auth.json").write_text("{}")
    return Skopeo(house, sandbox, folder / "auth.json")


@pytest.fixture
def public(house: House, skopeo: Skopeo, layout: Path, tmp_path: Path) -> str:
    """An image that anyone may pull."""
    name = f"public/{uuid.uuid4().hex[:8]}:1"
    (tmp_path / "auth.json").write_text("{}")
    admin = Skopeo(house, skopeo.sandbox, tmp_path / "auth.json")
    admin.login("root", PASSWORD)
    admin.push(layout, name)
    return name


def refused(error: pytest.ExceptionInfo[ProgramFailed]) -> bool:
    """Whether that is what the client says, and not that something is broken."""
    told = str(error.value).lower()
    words = (
        "denied", "unauthorized", "authentication required", "username/password", "may not", "not good", "credentials",
        "forbidden", "authorization failed",
    )  # fmt: skip
    return any(word in told for word in words)


def test_skopeo(skopeo: Skopeo, layout: Path, image: Content, folder: Path) -> None:
    with pytest.raises(ProgramFailed) as wrong:
        skopeo.login(ALICE, "wrong password")
    assert refused(wrong)
    with pytest.raises(ProgramFailed) as unknown:
        skopeo.push(layout, "alice/app:1")
    assert refused(unknown)
    skopeo.login(ALICE, PASSWORD)
    skopeo.push(layout, "alice/app:1")
    skopeo.pull("alice/app:1", folder / "pulled")
    assert layout_content(folder / "pulled", TAG) == image
    for name in ("bob/app:1", "public/app:1", "elsewhere:1"):
        with pytest.raises(ProgramFailed) as another:
            skopeo.push(layout, name)
        assert refused(another)
    skopeo.login(BOB, PASSWORD)
    for name in ("alice/app:1", "alice/absent:1"):
        with pytest.raises(ProgramFailed) as private:
            skopeo.pull(name, folder / "private")
        assert refused(private)


def test_a_robot_with_a_token_of_limited_scope(house: House, skopeo: Skopeo, layout: Path, folder: Path) -> None:
    skopeo.login("ci", house.token)
    skopeo.push(layout, "builds/app:1")
    skopeo.pull("builds/app:1", folder / "pulled")
    with pytest.raises(ProgramFailed) as outside:
        skopeo.push(layout, "builds/other:1")
    assert refused(outside)


def test_anyone_pulls_what_is_public(
    house: House, skopeo: Skopeo, storage: Storage, public: str, layout: Path, folder: Path, image: Content
) -> None:
    if house.challenge == "basic":
        # Asked for name and password, a client without them gives up: nobody told it that it may go on.
        with pytest.raises(ProgramFailed):
            skopeo.pull(public, folder / "pulled")
        return
    skopeo.pull(public, folder / "pulled")
    assert layout_content(folder / "pulled", TAG) == image
    with pytest.raises(ProgramFailed) as push:
        skopeo.push(layout, public)
    assert refused(push)
    remote = f"{house.host}/{public}"
    storage.podman("pull", f"--cert-dir={house.certificate}", f"--authfile={skopeo.authfile}", remote)
    assert storage.podman("image", "inspect", "--format={{.Digest}}", remote) == image.digest


def test_podman(house: House, storage: Storage, layout: Path, folder: Path) -> None:
    options = (f"--cert-dir={house.certificate}", f"--authfile={folder / 'auth.json'}")
    remote = f"{house.host}/alice/podman:1"
    storage.take(layout, remote)
    with pytest.raises(ProgramFailed) as wrong:
        storage.podman("login", *options, f"-u={ALICE}", "-p=wrong password", house.host)
    assert refused(wrong)
    storage.podman("login", *options, f"-u={ALICE}", f"-p={PASSWORD}", house.host)
    storage.podman("push", *options, remote)
    storage.podman("pull", *options, remote)
    storage.podman("tag", remote, f"{house.host}/bob/podman:1")
    with pytest.raises(ProgramFailed) as another:
        storage.podman("push", *options, f"{house.host}/bob/podman:1")
    assert refused(another)
    storage.podman("logout", options[1], house.host)
    with pytest.raises(ProgramFailed) as gone:
        storage.podman("pull", *options, remote)
    assert refused(gone)


@pytest.mark.full
def test_docker(house: House, sandbox: Sandbox, skopeo: Skopeo, public: str, layout: Path, folder: Path) -> None:
    skopeo.login(ALICE, PASSWORD)
    skopeo.push(layout, "alice/docker:1")
    remote, settings = f"{house.host}/alice/docker:1", folder / "settings"
    with open_docker(sandbox, folder / "docker") as docker:
        signed = (f"--config={settings}",)
        if house.challenge == "token":
            docker.run(*signed, "pull", f"{house.host}/{public}")
        for command in (("pull", remote), ("login", f"-u={ALICE}", "-p=wrong password", house.host)):
            with pytest.raises(ProgramFailed) as unknown:
                docker.run(*signed, *command)
            assert refused(unknown)
        docker.run(*signed, "login", f"-u={ALICE}", f"-p={PASSWORD}", house.host)
        kept = json.loads((settings / "config.json").read_text())["auths"][house.host]
        # The password itself need not be kept where there is a token service.
        assert ("identitytoken" in kept) == (house.challenge == "token")
        docker.run(*signed, "pull", remote)
        docker.run("tag", remote, f"{house.host}/alice/docker:2")
        docker.run(*signed, "push", f"{house.host}/alice/docker:2")
        docker.run("tag", remote, f"{house.host}/bob/docker:1")
        with pytest.raises(ProgramFailed) as another:
            docker.run(*signed, "push", f"{house.host}/bob/docker:1")
        assert refused(another)
        docker.run(*signed, "logout", house.host)
        with pytest.raises(ProgramFailed) as gone:
            docker.run(*signed, "push", f"{house.host}/alice/docker:2")
        assert refused(gone)


@pytest.mark.full
def test_containerd(house: House, sandbox: Sandbox, skopeo: Skopeo, public: str, layout: Path, folder: Path) -> None:
    skopeo.login(ALICE, PASSWORD)
    skopeo.push(layout, "alice/containerd:1")
    remote = f"{house.host}/alice/containerd:1"
    hosts = folder / "hosts" / house.host
    hosts.mkdir(parents=True)
    lines = f'[host."https://{house.host}"]\nca = "{house.certificate}/ca.crt"\n'
    (hosts / "hosts.toml").write_text(lines)
    trusted, user = ("--hosts-dir", hosts.parent), ("--user", f"{ALICE}:{PASSWORD}")
    with open_containerd(sandbox, folder / "containerd") as containerd:
        containerd.run("content", "fetch", *trusted, f"{house.host}/{public}")
        with pytest.raises(ProgramFailed) as unknown:
            containerd.run("content", "fetch", *trusted, remote)
        assert refused(unknown)
        containerd.run("content", "fetch", *trusted, *user, remote)
        containerd.run("images", "tag", remote, f"{house.host}/alice/containerd:2")
        containerd.run("images", "push", *trusted, *user, f"{house.host}/alice/containerd:2")
        containerd.run("images", "tag", remote, f"{house.host}/bob/containerd:1")
        with pytest.raises(ProgramFailed) as another:
            containerd.run("images", "push", *trusted, *user, f"{house.host}/bob/containerd:1")
        assert refused(another)
        # As a node of a cluster has it, where no one can be asked for a password.
        pair = base64.b64encode(f"{ALICE}:{PASSWORD}".encode()).decode()
        header = f'[host."https://{house.host}".header]\nAuthorization = "Basic {pair}"\n'
        (hosts / "hosts.toml").write_text(lines + header)
        containerd.run("content", "fetch", *trusted, f"{house.host}/alice/containerd:2")


def test_oras(house: House, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(house.certificate / "ca.crt"))
    monkeypatch.chdir(folder)
    (folder / "chart").write_bytes(b"an artifact")

    def client(name: str) -> Any:
        made = OrasClient(hostname=house.host, auth_backend="basic")  # its other way asks for a token once only
        made.login(username=name, password=PASSWORD, hostname=house.host, config_path=str(folder / "config.json"))
        return made

    alice = client(ALICE)
    alice.push(target=f"{house.host}/alice/chart:1", files=["chart"])
    (pulled,) = alice.pull(target=f"{house.host}/alice/chart:1", outdir=str(folder / "pulled"))
    assert Path(pulled).read_bytes() == b"an artifact"
    with pytest.raises(Exception, match=r"DENIED|Forbidden"):
        alice.push(target=f"{house.host}/bob/chart:1", files=["chart"])
    with pytest.raises(Exception, match=r"DENIED|Forbidden"):
        client(BOB).pull(target=f"{house.host}/alice/chart:1", outdir=str(folder / "other"))


def test_a_disabled_account_is_refused_at_once(house: House, skopeo: Skopeo, layout: Path, folder: Path) -> None:
    house.orlop("user", "create", "eve", "--password-file", "-", stdin=f"{PASSWORD}\n")
    skopeo.login("eve", PASSWORD)
    skopeo.push(layout, "eve/app:1")
    house.orlop("user", "disable", "eve")
    time.sleep(2)
    for act in (lambda: skopeo.push(layout, "eve/app:2"), lambda: skopeo.pull("eve/app:1", folder / "pulled")):
        with pytest.raises(ProgramFailed) as disabled:
            act()
        assert refused(disabled)
    house.orlop("user", "enable", "eve")
    time.sleep(2)
    skopeo.pull("eve/app:1", folder / "pulled")
