"""Load, a violent end, a new start and a comparison, again and again on one store."""

import random
import threading
import time
from pathlib import Path
from typing import Any

from tests.faults.history import History, Key
from tests.faults.pusher import Pusher
from tests.faults.requests import Requester
from tests.faults.verification import Verification
from tests.servers import OrlopServer

ALIVE = 0.2
"""Seconds of load before the earliest end."""
SAMPLE = 100


class Rounds:
    """By `kill -9`, unless `end` says otherwise."""

    may_shrink = False
    """Whether an upload may hold less afterwards than was acknowledged."""

    def __init__(self, data: Path, longest: float, seed: str, *, pushers: int = 4, **settings: str) -> None:
        """`longest` seconds of load before an end; `settings` are the server's."""
        self.longest = longest
        self.server: Any = OrlopServer(data, **{"LOG_LEVEL": "warning", **settings})
        self.history = History()
        self.seed = seed
        self.random = random.Random(seed)
        self.pushers = pushers
        self.ended = 0
        self.restarts: list[float] = []
        """Seconds from a start to its readiness."""

    def run(self, rounds: int, deadline: float = float("inf")) -> None:
        """So many rounds, or those that begin before the deadline."""
        self.server.start()
        try:
            while self.ended < rounds and time.monotonic() < deadline:
                self._load(f"{self.seed}/{self.ended}")
                self.ended += 1
                begun = time.monotonic()
                self.server.start()
                self.restarts.append(time.monotonic() - begun)
                self.verify(self._news())
        finally:
            self.server.kill()

    def verify(self, keys: list[Key] | None = None, *, rebuilt: bool = False) -> None:
        """These registers, or all."""
        with Requester(self.server.host_port) as requester:
            verification = Verification(requester, self.history, blobs_may_be_unlinked=rebuilt)
            verification.check(keys)
            verification.check_uploads(may_have_shrunk=self.may_shrink)
        assert self.history.surprises == [], self.history.surprises[:3]
        assert "Traceback" not in self.server.log, "the server's log has a traceback"

    def end(self) -> None:
        """How the server's life ends, under load."""
        self.server.kill()

    def pusher(self, seed: str, number: int) -> Pusher:
        """The client of that number; its repositories are the same in each round."""
        return Pusher(self.server.host_port, self.history, f"{seed}/{number}")

    def _news(self) -> list[Key]:
        """What was written to since the last end, and a sample of the rest."""
        old = [key for key, register in self.history.registers.items() if register.is_settled]
        new = [key for key, register in self.history.registers.items() if not register.is_settled]
        return new + self.random.sample(old, min(SAMPLE, len(old)))

    def _load(self, seed: str) -> None:
        pushers = [self.pusher(seed, number) for number in range(self.pushers)]
        threads = [threading.Thread(target=pusher.run) for pusher in pushers]
        for thread in threads:
            thread.start()
        time.sleep(self.random.uniform(ALIVE, self.longest))
        self.end()
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive(), "a client hangs"
