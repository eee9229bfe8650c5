"""How far v1 goes, and where."""

import http.client
import re
import time
from pathlib import Path

from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.v1.docker import Docker, new_chain
from tests.servers import OrlopServer


def status_of(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_off_there_is_no_v1(data: Path) -> None:
    with OrlopServer(data=data, V1_MODE="off") as server, Client(address_of(server)) as client:
        for path in ("/v1/_ping", "/_ping", "/v1/search?q=a", "/v1/repositories/a/tags"):
            assert client.get(path).status == 404
        assert client.get("/v2/").status == 200


def test_read_only_what_was_pushed_before_is_pulled(data: Path) -> None:
    chain = new_chain()
    with OrlopServer(data=data) as server, Client(address_of(server)) as client:
        Docker(client, "team/app").push(chain)
    with OrlopServer(data=data, V1_MODE="read") as server, Client(address_of(server)) as client:
        docker = Docker(client, "team/app")
        assert docker.pull() == chain
        for answer in (
            docker.index("PUT", "/", b"[]"),
            docker.tag("x", chain[0].id),
            docker.image("PUT", chain[0].id, "json", chain[0].json),
            docker.registry("DELETE", "repositories/team/app/tags/latest"),
        ):
            assert answer.status == 405
            assert "v1.mode" in answer.json()["error"]
        assert docker.pull() == chain


def test_an_address_of_its_own_has_v1_alone(data: Path) -> None:
    chain = new_chain(1)
    with OrlopServer(data=data, V1_LISTEN="127.0.0.1:0", LOG_FORMAT="json") as server:
        deadline = time.monotonic() + 5
        while (found := re.search(r'"listens":\s*"127\.0\.0\.1:(\d+)"', server.log)) is None:
            assert time.monotonic() < deadline, server.log
            time.sleep(0.02)
        with Client(("127.0.0.1", int(found[1]))) as alone, Client(address_of(server)) as whole:
            for path in ("/v2/", "/api/v1/status", "/"):
                assert status_of(int(found[1]), path) == 404
            assert alone.get("/v1/_ping").status == 200
            Docker(alone, "team/app").push(chain)
            assert Docker(whole, "team/app").pull() == chain
            assert whole.get("/v2/team/app/tags/list").json()["tags"] == ["latest"]


def test_all_is_there_after_a_restart(data: Path) -> None:
    chain = new_chain()
    with OrlopServer(data=data) as server:
        with Client(address_of(server)) as client:
            Docker(client, "team/app").push(chain)
        folder = data / "store" / "images" / "team" / "app" / chain[1].id
        assert sorted(path.name for path in folder.iterdir()) == ["_checksum", "ancestry", "json", "layer"]
        assert (folder / "json").read_bytes() == chain[1].json
        assert (folder / "layer").read_bytes() == chain[1].layer
        assert (folder / "layer").stat().st_nlink == 2  # shared with the blob
        server.restart()
        with Client(address_of(server)) as client:
            assert Docker(client, "team/app").pull() == chain
