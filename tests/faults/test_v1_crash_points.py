"""The server is killed at each system call by which a v1 push changes the disk, one after the other.

After each kill an image is there whole or is not there, in the server that starts again and in one made from the tree
alone, and the same push, made again, comes to its end.
"""

import random
import secrets
import shutil
from pathlib import Path

import pytest

from tests.faults import one_thread
from tests.faults.rebuild import rebuild
from tests.faults.tracer import Point, traced
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.v1.docker import Docker, Image, archive, new_id, new_image
from tests.servers import OrlopServer

NAME = "team/v1"
EVERY_PAGE_TOO_MANY = 11
"""Of the writes of database pages every so-manieth is taken: they come in hundreds, alike, and checksums guard them."""


def new_push(layer: int = 200_000) -> list[Image]:
    root = new_image(layer=archive({"f": secrets.token_bytes(layer)}))
    return [root, new_image(root.id)]


def push(server: OrlopServer, images: list[Image], tag: str) -> set[str]:
    """The ids of the images that were pushed to their end, and `tag` once that was set, until the server is gone.

    One request at a time.
    """
    done: set[str] = set()
    with Client(address_of(server)) as client:
        docker = Docker(client, NAME)
        try:
            docker.announce(images)
            for image in images:
                if docker.image("GET", image.id, "json").status != 200:
                    docker.push_one(image, by="payload")
                done.add(image.id)
            assert docker.tag(tag, images[-1].id).status == 200
            done.add(tag)
            assert docker.index("PUT", "/images", b"[]").status == 204
        except (AssertionError, OSError):
            assert server.process is not None
            if server.process.poll() is None:
                server.process.wait(20)
    return done


@pytest.fixture(scope="module")
def points() -> list[Point]:
    with OrlopServer(wrapper=one_thread.WRAPPER) as server:
        assert server.process is not None
        push(server, new_push(), "warm")
        with traced(server.process.pid) as trace:
            push(server, new_push(), "traced")
    found = trace.points()
    return [point for point in found if point.call != "pwrite64" or point.number % EVERY_PAGE_TOO_MANY == 0]


def compare(server: OrlopServer, images: list[Image], done: set[str]) -> None:
    """Whole or not at all."""
    with Client(address_of(server)) as client:
        docker = Docker(client, NAME)
        docker.announce([])
        for image in images:
            layer = docker.image("GET", image.id, "layer")
            if layer.status == 200 or image.id in done:
                assert (layer.status, layer.body) == (200, image.layer)
                described = docker.image("GET", image.id, "json")
                assert (described.status, described.body) == (200, image.json)
                assert image.payload in described.header("X-Docker-Checksum-Payload")
            else:
                assert layer.status in (400, 404), layer
        if "traced" in done:
            assert docker.pull("traced") == images
        assert docker.image("GET", new_id(), "json").status == 404


def kill_at(point: Point, data: Path) -> bool:
    """Whether the push came to that call."""
    server = OrlopServer(data, wrapper=one_thread.WRAPPER, LOG_LEVEL="warning")
    before, images = new_push(), new_push()
    bereft = OrlopServer(data.with_name("bereft"), LOG_LEVEL="warning")
    try:
        server.start()
        assert server.process is not None
        assert "before" in push(server, before, "before")
        with traced(server.process.pid, f"{point.call}:signal=SIGKILL:when={point.number}"):
            done = push(server, images, "traced")
        reached = server.process.poll() is not None
        server.kill()
        shutil.copytree(server.data, bereft.data)
        server.start()
        compare(server, images, done)
        assert push(server, images, "again") == {*(image.id for image in images), "again"}
        with Client(address_of(server)) as client:
            docker = Docker(client, NAME)
            assert docker.pull("again") == images
            assert docker.pull("before") == before
        assert server.stop() == 0
        rebuild(bereft)
        bereft.start()
        compare(bereft, before, {image.id for image in before})
        compare(bereft, images, done)
        assert bereft.stop() == 0
        assert "Traceback" not in server.log + bereft.log
    except BaseException:
        print(f"killed at {point}; the server's log:\n{server.log}\nand of the one from the tree:\n{bereft.log}")
        raise
    finally:
        server.kill()
        bereft.kill()
        for folder in (server.data, bereft.data):
            shutil.rmtree(folder, ignore_errors=True)
    return reached


def test_a_push_is_whole_or_not_at_some_call(points: list[Point], memory: Path) -> None:
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    chosen = random.Random(seed).sample(points, 4)
    reached = [kill_at(point, memory / "data") for point in chosen]
    assert any(reached)


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_push_is_whole_or_not_at_any_call(
    points: list[Point], memory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = sum(kill_at(point, memory / "data") for point in points)
    assert reached > len(points) * 2 // 3
    with capsys.disabled():
        print(f"\nkilled at {reached} of {len(points)} calls of a v1 push: none left half an image")
