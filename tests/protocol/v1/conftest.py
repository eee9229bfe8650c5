"""A v1 client for each test."""

import pytest

from tests.protocol.client import Client
from tests.protocol.v1.docker import Docker


@pytest.fixture
def docker(registry: Client) -> Docker:
    return Docker(registry)
