"""Many large uploads at once."""

from tests.faults.many_uploads import ADDED, UPLOADS, upload_at_once
from tests.protocol.content import MIB
from tests.servers import OrlopServer
from tests.torture.harness import Row, Run


def work(run: Run) -> None:
    figures, size = run.figures, run.amounts["mib"]
    figures.acked_writes = 0
    for framing in ("length", "chunked"):
        with OrlopServer(run.folder / framing, LOG_LEVEL="warning") as server:
            run.watch(None, server)
            memory = upload_at_once(server, size, framing)
        figures.acked_writes += UPLOADS
        if memory.added >= (figures.rss_mib_peak or 0) - (figures.rss_mib_start or 0):
            figures.rss_mib_start, figures.rss_mib_peak = memory.before // MIB, memory.peak // MIB
            figures.rss_mib_end = memory.after // MIB
        run.say(f"{framing}: {memory.added // MIB} MiB more")
        assert memory.added <= ADDED, f"{UPLOADS} uploads of {size} MiB ({framing}) add {memory.added // MIB} MiB"
    figures.ops = figures.acked_writes


ROW = Row(
    key="memory",
    title=f"{UPLOADS} uploads at once add at most {ADDED // MIB} MiB of resident memory",
    seconds=90,
    amounts={"mib": 256},
    quick={"mib": 64},
    quick_seconds=12,
    work=work,
)
