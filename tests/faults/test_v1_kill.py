"""kill -9 at each step of a v1 push: the next push of the same image completes, and nobody ever reads half of one."""

import random
import secrets
import threading
from pathlib import Path

import pytest

from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.v1.docker import Docker, Image, archive, new_image
from tests.servers import OrlopServer

KILLS = 8


class Push:
    """One push of one image, that a kill may end anywhere."""

    def __init__(self, docker: Docker, image: Image) -> None:
        self.docker = docker
        self.image = image
        self.done = False

    def run(self) -> None:
        try:
            self.docker.push([self.image], by="payload")
            self.done = True
        except (AssertionError, OSError):
            return  # the server has gone


def check(docker: Docker, image: Image, *, complete: bool) -> None:
    """Whole or not at all."""
    docker.announce([])
    answer = docker.image("GET", image.id, "layer")
    if complete:
        assert answer.status == 200, answer
    if answer.status == 200:
        assert answer.body == image.layer
        assert docker.image("GET", image.id, "json").body == image.json
    else:
        assert answer.status in (400, 404)


@pytest.mark.timeout(300)
def test_a_kill_at_any_step_leaves_an_image_that_can_be_pushed_again(memory: Path) -> None:
    """B39."""
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    source = random.Random(seed)
    server = OrlopServer(memory / "data", LOG_LEVEL="warning")
    name = "team/v1"
    images: list[Image] = []
    try:
        for number in range(KILLS):
            server.start()
            image = new_image(layer=archive({"f": source.randbytes(source.choice((1000, 3_000_000)))}))
            images.append(image)
            with Client(address_of(server)) as client:
                push = Push(Docker(client, name), image)
                thread = threading.Thread(target=push.run)
                thread.start()
                # From before its first request to after its last.
                thread.join(source.uniform(0, 0.12) if number else 5)
                server.kill()
                thread.join(30)
                assert not thread.is_alive()
            server.start()
            with Client(address_of(server)) as client:
                check(Docker(client, name), image, complete=push.done)
                again = Docker(client, name)
                again.push([image], f"v{number}", by="payload")
                assert again.pull(f"v{number}") == [image]
            server.kill()
        server.start()
        with Client(address_of(server)) as client:
            docker = Docker(client, name)
            for image in images:
                check(docker, image, complete=True)
        assert server.stop() == 0
        assert "Traceback" not in server.log
    finally:
        server.kill()
    folder = memory / "data" / "store" / "images" / "team" / "v1"
    for image in images:
        assert sorted(path.name for path in (folder / image.id).iterdir()) == ["_checksum", "ancestry", "json", "layer"]
        assert (folder / image.id / "layer").read_bytes() == image.layer
