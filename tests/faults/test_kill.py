"""kill -9 at any moment loses nothing that was acknowledged."""

import secrets
from pathlib import Path

import pytest

from tests.faults.rebuild import rebuild
from tests.faults.rounds import Rounds


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
