"""Rounds that end with a power cut."""

from tests.faults.disks import Ext4Disk
from tests.faults.rounds import Rounds

SIZE = 2 << 30
"""Bytes of a disk that is large enough for some dozens of rounds."""


class PowerCuts(Rounds):
    """What was not synced is gone, as on a real disk. A second disk, if there is one, has the database."""

    may_shrink = True

    def __init__(self, disk: Ext4Disk, seed: str, *more: Ext4Disk, pushers: int = 4, **settings: str) -> None:
        super().__init__(disk.folder / "data", 2.0, seed, pushers=pushers, **settings)
        self.disks = (disk, *more)

    def end(self) -> None:
        for disk in self.disks:
            disk.cut_power()
        super().end()
        for disk in self.disks:
            disk.restore_power()
        # From the cut to its end the server saw a disk that fails.
        self.history.surprises.clear()
