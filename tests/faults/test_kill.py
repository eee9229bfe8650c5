"""kill -9 at any moment loses nothing that was acknowledged."""

import random
import secrets
import threading
import time
from pathlib import Path

import pytest

from tests.faults.history import History, Key
from tests.faults.pusher import Pusher
from tests.faults.rebuild import rebuild
from tests.faults.requests import Requester
from tests.faults.verification import Verification
from tests.servers import OrlopServer

PUSHERS = 4
ALIVE = 0.2
"""Seconds of load before the earliest kill."""
SAMPLE = 100


class Rounds:
    """Load, kill, restart and comparison, again and again on one store."""

    may_shrink = False
    """Whether an upload may hold less afterwards than was acknowledged."""

    def __init__(self, data: Path, longest: float, seed: str) -> None:
        """`longest` seconds of load before a kill."""
        self.longest = longest
        self.server = OrlopServer(data, LOG_LEVEL="warning")
        self.history = History()
        self.seed = seed
        self.random = random.Random(seed)
        self.restarts: list[float] = []

    def run(self, rounds: int) -> None:
        self.server.start()
        try:
            for number in range(rounds):
                self._load(f"{self.seed}/{number}")
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
        assert self.history.surprises == []
        assert "Traceback" not in self.server.log

    def _news(self) -> list[Key]:
        """What was written to since the last kill, and a sample of the rest."""
        old = [key for key, register in self.history.registers.items() if register.is_settled]
        new = [key for key, register in self.history.registers.items() if not register.is_settled]
        return new + self.random.sample(old, min(SAMPLE, len(old)))

    def end(self) -> None:
        """How the server's life ends, under load."""
        self.server.kill()

    def _load(self, seed: str) -> None:
        pushers = [Pusher(self.server.host_port, self.history, f"{seed}/{number}") for number in range(PUSHERS)]
        threads = [threading.Thread(target=pusher.run) for pusher in pushers]
        for thread in threads:
            thread.start()
        time.sleep(self.random.uniform(ALIVE, self.longest))
        self.end()
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive()


def test_nothing_acknowledged_is_lost_in_5_kills(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """B01."""
    kill_again_and_again(5, 1.0, memory / "data", capsys)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_nothing_acknowledged_is_lost_in_50_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """B01."""
    kill_again_and_again(50, 2.0, tmp_path / "data", capsys)


def kill_again_and_again(rounds: int, longest: float, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every fact that a client was told holds after each kill, and after a rebuild from the tree alone."""
    seed = secrets.token_hex(4)
    kills = Rounds(data, longest, seed)
    try:
        kills.run(rounds)
        kills.server.start()
        assert kills.server.stop() == 0
        rebuild(kills.server)
        kills.server.start()
        kills.verify(rebuilt=True)
        assert kills.server.stop() == 0
    except BaseException:
        print(f"seed {seed}; the server's log:\n{kills.server.log}")
        raise
    history = kills.history
    with capsys.disabled():
        print(
            f"\n{rounds} kills under load: {history.acknowledged} acknowledged, {history.unknown} unknown, none lost"
            f" (at 95% confidence, a kill loses something in less than {min(1.0, 3 / rounds):.0%} of cases);"
            f" ready again after {max(kills.restarts):.2f} s at most"
        )
