"""One tag that many push and read at once: what they saw could have happened one after the other."""

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.faults.linearisability import Request, contradiction
from tests.faults.one_tag import WRITERS, push_and_pull
from tests.faults.requests import Requester
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import OCI_IMAGE
from tests.protocol.repository import Repository
from tests.servers import OrlopServer
from tests.torture.agreement import compare
from tests.torture.harness import Row, Run
from tests.torture.settings import COLLECTING, HESITANT

PATIENCE = 30.0
RACES, MOST_TAGS = 100, 50
EACH = 50
"""Pushes of one writer to one repository's tag, before the next repository's turn."""


def race(server: OrlopServer, name: str) -> int:
    """Tags that are pushed and deleted at the same moment: whatever comes last must be so in the tree, too."""
    with Client(address_of(server)) as client:
        repository = Repository(client, name)
        pushed = repository.push_image("kept")
    starts = threading.Barrier(2)

    def push(tag: str) -> None:
        with Requester(server.host_port) as requester:
            starts.wait(PATIENCE)
            path = f"/v2/{name}/manifests/{tag}"
            answer = requester.ask("PUT", path, pushed.content, {"Content-Type": OCI_IMAGE})
            assert answer is not None, f"no answer to PUT {path}"
            assert answer.status == 201, f"PUT {path}: {answer}"

    def delete(tag: str) -> None:
        with Requester(server.host_port) as requester:
            starts.wait(PATIENCE)
            requester.demand("DELETE", f"/v2/{name}/manifests/{tag}", 202, 404)

    with ThreadPoolExecutor(2) as pool:
        for number in range(RACES):
            tag = f"t{number % MOST_TAGS}"
            for done in (pool.submit(push, tag), pool.submit(delete, tag)):
                done.result()
    return RACES


def work(run: Run) -> None:
    figures = run.figures
    figures.planned = run.amounts["writes"]
    figures.count(lost=0, corrupt=0, apart=0, tmp_left=0)
    requests: list[Request] = []
    races = 0
    with OrlopServer(run.memory() / "data", wrapper=HESITANT, LOG_LEVEL="warning", **COLLECTING) as server:
        run.watch(None, server)
        turn = 0
        while _writes(requests) < run.amounts["writes"] and not run.is_over:
            found = push_and_pull(server, f"one/tag{turn}", EACH, deadline=run.deadline)
            assert contradiction(found) == "", contradiction(found)
            requests += found
            races += race(server, f"races/turn{turn}")
            turn += 1
            run.say(f"{len(requests)} requests")
        data = server.data
        assert server.stop() == 0, "the server did not stop cleanly"
        run.note(compare(data)._replace(orphans=[]))
    figures.ops = len(requests) + races
    figures.notes = [f"{races} tags pushed and deleted at once"]
    figures.acked_writes = _writes(requests)
    figures.latencies([request.ended - request.started for request in requests if request.wrote])
    figures.trials(len(requests))


def _writes(requests: list[Request]) -> int:
    return sum(request.wrote for request in requests)


ROW = Row(
    key="one-tag",
    title=f"one tag, {WRITERS} writers and as many readers: linearisable, and tree and database agree",
    seconds=60,
    amounts={"writes": 5000},
    quick={"writes": 400},
    quick_seconds=5,
    work=work,
)
