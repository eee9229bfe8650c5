"""Random `kill -9` of a server that takes pushes and deletes, and collects garbage meanwhile."""

import time

from tests.faults.history import Key
from tests.faults.pusher import Pusher
from tests.faults.rebuild import rebuild
from tests.faults.rounds import Rounds
from tests.torture.agreement import compare
from tests.torture.collecting import collect
from tests.torture.figures import quantile_ms
from tests.torture.harness import LEASE, Row, Run
from tests.torture.pool import BASE_LAYERS
from tests.torture.settings import COLLECTING

PUSHERS = 16
DELETERS = 4
"""So many of them delete more than they push."""
LONGEST = 1.0


class Kills(Rounds):
    def __init__(self, run: Run) -> None:
        super().__init__(run.memory() / "data", LONGEST, run.seed, pushers=PUSHERS, **COLLECTING)
        self.history.lease = LEASE
        self.torture = run

    def pusher(self, seed: str, number: int) -> Pusher:
        deletes = 4 if number < DELETERS else 1
        return Pusher(self.server.host_port, self.history, f"{seed}/{number}", pool=BASE_LAYERS, deletes=deletes)

    def verify(self, keys: list[Key] | None = None, *, rebuilt: bool = False) -> None:
        super().verify(keys, rebuilt=rebuilt)
        found = compare(self.server.data)
        assert not found.missing, f"objects of live rows are gone: {found.missing[:5]}"
        assert not found.names, f"tree and database say different things: {found.names[:5]}"

    def end(self) -> None:
        super().end()
        self.torture.say(f"{self.ended + 1} kills, {self.history.acknowledged} acknowledged")


def work(run: Run) -> None:
    figures = run.figures
    figures.planned = run.amounts["kills"]
    figures.count(lost=0, corrupt=0, http_5xx=0, orphans_after_gc=0, tmp_left=0, apart=0)
    kills = Kills(run)
    run.watch(kills.history, kills.server)
    try:
        kills.run(run.amounts["kills"], run.deadline)
        kills.server.start()
        kills.verify()
        assert kills.server.stop() == 0, "the server did not stop cleanly"
        time.sleep(LEASE)
        figures.bytes_reclaimed = collect(kills.server, LEASE)
        run.note(compare(kills.server.data))
        kills.server.start()
        kills.verify()
        assert kills.server.stop() == 0, "the server did not stop cleanly"
        rebuild(kills.server)
        kills.server.start()
        kills.verify(rebuilt=True)
        assert kills.server.stop() == 0, "the server did not stop cleanly"
    finally:
        kills.server.kill()
        history = kills.history
        figures.faults = kills.ended
        figures.acked_writes, figures.unknown = history.acknowledged, history.unknown
        figures.ops = history.acknowledged + history.unknown + history.refused
        figures.http_5xx = len(history.surprises)
        figures.restart_ms_p99 = quantile_ms(kills.restarts, 0.99)
        figures.trials(kills.ended)


ROW = Row(
    key="kills",
    title=f"random kill -9 under {PUSHERS} clients that push and delete, collection running",
    seconds=300,
    amounts={"kills": 200},
    quick={"kills": 8},
    quick_seconds=20,
    work=work,
)
