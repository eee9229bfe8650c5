"""What the runs of one row come to: medians, the ratio between the sides, its spread, and whether the goal is met."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.bench.figures import FIGURES, Figure, Reading
from tests.bench.measurements import Measurement
from tests.bench.rows import Row

TOLERANCE = 0.15  # a goal counts as met within this share of it


@dataclass(frozen=True)
class Half:
    """The medians of one side in one row; the peak is the highest of all runs."""

    rate: float
    cpu: float
    """CPU seconds of the server for each GiB or each 1,000 requests."""
    peak_bytes: int
    client: float
    others: float

    @classmethod
    def of(cls, row: Row, measurements: Sequence[Measurement]) -> "Half":
        def median(value: Callable[[Measurement], float]) -> float:
            return statistics.median(value(each) for each in measurements)

        return cls(
            rate=median(lambda each: each.rate),
            cpu=median(lambda each: each.server_cpu / each.amount * row.unit.value),
            peak_bytes=max(each.peak_bytes for each in measurements),
            client=median(lambda each: each.client_share),
            others=max(each.others for each in measurements),
        )


@dataclass(frozen=True)
class Summary:
    """One row, plain or over TLS: `ratio` is that of the medians, `lowest` and `highest` are those of single runs."""

    row: Row
    tls: bool
    orlop: Half
    peer: Half
    lowest: float
    highest: float

    @property
    def ratio(self) -> float:
        return self.orlop.rate / self.peer.rate

    @property
    def goal_met(self) -> bool | None:
        """None: the row has no goal (none has over TLS)."""
        if self.row.goal is None or self.tls:
            return None
        return self.ratio >= self.row.goal * (1 - TOLERANCE)

    @property
    def cpu_goal_met(self) -> bool | None:
        if self.row.cpu_goal is None or self.tls:
            return None
        return self.orlop.cpu <= self.row.cpu_goal * (1 + TOLERANCE)


def summarise(row: Row, measurements: Iterable[Measurement], *, tls: bool) -> Summary | None:
    """The summary of a row's measurements; None unless both sides have some."""
    mine, peers = {}, {}
    for each in measurements:
        if each.tls == tls and each.side == "orlop" and each.row == row.key:
            mine[each.run] = each
        elif each.tls == tls and each.side == "peer" and each.row == (row.peer_key or row.key):
            peers[each.run] = each
    runs = mine.keys() & peers.keys()
    if not runs:
        return None
    ratios = [mine[run].rate / peers[run].rate for run in runs]
    orlop, peer = (Half.of(row, [side[run] for run in runs]) for side in (mine, peers))
    return Summary(row, tls, orlop, peer, min(ratios), max(ratios))


@dataclass(frozen=True)
class FigureSummary:
    """One figure of the process: medians of both sides."""

    figure: Figure
    orlop: float
    peer: float

    @property
    def goal_met(self) -> bool:
        return self.orlop <= self.figure.goal * (1 + TOLERANCE)


def summarise_figures(readings: Sequence[Reading]) -> list[FigureSummary]:
    """Those figures that were read on both sides."""
    found = []
    for figure in FIGURES:
        sides = [
            [each.value for each in readings if each.figure == figure.key and each.side == side]
            for side in ("orlop", "peer")
        ]
        if all(sides):
            found.append(FigureSummary(figure, *(statistics.median(values) for values in sides)))
    return found
