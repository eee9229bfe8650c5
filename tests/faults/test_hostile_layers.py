"""Layers that were made to harm whoever reads them.

Each is told of with its reason, or read as what it is, and the next image is looked at as if nothing had been.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import hostile_layers as hostile
from tests.faults.hostile_layers import MIB, archive, member
from tests.protocol.answer import Answer
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import OCI_CONFIG, descriptor, encode, image
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
FREE = 5.0
"""Seconds after which a worker has done with each of these."""
PATIENCE = 30.0


@pytest.fixture(scope="module")
def server() -> Iterator[OrlopServer]:
    settings = {"CONTENTS_ENABLED": "true", "CONTENTS_LARGEST": "64MiB", "CONTENTS_TIMEOUT": "20s"}
    with OrlopServer(LOG_LEVEL="warning", **settings) as server:
        with Client(address_of(server)) as client:
            House(client).demand_next()  # the first one starts the worker
        yield server
        with Client(address_of(server)) as client:
            House(client).demand_next()
        assert "Traceback" not in server.log


class House:
    """A repository in a registry that looks into images."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.repository = Repository(client)

    def push(self, tag: str, *layers: bytes) -> None:
        config = encode({"os": "linux", "architecture": "amd64"})
        for content in (config, *layers):
            self.repository.push_blob(content)
        manifest = image(descriptor(config, OCI_CONFIG), [descriptor(layer, GZIP) for layer in layers])
        self.repository.push_manifest(manifest, tag)

    def files(self, tag: str, rest: str = "/") -> Answer:
        """As soon as it can be told."""
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.client.get(f"/api/v1/repositories/{self.repository.name}/-/files/{tag}{rest}")
            if answer.status != 409:
                return answer
            assert time.monotonic() < deadline, answer
            time.sleep(0.02)

    def reason(self, layer: bytes, tag: str = "hostile") -> str:
        """Why the layer cannot be looked into."""
        self.push(tag, layer)
        answer = self.files(tag)
        assert answer.status == 422, answer
        assert answer.json()["code"] == "CONTENTS_UNINDEXABLE", answer
        return str(answer.json()["detail"])

    def demand_next(self) -> None:
        """The worker is free: an image like no other is looked into at once, and nothing waits to be tried again."""
        begun = time.monotonic()
        self.push("next", archive([member("hello", os.urandom(16))]))
        assert self.files("next", "/hello").status == 200
        while self._left() != (0, 0, 0):
            assert time.monotonic() - begun < FREE, self._left()
            time.sleep(0.02)

    def _left(self) -> tuple[int, int, int]:
        told: dict[str, Any] = self.client.get("/api/v1/status").json()["contents"]
        return told["waiting"], told["running"], told["failed"]


@pytest.fixture
def house(server: OrlopServer) -> Iterator[House]:
    with Client(address_of(server)) as client:
        yield House(client)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (hostile.negative_size, "below zero"),
        (hostile.negative_pax, "below zero"),
        (hostile.looping_pax, ""),
        (hostile.chained_headers, "extended headers"),
        (hostile.endless_map, "sparse"),
    ],
)
def test_archives_that_lead_their_readers_round_in_circles(
    house: House, make: Callable[[], bytes], reason: str
) -> None:
    """S31."""
    layer = make()
    begun = time.monotonic()
    assert reason in house.reason(layer)
    assert time.monotonic() - begun < FREE


def test_nothing_of_a_layer_is_written_anywhere(house: House, server: OrlopServer, tmp_path: Path) -> None:
    """S32: it is listed as data, and links end inside the image."""
    target = tmp_path / "target"
    target.mkdir()
    house.push("hostile", hostile.escapes(str(target)))
    listed = house.files("hostile", "/?recursive=true&n=1000")
    assert listed.status == 200, listed
    found = {item["path"]: item for item in listed.json()["items"]}
    assert list(target.iterdir()) == []
    assert not [path for path in server.data.rglob("*") if path.name in ("through", "absolute", "renamed", "dots")]
    assert found["/device"]["type"] == "block"
    assert found["/pipe"]["type"] == "fifo"
    assert (found["/twice"]["type"], found["/twice"]["size"]) == ("file", 3)
    assert f"{target}/renamed" in found
    assert not [path for path in found if ".." in path or path.endswith("/dots")]
    for path in ("/hard", "/etc/passwd", "/up/../../../../etc/passwd"):
        answer = house.files("hostile", path.replace("..", "%2e%2e"))
        assert (answer.status, answer.body) in ((200, b"of the image"), (404, answer.body)), path
        assert b"root:" not in answer.body
    assert house.files("hostile", "/loop").status == 404
    for path in ("/device", "/pipe"):
        assert house.files("hostile", path).status == 404


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: hostile.gzip_bomb(96 * MIB), "larger than"),
        (lambda: hostile.bzip2_bomb(96 * MIB), "larger than"),
        (lambda: hostile.many_members(96 * MIB), "larger than"),
        (hostile.wide_window, "damaged"),
        (hostile.trailing_junk, "damaged"),
        (hostile.cut_short, "cut short"),
        (lambda: b"no archive at all " * 100, ""),
    ],
)
def test_what_unpacks_to_more_than_anybody_has(house: House, make: Callable[[], bytes], reason: str) -> None:
    """S33."""
    layer = make()
    begun = time.monotonic()
    assert reason in house.reason(layer)
    assert time.monotonic() - begun < FREE


def test_what_a_layer_says_of_its_packing_does_not_count(house: House) -> None:
    """S33: all of these images call their layers gzip."""
    house.push("plain", archive([member("a", b"plain")]))
    assert house.files("plain", "/a").body == b"plain"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: hostile.long_name(64 << 10), "longer than"),
        (lambda: hostile.large_pax(2 * MIB), "extended headers"),
        (lambda: hostile.huge_hole(1 << 40), "larger than"),
    ],
)
def test_members_that_are_larger_than_any_that_are_meant(house: House, make: Callable[[], bytes], reason: str) -> None:
    """S34."""
    assert reason in house.reason(make())


def test_directories_a_thousand_deep(house: House) -> None:
    """S34: how deep a directory lies costs a list nothing."""
    house.push("deep", hostile.deep(1_000))
    assert house.files("deep").status == 200
    begun = time.monotonic()
    page = house.files("deep", "/?recursive=true&n=999").json()
    rest = house.client.get(page["next"]).json()
    assert time.monotonic() - begun < 2
    assert [len(item["path"]) for item in page["items"]] == list(range(2, 2_000, 2))
    assert [item["path"][-4:] for item in rest["items"]] == ["/d/d", "/d/f"]


def test_a_storm_of_whiteouts(house: House) -> None:
    """S34: they cost what as many files do."""
    base = [member(f"folder-{number}/{name}", b"") for number in range(7) for name in (str(number + 7), "kept")]
    house.push("storm", archive(base), hostile.whiteout_storm(10_000))
    items = house.files("storm", "/?recursive=true").json()["items"]
    files = [item["path"] for item in items if item["type"] == "file"]
    assert files == [f"/folder-{number}/kept" for number in range(7)]
