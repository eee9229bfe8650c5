"""What a figure is, and the table of them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench.tables import Table


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    title: str
    value: float
    unit: str
    goal: float
    at_least: bool = False
    """The goal is the least that is wanted, not the most."""
    note: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def table(figures: Sequence[Figure]) -> Table:
    return Table(["Looking inside", "", "Goal", "On what"], [_cells(figure) for figure in figures])


def median_ms(ask: Callable[[], object], times: int = 21) -> float:
    """Milliseconds of one call, the median of many after a first one."""
    ask()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def _cells(figure: Figure) -> list[str]:
    sign = "≥" if figure.at_least else "≤"
    mark = "✓" if figure.met else "✗"
    return [
        figure.title,
        f"{_number(figure.value)} {figure.unit}",
        f"{sign} {_number(figure.goal)} {figure.unit} {mark}",
        figure.note,
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.2g}" if value >= 1 else f"{value:.2f}"
