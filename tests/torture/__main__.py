"""`python -m tests.torture`: the command line of the torture."""

import argparse
import platform
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tests.bench.machine import Machine, commit
from tests.torture.figures import Figures
from tests.torture.harness import Row, Run
from tests.torture.report import put, table
from tests.torture.rows import ROWS

BUILD = Path(__file__).parents[2] / "build"


def main(words: Sequence[str] | None = None) -> int:
    """Runs rows, and prints a line of JSON for each: 0 if all held, 1 if not, 130 on ^C."""
    options = arguments(words)
    if options.list:
        print(*(f"{row.key:14} {row.title}; {_amounts(row.amounts)}" for row in ROWS), sep="\n")
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        found = [line for row in ROWS if not options.row or row.key in options.row for line in perform(row, options)]
    except KeyboardInterrupt:
        return 130
    if options.json:
        options.json.write_text("".join(f"{figures.line()}\n" for figures in found))
    if options.write:
        put("figures", table(found))
    return 0 if all(figures.verdict in ("held", "for comparison") for figures in found) else 1


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.torture", description="Orlop under faults, load and bad input.")
    add = parser.add_argument
    add(
        "--row",
        metavar="KEY",
        action="append",
        choices=[row.key for row in ROWS],
        help="only this row; may be repeated",
    )
    add("--seed", help="that of an earlier run; else a new one")
    add("--scale", type=float, default=1.0, metavar="N", help="so many times the amounts, and the time")
    add("--quick", action="store_true", help="all rows in about two minutes")
    add("--list", action="store_true", help="name the rows and stop")
    add("--dir", type=Path, help="where the temporary data go (build in the checkout)")
    add("--json", type=Path, metavar="FILE", help="write the lines there too")
    add("--write", action="store_true", help="put the figures into docs/torture.md")
    options = parser.parse_args(words)
    options.seed = options.seed or secrets.token_hex(4)
    return options


def perform(row: Row, options: argparse.Namespace) -> list[Figures]:
    """The row's line, and those of what was done beside it."""
    amounts = row.quick if options.quick else row.amounts
    seconds = (row.quick_seconds if options.quick else row.seconds) * options.scale
    folder = options.dir or BUILD
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(
        row, options.seed, Path(tempfile.mkdtemp(prefix=f"torture-{row.key}-", dir=folder)),
        {name: max(1, round(amount * options.scale)) for name, amount in amounts.items()},
        time.monotonic() + seconds,
    )  # fmt: skip
    machine = str(Machine.of(folder))
    found = [run.perform(), *run.more]
    for figures in found:
        figures.commit, figures.machine = commit(), machine
        figures.config = figures.config or f"{_amounts(run.amounts)}{', quick' if options.quick else ''}"
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr)
        print(figures.line(), flush=True)
    if run.failure:
        print(run.failure, file=sys.stderr)
    return found


def _amounts(amounts: object) -> str:
    assert isinstance(amounts, dict)
    return ", ".join(f"{name} {amount}" for name, amount in amounts.items())


def _interrupt(*_: int | FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    assert platform.system() == "Linux"
    sys.exit(main())
