"""One tag that many push and read at once."""

import threading
import time

from tests.faults.linearisability import Request
from tests.faults.requests import Requester
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import OCI_IMAGE, digest_of, encode
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

WRITERS, READERS = 8, 8


def push_and_pull(server: OrlopServer, name: str, pushes: int, *, deadline: float = float("inf")) -> list[Request]:
    """Each writer moves the tag `latest` of that repository so often, or until the deadline; others read it.

    Every request that was answered.
    """
    requests: list[Request] = []
    with Client(address_of(server)) as client:
        repository = Repository(client, name)
        document = repository.new_image()
    path = f"{repository.base}/manifests/latest"
    together = threading.Barrier(WRITERS + READERS)
    failures: list[str] = []
    running = WRITERS

    def push(number: int) -> None:
        nonlocal running
        with Requester(server.host_port) as requester:
            together.wait()
            for each in range(pushes):
                if time.monotonic() > deadline:
                    break
                content = encode({**document, "annotations": {"n": f"{number}.{each}"}})
                started = time.monotonic()
                answer = requester.ask("PUT", path, content, {"Content-Type": OCI_IMAGE})
                if answer is None or answer.status != 201:
                    failures.append(f"PUT {path}: {answer}")
                    break
                requests.append(Request(digest_of(content), started, time.monotonic(), wrote=True))
        running -= 1

    def pull() -> None:
        with Requester(server.host_port) as requester:
            together.wait()
            while running:
                started = time.monotonic()
                answer = requester.ask("HEAD", path)
                if answer is None or answer.status not in (200, 404):
                    failures.append(f"HEAD {path}: {answer}")
                    break
                if answer.status == 200:
                    digest = answer.header("Docker-Content-Digest")
                    requests.append(Request(digest, started, time.monotonic(), wrote=False))

    threads = [threading.Thread(target=push, args=(number,)) for number in range(WRITERS)]
    threads += [threading.Thread(target=pull) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    return requests
