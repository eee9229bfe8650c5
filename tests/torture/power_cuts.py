"""Power cuts under load, and the same ones on Debian's docker-registry."""

import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.faults.disks import Ext4Disk, ext4_disk
from tests.faults.history import ABSENT, Key
from tests.faults.power_cuts import SIZE, PowerCuts
from tests.faults.pusher import Pusher
from tests.faults.rebuild import rebuild
from tests.faults.requests import Requester
from tests.protocol.content import digest_of
from tests.torture.agreement import compare
from tests.torture.figures import Figures, quantile_ms
from tests.torture.harness import Row, Run
from tests.torture.peer import PeerServer
from tests.torture.plain_pusher import PlainPusher

PUSHERS = 8


class Cuts(PowerCuts):
    """Every second one with the database on a disk of its own, where no commit brings the tree's folders along."""

    def __init__(self, run: Run, *disks: Ext4Disk) -> None:
        settings = {"DATABASE_URL": f"sqlite:{disks[1].folder / 'orlop.db'}"} if len(disks) > 1 else {}
        super().__init__(disks[0], run.seed, *disks[1:], pushers=PUSHERS, **settings)
        self.torture = run
        self.database = disks[1].folder / "orlop.db" if len(disks) > 1 else None

    def verify(self, keys: list[Key] | None = None, *, rebuilt: bool = False) -> None:
        super().verify(keys, rebuilt=rebuilt)
        found = compare(self.server.data, self.database)
        assert not found.missing, f"objects of live rows are gone: {found.missing[:5]}"
        assert not found.names, f"tree and database say different things: {found.names[:5]}"

    def end(self) -> None:
        super().end()
        self.torture.say(f"{self.ended + 1} cuts, {self.history.acknowledged} acknowledged")


class PlainCuts(PowerCuts):
    """Pushes alone, on whatever registry; what is wrong afterwards is counted."""

    def __init__(self, run: Run, disk: Ext4Disk, figures: Figures, server: PeerServer | None = None) -> None:
        super().__init__(disk, run.seed, pushers=PUSHERS)
        self.server = server or self.server
        self.figures = figures
        self.wrong: dict[Key, str] = {}

    def pusher(self, seed: str, number: int) -> Pusher:
        return PlainPusher(self.server.host_port, self.history, f"{seed}/{number}")

    def verify(self, keys: list[Key] | None = None, *, rebuilt: bool = False) -> None:
        with Requester(self.server.host_port) as requester:
            for key in list(self.history.registers) if keys is None else keys:
                self._look(requester, key)
        self.history.uploads.clear()
        self.history.surprises.clear()

    def _look(self, requester: Requester, key: Key) -> None:
        register = self.history.registers[key]
        if key in self.wrong:
            return
        kind = "blobs" if key.kind == "blob" else "manifests"
        answer = requester.ask("GET", f"/v2/{key.repository}/{kind}/{key.name}")
        found, corrupt = ABSENT, ""
        if answer is None or answer.status not in (200, 404):
            corrupt = f"{answer.status if answer else 'no whole answer'}"
        elif answer.status == 200:
            found = digest_of(answer.body)
            corrupt = "" if found in self.history.contents and found in register.allowed() else "other bytes"
        if corrupt:
            self.wrong[key] = corrupt
            self.figures.count(corrupt=1)
        elif found not in register.allowed():
            self.wrong[key] = "absent"
            self.figures.count(lost=1)
        else:
            register.settle(found)


def work(run: Run) -> None:
    figures = run.figures
    figures.planned = run.amounts["cuts"]
    figures.count(lost=0, corrupt=0, apart=0, http_5xx=0, faults=0, acked_writes=0, unknown=0)
    begun = time.monotonic()
    restarts: list[float] = []
    for apart in (False, True):
        with contextlib.ExitStack() as stack:
            disks = [stack.enter_context(disk) for disk in _disks(run.folder, 2 if apart else 1)]
            cuts = Cuts(run, *disks)
            run.watch(cuts.history, cuts.server)
            try:
                deadline = begun + (run.deadline - begun) * (0.5 if apart else 0.25)
                cuts.run(max(1, run.amounts["cuts"] // 2), deadline)
                cuts.server.start()
                assert cuts.server.stop() == 0, "the server did not stop cleanly"
                if not apart:
                    rebuild(cuts.server)
                    cuts.server.start()
                    cuts.verify(rebuilt=True)
                    assert cuts.server.stop() == 0, "the server did not stop cleanly"
            finally:
                cuts.server.kill()
                restarts += cuts.restarts
                figures.count(faults=cuts.ended, acked_writes=cuts.history.acknowledged, unknown=cuts.history.unknown)
    figures.restart_ms_p99 = quantile_ms(restarts, 0.99)
    figures.trials(figures.faults or 0)
    _side_by_side(run)


def _side_by_side(run: Run) -> None:
    """The same pushes and the same cuts on both; only Orlop's are a part of the verdict."""
    left = max(1.0, run.deadline - time.monotonic())
    sides = [("docker-registry 2.8.2", 0.5), ("orlop", 1.0)]
    for title, part in sides if shutil.which("docker-registry") else sides[1:]:
        deadline = run.deadline - left * (1 - part)
        figures = Figures(row=f"{run.row.key}, pushes alone", seed=run.seed, backend=title, planned=run.amounts["cuts"])
        figures.count(lost=0, corrupt=0)
        begun = time.monotonic()
        with _disk(run.folder / f"plain{len(run.more)}") as disk:
            files = run.folder / "files"
            files.mkdir(exist_ok=True)
            server = None if title == "orlop" else PeerServer(disk.folder / "data", files)
            cuts = PlainCuts(run, disk, figures, server)
            try:
                cuts.run(run.amounts["cuts"], deadline)
            finally:
                cuts.server.kill()
        history = cuts.history
        figures.faults, figures.acked_writes, figures.unknown = cuts.ended, history.acknowledged, history.unknown
        figures.restart_ms_p99 = quantile_ms(cuts.restarts, 0.99)
        if not cuts.wrong:
            figures.trials(cuts.ended)
        figures.duration_s = round(time.monotonic() - begun, 1)
        if title == "orlop":
            assert not cuts.wrong, f"after cuts under pushes alone: {list(cuts.wrong.items())[:5]}"
            figures.backend = "sqlite+directory"
        figures.verdict = "held" if not cuts.wrong else "for comparison"
        found = Counter(f"{key.kind}s {how}" for key, how in cuts.wrong.items())
        figures.notes = [f"{count} {what}" for what, count in found.most_common()]
        run.more.append(figures)


def _disk(folder: Path) -> contextlib.AbstractContextManager[Ext4Disk]:
    return ext4_disk(folder, SIZE)


def _disks(folder: Path, count: int) -> Iterator[contextlib.AbstractContextManager[Ext4Disk]]:
    for number in range(count):
        yield _disk(folder / f"disk{number}of{count}")


ROW = Row(
    key="power-cuts",
    title="power cuts of an ext4 under load, with I/O errors just before; the same on docker-registry",
    seconds=300,
    amounts={"cuts": 30},
    quick={"cuts": 4},
    quick_seconds=24,
    work=work,
)
