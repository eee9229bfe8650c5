"""Collection after collection, while clients push, mount, nest, delete and push again what they share."""

import threading
import time

from tests.faults.history import History
from tests.servers import OrlopServer
from tests.torture.agreement import compare
from tests.torture.collecting import collect, collections
from tests.torture.harness import LEASE, Row, Run
from tests.torture.settings import COLLECTING, HESITANT
from tests.torture.trapper import RETAINED, Tally, Trapper

TRAPPERS = 32
RETENTION = f"{RETAINED}/** untagged 1s"


def work(run: Run) -> None:
    figures = run.figures
    figures.planned = run.amounts["ops"]
    figures.count(lost=0, live_deleted=0, refused_in_lease=0, http_5xx=0, tmp_left=0, apart=0, hangs=0)
    history, tally = History(lease=LEASE), Tally()
    server = OrlopServer(
        run.memory() / "data", wrapper=HESITANT, LOG_LEVEL="warning", RETENTION=RETENTION, **COLLECTING
    )
    run.watch(history, server)
    with server:
        trappers = [Trapper(server.host_port, history, f"{run.seed}/{number}", tally) for number in range(TRAPPERS)]
        _let_work(run, server, trappers, tally)
        for trapper in trappers:
            for held in trapper.held:
                trapper.pull(held)
        figures.gc_cycles, figures.bytes_reclaimed = collections(server)
        assert server.stop() == 0, "the server did not stop cleanly"
        time.sleep(LEASE)
        figures.bytes_reclaimed += collect(server, LEASE)
        run.note(compare(server.data))
    figures.ops = history.acknowledged + history.unknown + history.refused
    figures.acked_writes, figures.unknown = history.acknowledged, history.unknown
    figures.count(live_deleted=tally.live_deleted, refused_in_lease=tally.refused_in_lease)
    figures.count(http_5xx=len(history.surprises))
    figures.latencies(tally.seconds)
    figures.trials(figures.ops)
    figures.notes = [f"{tally.late} pushes came later than they were promised anything"] if tally.late else []
    run.failure += "\n".join([*tally.told[:20], *history.surprises[:20]])
    assert "Traceback" not in server.log, "the server's log has a traceback"
    assert figures.ops, "nothing was done"


def _let_work(run: Run, server: OrlopServer, trappers: list[Trapper], tally: Tally) -> None:
    """Until there was enough of all, the time is over, or something is wrong."""
    stop = threading.Event()
    history = trappers[0].history
    threads = [threading.Thread(target=trapper.work, args=(stop.is_set,)) for trapper in trappers]
    for thread in threads:
        thread.start()
    try:
        while not (run.is_over or stop.is_set()):
            time.sleep(0.5)
            done = history.acknowledged + history.refused
            cycles = collections(server)[0]
            run.say(f"{done} operations, {cycles} collections")
            enough = done >= run.amounts["ops"] and cycles >= run.amounts["cycles"]
            if enough or tally.told or history.surprises or not all(thread.is_alive() for thread in threads):
                stop.set()
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    run.figures.count(hangs=sum(thread.is_alive() for thread in threads))
    assert all(trapper.alive for trapper in trappers), "the server closed a connection"


ROW = Row(
    key="collection",
    title=f"collection after collection under {TRAPPERS} clients, with leases of {LEASE:.0f} s",
    seconds=300,
    amounts={"ops": 20_000, "cycles": 100},
    quick={"ops": 2000, "cycles": 10},
    quick_seconds=22,
    work=work,
)
