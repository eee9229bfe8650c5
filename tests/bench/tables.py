"""The results as a table on the terminal and in Markdown: the same cells in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from tests.bench.contents import MIB
from tests.bench.errors import BenchError
from tests.bench.rows import Unit
from tests.bench.summaries import FigureSummary, Half, Summary

_NOTES = (
    "Medians of {runs} beside Debian's docker-registry 2.8.2 (descriptors cached in memory, logs off) on one disk; "
    "Orlop as shipped: durable, with logs and metrics. CPU seconds are the server's for each GiB or each 1,000 "
    "requests (or pushes), the peak is its resident memory, and the load is what the client took of one core beside "
    "Orlop. A goal counts as met (✓) within 15%. {machine}{commit}."
)

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


@dataclass(frozen=True)
class Table:
    """A heading and rows of the same length."""

    heading: Sequence[str]
    rows: Sequence[Sequence[str]]

    def print(self, console: Console) -> None:
        rich = RichTable(box=box.SIMPLE_HEAD)
        for number, title in enumerate(self.heading):
            rich.add_column(title, justify="right" if number else "left")
        for row in self.rows:
            rich.add_row(*row)
        console.print(rich)

    def markdown(self) -> str:
        lines = [self.heading, ["---", *["---:"] * (len(self.heading) - 1)], *self.rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def of_rows(summaries: Sequence[Summary]) -> Table:
    """The table of rates, with TLS beside it if it was measured."""
    plain = {summary.row.key: summary for summary in summaries if not summary.tls}
    tls = {summary.row.key: summary for summary in summaries if summary.tls}
    heading = [
        "",
        "Orlop",
        "2.8.2",
        "Ratio",
        "of runs",
        "Goal",
        "CPU s, Orlop",
        "2.8.2",
        "Peak MiB, Orlop",
        "2.8.2",
        "Load",
    ]
    keys = list(plain) or list(tls)
    cells = [_plain_cells(plain[key]) if plain else [tls[key].row.title] for key in keys]
    if tls:
        heading = (heading if plain else [""]) + ["TLS: Orlop", "2.8.2", "Ratio"]
        cells = [
            row + (_tls_cells(tls[key]) if key in tls else ["", "", ""]) for key, row in zip(keys, cells, strict=True)
        ]
    return Table(heading, cells)


def _plain_cells(summary: Summary) -> list[str]:
    orlop, peer = summary.orlop, summary.peer
    return [
        summary.row.title,
        _rate(summary, orlop),
        _rate(summary, peer),
        f"{summary.ratio:.1f}",
        f"{summary.lowest:.1f} to {summary.highest:.1f}",
        _goal(summary),
        f"{orlop.cpu:.2f}",
        f"{peer.cpu:.2f}",
        f"{orlop.peak_bytes / MIB:.0f}",
        f"{peer.peak_bytes / MIB:.0f}",
        f"{orlop.client:.0%}",
    ]


def _tls_cells(summary: Summary) -> list[str]:
    return [_rate(summary, summary.orlop), _rate(summary, summary.peer), f"{summary.ratio:.1f}"]


def _rate(summary: Summary, half: Half) -> str:
    return f"{half.rate / 2**30:.2f} GiB/s" if summary.row.unit is Unit.BYTES else f"{half.rate:,.0f}/s"


def _goal(summary: Summary) -> str:
    if summary.row.goal is None or summary.goal_met is None:
        return ""
    goal = f"{summary.row.goal:g} {_mark(summary.goal_met)}"
    if summary.row.cpu_goal is not None and summary.cpu_goal_met is not None:
        goal += f", {summary.row.cpu_goal:g} CPU s {_mark(summary.cpu_goal_met)}"
    return goal


def _mark(met: bool) -> str:
    return "✓" if met else "✗"


def of_figures(figures: Sequence[FigureSummary]) -> Table:
    """The table of the process's figures."""
    heading = ["Server process", "Orlop", "2.8.2", "Goal"]
    return Table(heading, [_figure_cells(figure) for figure in figures])


def _figure_cells(summary: FigureSummary) -> list[str]:
    unit = summary.figure.unit
    digits = 2 if unit == "s" else 0
    values = [f"{value:.{digits}f} {unit}" for value in (summary.orlop, summary.peer)]
    return [summary.figure.title, *values, f"{summary.figure.goal:g} {unit} {_mark(summary.goal_met)}"]


def notes(runs: int, tls_runs: int, machine: str, commit: str) -> str:
    """What a reader must know to read the tables."""
    return _NOTES.format(
        runs=f"{runs} interleaved runs{f' ({tls_runs} over TLS)' if tls_runs else ''}",
        machine=machine,
        commit=f"; commit {commit}" if commit else "",
    )


def insert(readme: Path, text: str, first: str = BEGIN, last: str = END) -> None:
    """Put `text` between the markers of `readme`. BenchError: they are not there, once and in order."""
    content = readme.read_text()
    before, begin, rest = content.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise BenchError(f"{readme} has no place for the table: add the lines {first} and {last}")
    readme.write_text(f"{before}{first}\n{text}{last}{after}")
