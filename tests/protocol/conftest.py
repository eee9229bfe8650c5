"""A server for each driver and session, and for each test a client and a repository of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.client import Client
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

TROUBLE = ("Traceback", '"level": "error"', '"level":"error"', "Task exception was never retrieved")


on_local = pytest.mark.parametrize("server", ["local"], indirect=True)
"""For what is decided before any storage is asked: one driver is enough."""


@pytest.fixture(scope="session", params=["local", "memory"])
def server(request: pytest.FixtureRequest) -> Iterator[OrlopServer]:
    with OrlopServer(storage=request.param) as server:
        yield server


@pytest.fixture
def registry(server: OrlopServer) -> Iterator[Client]:
    """A client of the session's server. What a test does must leave no trace of trouble in the server's log."""
    before = server.log_path.stat().st_size
    with Client(address_of(server)) as client:
        yield client
    with server.log_path.open("rb") as log:
        log.seek(before)
        written = log.read().decode(errors="replace")
    troubles = [line for line in written.splitlines() if any(word in line for word in TROUBLE)]
    assert not troubles, "\n".join(troubles)


@pytest.fixture
def repository(registry: Client) -> Repository:
    return Repository(registry)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder for a server of the test's own."""
    return tmp_path / "data"


def address_of(server: OrlopServer) -> tuple[str, int]:
    host, _, port = server.host_port.rpartition(":")
    return host, int(port)
