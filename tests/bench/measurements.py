"""One measurement: a server is started on its data, prepared, loaded, and stopped."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tests.bench import resources
from tests.bench.certificate import Certificate
from tests.bench.contents import Source
from tests.bench.errors import WrongAnswer
from tests.bench.loads import Ground
from tests.bench.processes import Outcome
from tests.bench.resources import MachineTime
from tests.bench.rows import Row
from tests.bench.seeds import Seed
from tests.bench.servers import Server, Side, Start
from tests.bench.workspace import Workspace

SETTLE_SECONDS = 0.3  # work that a server puts off until after its answer is counted too
CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Measurement:
    """What one load showed: `amount` of the row's unit in `seconds`, and at what cost in CPU seconds and memory."""

    row: str
    side: str
    run: int
    tls: bool
    amount: int
    seconds: float
    server_cpu: float
    client_cpu: float
    peak_bytes: int
    others: float
    """Share of all cores that was busy with neither server nor load: the kernel's own threads, and other programs."""

    @property
    def rate(self) -> float:
        return self.amount / self.seconds

    @property
    def client_share(self) -> float:
        """Cores that the load generator kept busy."""
        return self.client_cpu / self.seconds


@dataclass
class Stage:
    """The workspace with what all measurements share: sources, certificates, seeded data folders."""

    workspace: Workspace
    _seeded: set[str] = field(default_factory=set)

    @cached_property
    def source(self) -> Source:
        return Source(self.workspace.fresh("source"))

    @cached_property
    def certificate(self) -> Certificate:
        return Certificate.make(self.workspace.fresh("certificate"))

    def start(self, side: Side, data: Path, seed: Seed | None, *, tls: bool) -> Server:
        """A server on `data`, not yet started."""
        certificate = self.certificate if tls else None
        return Server(side, Start(data, self.workspace.fresh("logs"), certificate, seed.settings if seed else {}))

    @contextmanager
    def data(self, side: Side, seed: Seed | None) -> Iterator[Path]:
        """The seeded data folder of a side, which is kept; without a seed an empty one, which goes."""
        if seed is None:
            folder = self.workspace.fresh("data")
            yield folder
            self.workspace.discard(folder)
            return
        name = f"seeds/{side.name}-{seed.name}"
        if name not in self._seeded:
            self._push(side, seed, self.workspace.fresh(name))
            self._seeded.add(name)
        yield self.workspace.root / name

    def _push(self, side: Side, seed: Seed, data: Path) -> None:
        with self.start(side, data, seed, tls=False) as server, voided(f"{side.title}, seed {seed.name}", server):
            seed.push(server.target, self.source if seed.needs_source else None)

    @contextmanager
    def prepared(self, row: Row, side: Side, *, tls: bool) -> Iterator[tuple[Server, Ground]]:
        """A server that runs on the row's data and is warm."""
        with (
            self.data(side, row.seed) as data,
            self.start(side, data, row.seed, tls=tls) as server,
            voided(f"{side.title}, {row.title}", server),
        ):
            source = self.source if row.needs_source else None
            ground = Ground(server.target, data, self.workspace.fresh("load"), source)
            row.load.prepare(ground)
            yield server, ground


@contextmanager
def voided(what: str, server: Server) -> Iterator[None]:
    """Add to a wrong answer where it came from and the server's last words."""
    try:
        yield
    except (WrongAnswer, OSError) as error:
        raise WrongAnswer(f"{what}: {error}\n{server.log_tail()}".rstrip()) from error


@dataclass(frozen=True)
class Turn:
    """One measurement of a row that is to be made: on which side, in which run, and how."""

    row: Row
    side: Side
    run: int
    tls: bool
    seconds: float
    patience: float = 0.0


def measure(stage: Stage, turn: Turn) -> Measurement:
    """Measure a row once. WrongAnswer: some answer was not what it had to be."""
    with stage.prepared(turn.row, turn.side, tls=turn.tls) as (server, ground):
        return measure_prepared(server, ground, turn)


def measure_prepared(server: Server, ground: Ground, turn: Turn) -> Measurement:
    """Load a server that is prepared, and see what it and the load use."""
    os.sync()  # what earlier measurements left to be written does not burden this one
    MachineTime.wait_until_quiet(turn.patience)
    resources.reset_peak(server.pid)
    machine, cpu = MachineTime.now(), resources.cpu_seconds(server.pid)
    outcome: Outcome = turn.row.load.run(ground, turn.seconds)
    time.sleep(SETTLE_SECONDS)
    server_cpu = resources.cpu_seconds(server.pid) - cpu
    others = MachineTime.now().share_since(machine, server_cpu + outcome.client_cpu)
    return Measurement(
        row=turn.row.key,
        side=turn.side.name,
        run=turn.run,
        tls=turn.tls,
        amount=outcome.amount,
        seconds=outcome.seconds,
        server_cpu=server_cpu,
        client_cpu=outcome.client_cpu,
        peak_bytes=resources.peak_bytes(server.pid),
        others=others,
    )
