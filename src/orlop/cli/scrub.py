"""`orlop scrub`."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import click
import msgspec

from orlop import telemetry
from orlop.app import milliseconds
from orlop.cli.columns import size
from orlop.cli.failure import FAILED
from orlop.cli.settings import settings_options
from orlop.cli.store import open_store
from orlop.config import Settings
from orlop.maintenance.pace import Pace, Stopped
from orlop.maintenance.scrub import Finding, Options, Report, Scrub, State


@click.command("scrub", short_help="Check all content, and repair what is damaged.")
@settings_options("data", "storage.url", "database.url", "scrub.rate")
@click.option("--repair", is_flag=True, help="Bring in order what is found.")
@click.option("--restart", is_flag=True, help="Begin anew, where an earlier scrub was ended before its end.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(settings: Settings, repair: bool, restart: bool, as_json: bool) -> None:
    """Read everything that is stored, and compare it with its digests and with the database.

    A server may run meanwhile. A scrub that was ended goes on where it was. With --repair, damaged content goes to
    `quarantine` in the store and is answered as absent, so that clients send it again; what tree and database do not
    agree on is brought in order. Exit code 1: something is wrong, and was not repaired.
    """
    telemetry.configure(settings.log.format, settings.log.level)
    options = Options(
        folder=Path(settings.data),
        lease=milliseconds(settings.limits.lease),
        rate=settings.scrub.rate,
        sparse=settings.limits.sparse,
        repair=repair,
        restart=restart,
        contents=settings.contents.enabled,
    )
    pace = Pace(options.rate)
    with open_store(settings) as (storage, database):
        scrub = Scrub(storage, database, options, pace)
        try:
            with _stopping(pace), _progress() as scrub.on_progress:
                report = scrub.run()
        except Stopped:
            click.echo("orlop: interrupted: run it again, and it goes on where it was", err=True)
            raise click.Abort from None
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        _tell(report)
    if report.left:
        sys.exit(FAILED)


@contextlib.contextmanager
def _stopping(pace: Pace) -> Iterator[None]:
    """Ends the scrub where it can go on; a second signal ends it there and then."""

    def stop(number: int, frame: FrameType | None) -> None:
        pace.stop()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[State], None]]:
    """A bar, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda state: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("scrub", total=None)

        def show(state: State) -> None:
            doing = "waiting, to look again" if state.waits else state.phase
            # Other content than the database knows of is read too, and some twice.
            total = max(state.total_bytes, state.bytes)
            bar.update(task, description=f"{doing}, {state.found} found", completed=state.bytes, total=total)

        yield show


def _tell(report: Report) -> None:
    rate = report.bytes / report.seconds / 1e6 if report.seconds else 0.0
    click.echo(f"Read {report.objects} objects, {size(report.bytes)} in {report.seconds:.1f} s ({rate:.1f} MB/s).")
    for finding in report.findings:
        _tell_finding(finding)
    if report.untold:
        click.echo(f"And {report.untold} more, of which only the number was kept.")
    if report.found:
        counts = ", ".join(f"{count} {kind}" for kind, count in report.found.items())
        click.echo(f"Found: {counts}. Repaired: {report.repaired}, left: {report.left}.")
    if report.lost:
        click.echo(f"Known to be lost, until they are pushed again: {report.lost}.")
    if report.left and not report.repair:
        click.echo("Nothing was changed: `orlop scrub --repair` brings it in order.")
    elif not report.found:
        click.echo("Nothing is wrong." if not report.lost else "Nothing else is wrong.")


def _tell_finding(finding: Finding) -> None:
    where = f" ({finding.path})" if finding.path not in ("", finding.name) else ""
    click.echo(f"{finding.kind}: {finding.name}{where}: {finding.detail}")
    if finding.affects:
        click.echo(f"    affects {', '.join(finding.affects)}")
    if finding.done:
        click.echo(f"    {finding.done}")
    if finding.heals:
        click.echo(f"    {finding.heals}")
