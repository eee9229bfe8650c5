"""A power cut under load loses nothing that was acknowledged: what was not synced is gone, as on a real disk."""

import secrets
from pathlib import Path

import pytest

from tests.faults.disks import ext4_disk
from tests.faults.power_cuts import SIZE, PowerCuts
from tests.faults.rebuild import rebuild

ROUNDS = 30


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_nothing_acknowledged_is_lost_in_power_cuts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """B01, with I/O errors just before the end: tags, manifests, blobs, and after a rebuild from the tree alone."""
    seed = secrets.token_hex(4)
    with ext4_disk(tmp_path / "disk", SIZE) as disk:
        cuts = PowerCuts(disk, seed)
        try:
            cuts.run(ROUNDS)
            cuts.server.start()
            assert cuts.server.stop() == 0
            rebuild(cuts.server)
            cuts.server.start()
            cuts.verify(rebuilt=True)
            assert cuts.server.stop() == 0
        except BaseException:
            print(f"seed {seed}; the server's log:\n{cuts.server.log}")
            raise
        finally:
            cuts.server.kill()
    history, bound = cuts.history, 3 / ROUNDS
    with capsys.disabled():
        print(
            f"\n{ROUNDS} power cuts under load: {history.acknowledged} acknowledged, {history.unknown} unknown,"
            f" none lost (at 95% confidence, a cut loses something in less than {bound:.0%} of cases)"
        )
