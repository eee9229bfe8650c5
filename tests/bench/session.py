"""The order in which things are measured, and what is said meanwhile."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from tests.bench import figures
from tests.bench.errors import BenchError, WrongAnswer
from tests.bench.figures import Figure, Reading
from tests.bench.measurements import Measurement, Stage, Turn, measure, measure_prepared
from tests.bench.report import Report
from tests.bench.rows import ROWS, Row, Unit
from tests.bench.servers import DockerRegistry, Orlop, Side

TLS_RUNS = 3
CROWD_RUNS = 2
KEPT_BYTES = 8 << 30
ORLOP, PEER = Orlop(), DockerRegistry()

_progress = Console(stderr=True, highlight=False, soft_wrap=True)


def sides(run: int) -> Sequence[Side]:
    """Who goes first changes from run to run, so that a drift of the machine favours neither."""
    return (ORLOP, PEER) if run % 2 else (PEER, ORLOP)


@dataclass
class Session:
    """Measures into a report. What is void is said at once, is not measured again, and stands in the report."""

    stage: Stage
    report: Report
    patience: float

    def run(self, rows: Sequence[Row], wanted: Sequence[Figure], number: int, *, tls: bool) -> None:
        """One run: each row on both sides, one right after the other, then the figures of the process."""
        for over_tls in (False, True) if tls and number < TLS_RUNS else (False,):
            for row in rows:
                self._measure(row, number, tls=over_tls)
        for title, read in _readers(wanted, number):
            self._read(title, read, wanted, number)

    def _measure(self, row: Row, number: int, *, tls: bool) -> None:
        title = f"{row.title}, TLS" if tls else row.title
        for side in sides(number):
            measured = _row(row.peer_key) if side is PEER and row.peer_key else row
            turn = Turn(measured, side, number, tls, self.report.seconds, self.patience)
            if title in self.report.voids or self._is_measured(turn):
                continue
            try:
                found = measure(self.stage, turn)
            except BenchError as error:
                self._void(title, error)
            else:
                self.report.measurements.append(found)
                say(f"run {number + 1}  {title}  {side.title}: {describe(measured, found)}")

    def _is_measured(self, turn: Turn) -> bool:
        label = (turn.row.key, turn.side.name, turn.run, turn.tls)
        return any((each.row, each.side, each.run, each.tls) == label for each in self.report.measurements)

    def _read(self, title: str, read: "Reader", wanted: Sequence[Figure], number: int) -> None:
        keys = {figure.key for figure in wanted}
        for side in sides(number):
            if title in self.report.voids:
                return
            try:
                found = [reading for reading in read(self.stage, side, number) if reading.figure in keys]
            except BenchError as error:
                self._void(title, error)
            else:
                self.report.readings.extend(found)
                for reading in found:
                    say(f"run {number + 1}  {reading.figure}  {side.title}: {reading.value:.2f}")

    def _void(self, title: str, error: BenchError) -> None:
        self.report.voids[title] = str(error)
        what = "VOID" if isinstance(error, WrongAnswer) else "FAILED"
        _progress.print(f"{what}: {title}: {error}", style="bold red", markup=False)


Reader = Callable[[Stage, Side, int], Iterator[Reading]]


def _readers(wanted: Sequence[Figure], number: int) -> Iterator[tuple[str, Reader]]:
    if set(wanted) - {figures.CROWD_MEMORY}:
        yield "Start of the server", figures.read_start
    if figures.CROWD_MEMORY in wanted and number < CROWD_RUNS:
        yield figures.CROWD_MEMORY.title, figures.read_crowd


def _row(key: str) -> Row:
    return next(row for row in ROWS if row.key == key)


def keep(stage: Stage, row: Row, seconds: float) -> None:
    """Load Orlop with one row over and over, until ^C. BenchError: uploads would fill the disk."""
    with stage.prepared(row, ORLOP, tls=False) as (server, ground):
        say(f"Orlop is process {server.pid} at {server.target.url}, under load until ^C:")
        say(f"  py-spy record --native --pid {server.pid} --duration 10 --output {row.key}.svg")
        turn = Turn(row, ORLOP, 0, tls=False, seconds=seconds)
        while row.seed or _size(ground.data) < KEPT_BYTES:
            say(describe(row, measure_prepared(server, ground, turn)))
        raise BenchError(f"{KEPT_BYTES >> 30} GiB are pushed: start again")


def _size(folder: Path) -> int:
    return sum((Path(root) / name).lstat().st_size for root, _, names in os.walk(folder) for name in names)


def describe(row: Row, found: Measurement) -> str:
    """A measurement in one line."""
    if row.unit is Unit.BYTES:
        rate = f"{found.rate / 2**30:.2f} GiB/s, {found.server_cpu / found.amount * 2**30:.2f} CPU s/GiB"
    else:
        rate = f"{found.rate:,.0f}/s, {found.server_cpu / found.amount * 1e6:,.0f} µs CPU"
    return f"{rate}, peak {found.peak_bytes >> 20} MiB, load {found.client_share:.0%}, others {found.others:.0%}"


def say(line: str) -> None:
    """One line of progress, on stderr."""
    _progress.print(line, markup=False)
