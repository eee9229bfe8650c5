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
EPISODE = 40
"""Kills on one store. What its clients were told is kept in memory."""


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
        self.torture.say(f"{(self.torture.figures.faults or 0) + self.ended + 1} kills")


def work(run: Run) -> None:
    figures = run.figures
    figures.planned = run.amounts["kills"]
    figures.count(lost=0, corrupt=0, http_5xx=0, orphans_after_gc=0, tmp_left=0, apart=0, bytes_reclaimed=0)
    figures.count(faults=0, ops=0, acked_writes=0, unknown=0)
    restarts: list[float] = []
    try:
        while (left := figures.planned - (figures.faults or 0)) > 0 and not (run.is_over or run.failure):
            _torture_one_store(run, min(left, EPISODE), restarts)
    finally:
        figures.restart_ms_p99 = quantile_ms(restarts, 0.99)
        figures.trials(figures.faults or 0)


def _torture_one_store(run: Run, count: int, restarts: list[float]) -> None:
    """So many kills, and then what has to be so in the end."""
    kills = Kills(run)
    run.watch(kills.history, kills.server)
    server, figures = kills.server, run.figures
    try:
        kills.run(count, run.deadline)
        server.start()
        kills.verify()
        _stop(kills)
        time.sleep(LEASE)
        figures.count(bytes_reclaimed=collect(server, LEASE))
        run.note(compare(server.data))
        server.start()
        kills.verify()
        _stop(kills)
        rebuild(server)
        server.start()
        kills.verify(rebuilt=True)
        _stop(kills)
    finally:
        server.kill()
        history = kills.history
        done = history.acknowledged + history.unknown + history.refused
        figures.count(faults=kills.ended, ops=done, acked_writes=history.acknowledged, unknown=history.unknown)
        figures.count(http_5xx=len(history.surprises))
        restarts += kills.restarts


def _stop(kills: Kills) -> None:
    assert kills.server.stop() == 0, "the server did not stop cleanly"


ROW = Row(
    key="kills",
    title=f"random kill -9 under {PUSHERS} clients that push and delete, collection running",
    seconds=360,
    amounts={"kills": 200},
    quick={"kills": 8},
    quick_seconds=20,
    work=work,
)
