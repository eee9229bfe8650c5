"""More clients than the server may open files for: some wait, nothing breaks, and it recovers."""

import os
import threading
import time
from pathlib import Path

from tests import left_out
from tests.faults.requests import Requester
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.connection import Connection
from tests.protocol.content import digest_of, random_bytes
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

LIMIT, CLIENTS = 100, 150
PATIENCE = 30.0


def test_a_low_limit_of_open_files_is_survived(memory: Path) -> None:
    """B43."""
    if reason := left_out.missing_programs("prlimit"):
        left_out.leave_out("a low limit of open files", reason)
    wrapper = ("prlimit", f"--nofile={LIMIT}")
    with OrlopServer(memory / "data", wrapper=wrapper, LOG_LEVEL="warning") as server:
        with Client(address_of(server)) as client:
            repository = Repository(client)
            content = random_bytes(300_000)
            digest = repository.push_blob(content)
            image = repository.push_image("latest")
        pushed: dict[str, bytes] = {}
        wrong: list[object] = []
        working = threading.Event()

        def work(number: int) -> None:
            mine = random_bytes(100_000)
            while not working.is_set():
                with Requester(server.host_port) as requester:
                    target = f"/v2/many/n{number}/blobs/uploads/?digest={digest_of(mine)}"
                    answer = requester.ask("POST", target, mine)
                    if answer is not None and answer.status == 201:
                        pushed[f"/v2/many/n{number}/blobs/{digest_of(mine)}"] = mine
                    elif answer is not None and answer.status not in (500, 503):
                        wrong.append(answer)
                    pulled = requester.ask("GET", f"{repository.base}/blobs/{digest}")
                    if pulled is not None and pulled.status == 200 and pulled.body != content:
                        wrong.append(pulled)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        time.sleep(3)
        working.set()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert wrong == []
        assert pushed
        wait_until_well(server)
        with Requester(server.host_port) as requester:
            for path, mine in pushed.items():
                assert requester.demand("GET", path, 200).body == mine
            answer = requester.demand("GET", f"{repository.base}/manifests/latest", 200)
            assert answer.body == image.content


def test_idle_connections_beyond_the_limit_do_not_end_the_server(memory: Path) -> None:
    if reason := left_out.missing_programs("prlimit"):
        left_out.leave_out("a low limit of open files", reason)
    wrapper = ("prlimit", f"--nofile={LIMIT}")
    with OrlopServer(memory / "data", wrapper=wrapper, LOG_LEVEL="warning") as server:
        connections = [Connection(address_of(server)) for _ in range(CLIENTS)]
        assert server.process is not None
        assert server.process.poll() is None
        # Such an accept must not be tried again and again: that would take a whole processor.
        before = processor_seconds(server)
        time.sleep(1)
        assert processor_seconds(server) - before < 0.7
        for connection in connections:
            connection.close()
        wait_until_well(server)
        assert server.log.count("\n") < 1000


def processor_seconds(server: OrlopServer) -> float:
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_well(server: OrlopServer) -> None:
    """The server answers, reads and writes again."""
    deadline = time.monotonic() + PATIENCE
    content = random_bytes(100_000)
    while True:
        with Requester(server.host_port) as requester:
            target = f"/v2/well/again/blobs/uploads/?digest={digest_of(content)}"
            answer = requester.ask("POST", target, content)
            if answer is not None and answer.status == 201:
                return
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
