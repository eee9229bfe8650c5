"""`python -m tests.bench`: the command line of the benchmark."""

import argparse
import datetime
import fnmatch
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from tests.bench import wrk
from tests.bench.errors import BenchError
from tests.bench.figures import FIGURES, Figure
from tests.bench.machine import Machine, commit
from tests.bench.measurements import Stage
from tests.bench.report import Report
from tests.bench.rows import ROWS, Row
from tests.bench.session import ORLOP, PEER, TLS_RUNS, Session, keep, say
from tests.bench.workspace import Workspace

WIDTH = 190  # of the table where there is no terminal


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.bench", description="Orlop beside Debian's docker-registry.")
    add = parser.add_argument
    add("--runs", type=int, default=5, help="interleaved runs of each row (5)")
    add("--seconds", type=float, default=5.0, help="duration of a load of small requests (5)")
    add("--quick", action="store_true", help="two runs, two seconds")
    add("--tls", action="store_true", help=f"the same over TLS too, at most {TLS_RUNS} runs")
    add("--only", metavar="PATTERN", action="append", help="rows whose key or title has it (also with * and ?)")
    add("--list", action="store_true", help="name the rows and stop")
    add("--patience", type=float, default=0.0, metavar="SECONDS", help="wait so long for an idle machine, each time")
    add("--dir", type=Path, help="where the temporary data go (build/bench in the checkout)")
    add("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")
    add("--readme", type=Path, metavar="FILE", help="put the tables between this file's bench markers")
    add("--json", type=Path, metavar="FILE", help="write all raw figures")
    add("--keep", action="store_true", help="load Orlop with the one row of --only until ^C, for a profiler")
    options = parser.parse_args(words)
    if options.quick:
        options.runs, options.seconds = min(options.runs, 2), min(options.seconds, 2.0)
    if options.runs < 1 or options.seconds < 1:
        parser.error("--runs and --seconds are at least 1")
    return options


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark: 0 if all was measured, 1 if something is void or missing, 130 on ^C."""
    options = _arguments(words)
    if options.list:
        everything: Sequence[Row | Figure] = (*ROWS, *FIGURES)
        print(*(f"{each.key:20} {each.title}" for each in everything), sep="\n")
        return 0
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _interrupt)
    try:
        return _measure(options)
    except KeyboardInterrupt as interrupt:
        say(f"interrupted by {interrupt}: the servers are stopped, the data are removed")
        return 130
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


def _interrupt(received: int, _: FrameType | None) -> None:
    """Stop in order, once: a second ^C must not leave servers or data behind."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt(signal.Signals(received).name)


def _measure(options: argparse.Namespace) -> int:
    rows = [row for row in ROWS if _is_chosen(row, options.only)]
    wanted = [figure for figure in FIGURES if _is_chosen(figure, options.only)]
    if not rows and not wanted:
        raise BenchError(f"no row matches {' or '.join(options.only)}: see --list")
    if options.keep and len(rows) != 1:
        raise BenchError(f"--keep takes one row, and --only leaves {len(rows)}: see --list")
    _require_programs()
    with Workspace(options.dir) as workspace:
        stage = Stage(workspace)
        if options.keep:
            keep(stage, rows[0], options.seconds)
            return 0
        report = _report(stage, rows, options.seconds)
        session = Session(stage, report, options.patience)
        for number in range(options.runs):
            session.run(rows, wanted, number, tls=options.tls)
            say(f"run {number + 1} of {options.runs} is done")
    report.print(Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH))
    report.write(options.markdown, options.json, options.readme)
    return 1 if report.voids else 0


def _is_chosen(each: Row | Figure, patterns: Sequence[str] | None) -> bool:
    texts = (each.key.lower(), each.title.lower())
    return not patterns or any(
        pattern.lower() in text or fnmatch.fnmatch(text, pattern.lower()) for pattern in patterns for text in texts
    )


def _require_programs() -> None:
    wrk.find()
    for side in (ORLOP, PEER):
        side.version()
    if not shutil.which("setpriv"):
        raise BenchError("setpriv is not installed: apt-get install util-linux")


def _report(stage: Stage, rows: Sequence[Row], seconds: float) -> Report:
    return Report(
        rows=rows,
        machine=Machine.of(stage.workspace.root),
        commit=commit(),
        versions={side.title: side.version() for side in (ORLOP, PEER)},
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
