"""`python -m tests.torture.bugs`: whether the torture finds the bugs that were planted for it."""

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests import servers
from tests.bench.machine import commit
from tests.torture.bugs import planted
from tests.torture.bugs.planted import BUGS, Bug
from tests.torture.harness import Run
from tests.torture.report import put
from tests.torture.rows import ROWS

BUILD = Path(__file__).parents[3] / "build"
AMOUNTS = {
    "kills": 12,
    "cuts": 24,
    "ops": 8000,
    "writes": 2000,
    "cycles": 60,
    "requests": 3000,
    "mib": 96,
    "points": 30,
}
"""How far a row looks for a bug before it counts as missed."""
SECONDS = 75.0


class Outcome(NamedTuple):
    bug: Bug
    caught: bool
    seconds: float
    seed: str
    how: str


def main(words: Sequence[str] | None = None) -> int:
    """0 if every bug was caught."""
    parser = argparse.ArgumentParser("python -m tests.torture.bugs", description="Planted bugs: who finds them?")
    add = parser.add_argument
    add(
        "--bug",
        metavar="KEY",
        action="append",
        choices=[bug.key for bug in BUGS],
        help="only this one; may be repeated",
    )
    add("--seed", help="that of an earlier run; else a new one for each")
    add("--tries", type=int, default=2, metavar="N", help="so many runs of a row before a bug counts as missed (2)")
    add("--list", action="store_true", help="name the bugs and stop")
    add("--write", action="store_true", help="put the table into docs/torture.md")
    options = parser.parse_args(words)
    if options.list:
        print(*(f"{bug.key:18} {bug.title} ({bug.row})" for bug in BUGS), sep="\n")
        return 0
    outcomes = []
    for bug in BUGS:
        if not options.bug or bug.key in options.bug:
            outcomes.append(hunt(bug, options.seed, options.tries))
            print(_line(outcomes[-1]), flush=True)
    if options.write:
        write(outcomes)
    return 0 if all(outcome.caught for outcome in outcomes) else 1


def hunt(bug: Bug, seed: str | None, tries: int) -> Outcome:
    """Runs the row on servers that have the bug, until it is caught."""
    (row,) = (row for row in ROWS if row.key == bug.row)
    begun = time.monotonic()
    BUILD.mkdir(exist_ok=True)
    servers.in_front[:] = [sys.executable, str(Path(planted.__file__).absolute()), bug.key]
    try:
        for _ in range(tries):
            chosen = seed or secrets.token_hex(4)
            folder = Path(tempfile.mkdtemp(prefix=f"torture-{bug.key}-", dir=BUILD))
            amounts = {name: AMOUNTS[name] for name in row.amounts}
            run = Run(row, chosen, folder, amounts, time.monotonic() + SECONDS, keeps=False)
            verdict = run.perform().verdict
            if verdict.startswith("broken"):
                return Outcome(bug, True, time.monotonic() - begun, chosen, verdict)
        return Outcome(bug, False, time.monotonic() - begun, chosen, verdict)
    finally:
        servers.in_front.clear()


def write(outcomes: Sequence[Outcome]) -> None:
    """The table, into the documentation."""
    lines = ["| bug | row | | after | what it said |", "| --- | --- | --- | ---: | --- |"]
    for bug, caught, seconds, _, how in outcomes:
        told = how.removeprefix("broken: ").replace("|", "\\|")[:120]
        lines.append(f"| {bug.title} | {bug.row} | {'caught' if caught else '**missed**'} | {seconds:.0f} s | {told} |")
    caught = sum(outcome.caught for outcome in outcomes)
    lines += ["", f"{caught} of {len(outcomes)} caught, at commit {commit()}."]
    put("bugs", lines)


def _line(outcome: Outcome) -> str:
    bug, caught, seconds, seed, how = outcome
    return f"{bug.key:18} {bug.row:12} {'caught' if caught else 'MISSED'} {seconds:6.1f} s  seed {seed}  {how[:160]}"


if __name__ == "__main__":
    sys.exit(main())
