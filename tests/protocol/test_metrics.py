"""`/metrics`: what they count is what happened."""

import re
from collections.abc import Iterator

import pytest

from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import KIB, digest_of, random_bytes
from tests.protocol.repository import Repository
from tests.servers import OrlopServer


@pytest.fixture
def alone(server: OrlopServer) -> Iterator[Client]:
    with Client(address_of(server)) as client:
        yield client


def value(client: Client, sample: str) -> float:
    text = client.get("/metrics").body.decode()
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_requests_are_counted_by_route_method_and_status(alone: Client) -> None:
    sample = 'orlop_requests_total{method="GET",route="api.tags",status="404"}'
    before = value(alone, sample)
    for _ in range(3):
        alone.get("/api/v1/repositories/absent/-/tags")
    assert value(alone, sample) == before + 3
    assert value(alone, 'orlop_request_seconds_count{route="api.tags"}') >= 3


def test_names_that_clients_choose_are_in_no_label(alone: Client) -> None:
    alone.get("/v2/some/secret-name/manifests/v1")
    alone.get("/api/v1/repositories/some/secret-name/-/tags")
    alone.get("/some/secret-name")
    assert b"secret-name" not in alone.get("/metrics").body


@pytest.mark.parametrize("size", [10, 100 * KIB, 2048 * KIB])
@pytest.mark.parametrize("chunked", [False, True], ids=["whole", "chunked"])
def test_bytes_are_counted_as_they_come_and_go(alone: Client, size: int, chunked: bool) -> None:
    repository = Repository(alone)
    content = random_bytes(size)
    page = len(alone.get("/metrics").body) + 10 * KIB  # reading the metrics sends bytes, too
    received, sent = value(alone, "orlop_received_bytes_total"), value(alone, "orlop_sent_bytes_total")
    location = repository.start()
    assert repository.finish(location, digest_of(content), content, chunked=chunked).status == 201
    assert value(alone, "orlop_received_bytes_total") == received + size
    assert repository.get(f"blobs/{digest_of(content)}").body == content
    assert size <= value(alone, "orlop_sent_bytes_total") - sent < size + 2 * page
    before = value(alone, "orlop_sent_bytes_total")
    assert repository.head(f"blobs/{digest_of(content)}").status == 200
    assert value(alone, "orlop_sent_bytes_total") - before < page


def test_connections_are_those_that_are_open() -> None:
    with OrlopServer(storage="memory") as server, Client(address_of(server)) as client:
        assert value(client, "orlop_connections") == 1
        with client.connect() as one, client.connect() as other:
            for connection in (one, other):
                connection.send(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
                connection.read("GET")
            assert value(client, "orlop_connections") == 3
