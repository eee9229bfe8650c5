"""Generated requests, and pushes that lie: refused, with the service and the tree as they were."""

import contextlib
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults.many_uploads import forget_peak, resident
from tests.protocol.client import Client
from tests.protocol.conftest import TROUBLE, address_of
from tests.protocol.content import MIB, OCI_IMAGE, absent_digest, digest_of, encode, random_bytes
from tests.protocol.repository import Pushed, Repository
from tests.protocol.tricks import HIDDEN, outside
from tests.servers import OrlopServer
from tests.torture.generated import Generated, Generator
from tests.torture.harness import Row, Run
from tests.torture.settings import COLLECTING

MOST_SECONDS = 5.0
SHORT = 0.5
"""Seconds after which a request that does not end is ended by the client."""
MOST_ADDED = 64 * MIB
CLIENTS = 8
BATCH = 250
WARM_UP = 250
VICTIM = "fuzzed/app"
"""Where the requests go, which may well delete all of it."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


class Service:
    """A server with one good image, and files that nobody may see or change."""

    def __init__(self, server: OrlopServer) -> None:
        self.server = server
        self._address = address_of(server)
        (server.data / "secret.txt").write_bytes(HIDDEN)
        with Client(self._address) as client:
            self.repository = Repository(client, "good/app")
            self.pushed: Pushed = self.repository.push_image("latest")
        self.before = outside(server)

    def ask(self, request: Generated) -> tuple[list[int], float, bytes]:
        """The statuses of all answers, how long the last word took, and the words."""
        begun = time.monotonic()
        received = bytearray()
        with socket.create_connection(self._address, MOST_SECONDS + 1) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(request.sent)
            if not request.whole:
                # It may wait for the rest with good reason. Who says that there is none gets an answer or the end.
                self._read(connection, received, SHORT)
            with contextlib.suppress(OSError):
                if not request.whole:
                    connection.shutdown(socket.SHUT_WR)
            ended = self._read(connection, received, MOST_SECONDS, until_answered=request.whole)
        seconds = time.monotonic() - begun
        return [int(status) for status in _STATUS.findall(received)], seconds if ended else 1e9, bytes(received)

    def _read(
        self, connection: socket.socket, received: bytearray, most: float, *, until_answered: bool = False
    ) -> bool:
        """Whether the connection has ended, or there was an answer."""
        deadline = time.monotonic() + most
        while (left := deadline - time.monotonic()) > 0:
            if until_answered and b"\r\n\r\n" in received:
                return True
            connection.settimeout(left)
            try:
                piece = connection.recv(1 << 18)
            except TimeoutError:
                return False
            except OSError:
                return True
            if not piece:
                return True
            received += piece
        return False

    def check(self) -> None:
        """A good pull, and nothing that is not where it was."""
        with Client(self._address) as client:
            again = Repository(client, "good/app")
            assert again.get("manifests/latest").body == self.pushed.content, "the good image is not served"
            layer = self.pushed.document["layers"][0]
            assert digest_of(again.get(f"blobs/{layer['digest']}").body) == layer["digest"], "the good layer is not"

    def check_lies(self) -> None:
        """Content that is not what its digest says, a manifest whose blobs are not there: no byte of it counts."""
        with Client(self._address) as client:
            lies = Repository(client, "lies/app")
            content, other = random_bytes(1000), digest_of(random_bytes(1000))
            chunked = lies.start()
            assert lies.patch(chunked, content).status == 202
            missing = {**self.pushed.document, "layers": [{**self.pushed.document["layers"][0], "digest": other}]}
            answers = [
                lies.post_blob(content, other),
                lies.finish(lies.start(), other, content),
                lies.finish(chunked, other),
                lies.put_manifest(absent_digest(), encode(missing), OCI_IMAGE),
                lies.put_manifest("latest", encode(missing), OCI_IMAGE),
                lies.put_manifest("latest", self.pushed.content, OCI_IMAGE),
            ]
            assert [answer.status for answer in answers] == [400] * len(answers), [str(answer) for answer in answers]
            endless = (b" " * MIB for _ in range(64))
            assert lies.put_manifest("latest", endless).status == 413, "a manifest without end is not refused"
            assert lies.get(f"blobs/{other}").status == 404, "content is served under a digest that it has not"
            assert lies.get("manifests/latest").status == 404, "a manifest is served whose blobs are not there"


def work(run: Run) -> None:
    figures = run.figures
    figures.planned = run.amounts["requests"]
    figures.count(http_5xx=0, hangs=0, outside_root=0, ops=0)
    settings = {key: value for key, value in COLLECTING.items() if key != "LIMITS_LEASE"}
    with OrlopServer(run.memory() / "data", **settings) as server:
        run.watch(None, server)
        service = Service(server)
        generator = Generator(f"{run.seed}/{run.row.key}", VICTIM)
        latencies: list[float] = []
        with ThreadPoolExecutor(CLIENTS) as pool:
            start = 0
            while (figures.ops or 0) < run.amounts["requests"] and not (run.is_over or run.failure):
                with Client(address_of(server)) as client:
                    victim = Repository(client, VICTIM)
                    generator.about(victim.push_image("latest"), victim.start().rpartition("/")[2])
                requests = [generator.make() for _ in range(BATCH)]
                for request, (statuses, seconds, said) in zip(requests, pool.map(service.ask, requests), strict=True):
                    figures.count(http_5xx=sum(status >= 500 for status in statuses), hangs=int(seconds > MOST_SECONDS))
                    latencies += [seconds] if request.whole else []
                    if any(status >= 500 for status in statuses) or seconds > MOST_SECONDS or HIDDEN in said:
                        run.failure += f"{request.sent[:3000]!r}\n-> {statuses} after {seconds:.1f} s {said[:300]!r}\n"
                        figures.count(outside_root=int(HIDDEN in said))
                figures.count(ops=len(requests))
                service.check()
                service.check_lies()
                if not start and (figures.ops or 0) >= WARM_UP:
                    start = resident(server, "VmRSS")
                    forget_peak(server)
                run.say(f"{figures.ops} requests")
        figures.count(outside_root=int(outside(server) != service.before))
        peak = resident(server, "VmHWM")
        figures.rss_mib_start, figures.rss_mib_peak = start // MIB, peak // MIB
        figures.rss_mib_end = resident(server, "VmRSS") // MIB
        figures.latencies(latencies)
        figures.trials(figures.ops or 0)
        troubles = [line for line in server.log.splitlines() if any(word in line for word in TROUBLE)]
        assert run.failure or not troubles, f"the server's log tells of trouble: {troubles[0][:300]}"
        assert peak - start <= MOST_ADDED, f"resident memory rose by {(peak - start) // MIB} MiB"


ROW = Row(
    key="bad-input",
    title="generated requests on raw sockets, and pushes that lie",
    seconds=90,
    amounts={"requests": 5000},
    quick={"requests": 750},
    quick_seconds=12,
    work=work,
)
