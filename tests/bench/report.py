"""Everything that one benchmark found, and the forms in which it is handed over."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.bench import tables
from tests.bench.errors import BenchError
from tests.bench.figures import Reading
from tests.bench.machine import Machine
from tests.bench.measurements import Measurement
from tests.bench.rows import Row
from tests.bench.summaries import Summary, summarise, summarise_figures

NOISY = 0.25


@dataclass
class Report:
    """Raw figures as they come in; `voids` names what could not be measured, and why."""

    rows: Sequence[Row]
    machine: Machine
    commit: str
    versions: dict[str, str]
    started: str
    seconds: float
    measurements: list[Measurement] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    voids: dict[str, str] = field(default_factory=dict)

    def summaries(self) -> list[Summary]:
        """One for each row that both sides got through, plain first."""
        found = [summarise(row, self.measurements, tls=tls) for tls in (False, True) for row in self.rows]
        return [summary for summary in found if summary]

    def print(self, console: Console) -> None:
        for table in self._tables():
            table.print(console)
        console.print(self._notes())
        for line in self._warnings():
            console.print(f"[bold red]{line}[/]", highlight=False)

    def markdown(self) -> str:
        """The tables and their notes; rows that are void are named."""
        warnings = "".join(f"\n{line}\n" for line in self._warnings())
        return "\n".join([*(table.markdown() for table in self._tables()), f"{self._notes()}\n"]) + warnings

    def json(self) -> str:
        """All raw figures and what they come to."""
        return json.dumps(self._document(), indent=1, ensure_ascii=False) + "\n"

    def write(self, markdown: Path | None, json_file: Path | None, readme: Path | None) -> None:
        """Write the files that are asked for. BenchError: a README gets no table while rows are void."""
        if json_file:
            json_file.write_text(self.json())
        if markdown:
            markdown.write_text(self.markdown())
        if readme and self.voids:
            raise BenchError(f"{readme} is left as it was: {len(self.voids)} rows are void")
        if readme:
            tables.insert(readme, self.markdown())

    def _tables(self) -> list[tables.Table]:
        found = [tables.of_rows(self.summaries()), tables.of_figures(summarise_figures(self.readings))]
        return [table for table in found if table.rows]

    def _notes(self) -> str:
        runs, tls_runs = (len({each.run for each in self.measurements if each.tls == tls}) for tls in (False, True))
        runs = runs or len({each.run for each in self.readings})
        return tables.notes(runs, tls_runs, str(self.machine), self.commit)

    def _warnings(self) -> list[str]:
        lines = [f"VOID: {what}: {' '.join(why.splitlines()[:2])}" for what, why in self.voids.items()]
        noisy = [each for each in self.measurements if each.others > NOISY]
        if noisy:
            worst = max(each.others for each in noisy)
            lines.append(
                f"{len(noisy)} of {len(self.measurements)} measurements shared the machine: other programs and the "
                f"kernel took up to {worst:.0%} of all cores."
            )
        return lines

    def _document(self) -> dict[str, Any]:
        return {
            "commit": self.commit,
            "machine": asdict(self.machine),
            "versions": self.versions,
            "started": self.started,
            "seconds": self.seconds,
            "measurements": [asdict(each) for each in self.measurements],
            "readings": [asdict(each) for each in self.readings],
            "voids": self.voids,
            "rows": [_row_document(summary) for summary in self.summaries()],
            "figures": [asdict(each) for each in summarise_figures(self.readings)],
        }


def _row_document(summary: Summary) -> dict[str, Any]:
    return {
        "row": summary.row.key,
        "title": summary.row.title,
        "tls": summary.tls,
        "unit": summary.row.unit.name.lower(),
        "ratio": summary.ratio,
        "lowest": summary.lowest,
        "highest": summary.highest,
        "goal": summary.row.goal,
        "goal_met": summary.goal_met,
        "cpu_goal": summary.row.cpu_goal,
        "cpu_goal_met": summary.cpu_goal_met,
        "orlop": asdict(summary.orlop),
        "peer": asdict(summary.peer),
    }
