"""Fixtures of the clients' tests, and the server's last words beside what failed."""

import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.clients.content import Content, layout_content
from tests.clients.images import TAG, Storage, docker_form, index_form, real_image, zstd_form
from tests.clients.programs import demand
from tests.clients.registry import Registry
from tests.clients.relay import Relay, open_relay
from tests.clients.sandbox import Sandbox, open_sandbox
from tests.servers import OrlopServer


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(group): needs the programs of that group, see tests/clients/programs.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Any of these tests may be the first on its machine, which makes the real image."""
    for item in items:
        if item.get_closest_marker("needs"):
            item.add_marker(pytest.mark.timeout(900))


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        demand(mark.args[0])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(server, OrlopServer):
        report.sections.append(("end of the server's log", server.log[-4000:]))
    return report


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with open_sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def layout(sandbox: Sandbox) -> Path:
    """The real image, as an OCI layout with the tag `real`."""
    return real_image(sandbox)


@pytest.fixture(scope="session")
def image(layout: Path) -> Content:
    """What the real image consists of."""
    return layout_content(layout, TAG)


@pytest.fixture(scope="session")
def docker_folder(sandbox: Sandbox, layout: Path) -> Path:
    """The real image with Docker's media types, as a folder."""
    folder = sandbox.folder / "docker-form"
    docker_form(sandbox, layout, folder)
    return folder


@pytest.fixture(scope="session")
def zstd_layout(sandbox: Sandbox, layout: Path) -> Path:
    """The real image with zstd layers."""
    folder = sandbox.folder / "zstd-form"
    zstd_form(sandbox, layout, folder)
    return folder


@pytest.fixture(scope="session")
def index_layout(sandbox: Sandbox, layout: Path) -> Path:
    """An index of the real image and one for arm64."""
    folder = sandbox.folder / "index-form"
    index_form(Storage(sandbox, sandbox.folder / "index-making"), layout, folder)
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrlopServer]:
    with OrlopServer(data=tmp_path_factory.mktemp("clients-server")) as server:
        yield server


@pytest.fixture
def registry(server: OrlopServer) -> Registry:
    return Registry(server.host_port)


@pytest.fixture
def relay(server: OrlopServer) -> Iterator[Relay]:
    """A wire to the server that the test can watch and cut."""
    with open_relay(server.host_port) as relay:
        yield relay


@pytest.fixture
def name() -> str:
    """A repository that no other test uses."""
    return f"clients/{uuid.uuid4().hex[:12]}"


@pytest.fixture
def folder(sandbox: Sandbox) -> Iterator[Path]:
    """A folder for one test."""
    folder = sandbox.folder / uuid.uuid4().hex[:12]
    folder.mkdir()
    yield folder
    sandbox.run("rm", "-rf", folder)


@pytest.fixture
def storage(sandbox: Sandbox, folder: Path) -> Iterator[Storage]:
    """An empty store of images for podman and buildah."""
    storage = Storage(sandbox, folder)
    yield storage
    storage.buildah("umount", "--all")
