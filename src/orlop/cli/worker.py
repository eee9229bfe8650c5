"""`orlop worker`."""

import contextlib
import os
import signal
import sys
import threading
from types import FrameType

import click

from orlop import telemetry
from orlop.app import index_path
from orlop.cli.columns import counted
from orlop.cli.progress import ProgressLine
from orlop.cli.settings import settings_options
from orlop.cli.store import open_store
from orlop.config import Settings
from orlop.contents import backlog
from orlop.contents.index import Index
from orlop.database import jobs
from orlop.database.engine import Database
from orlop.domain.errors import StoreRefused, Unavailable
from orlop.worker.assembly import loop_of
from orlop.worker.loop import Loop
from orlop.worker.outcomes import Ended
from orlop.worker.process import IDLE, report


@click.command("worker", short_help="Look into the images that were pushed.")
@settings_options("data", "storage.url", "database.url")
@click.option("--until-idle", is_flag=True, help="End when nothing is left to do.")
@click.option("--supervised", is_flag=True, help="End with standard input, and when idle; a server starts it so.")
def command(settings: Settings, until_idle: bool, supervised: bool) -> None:
    """Look into the images that were pushed: list what is in their layers, so that it can be shown and searched.

    A server does this by itself, by a process of its own, unless contents.worker is false. More of them may run beside
    it, here or with --until-idle after an import; each takes a layer at a time, at the lowest priority. Ctrl-C and
    SIGTERM end it at once: what it was at is begun again another time.
    """
    if not settings.contents.enabled:
        raise StoreRefused("contents.enabled is false, so that nothing asks a worker for anything: set it to true")
    # Where a person watches, one line tells how far it is.
    watched = until_idle and sys.stderr.isatty() and settings.log.level == "info"
    telemetry.configure(settings.log.format, "warning" if watched else settings.log.level)
    with open_store(settings) as (storage, database), contextlib.closing(Index(index_path(database))) as index:
        backlog.check(database, index)
        if until_idle:
            # Whoever asks for this has mended what was in the way, or wants to know.
            database.write(jobs.hasten)
        with ProgressLine() as line:
            tally = _Tally(database, line, supervised=supervised, shown=until_idle)
            loop = loop_of(settings, storage, database, index, tally.note)
            _heed(loop, supervised=supervised)
            loop.run(idle=IDLE if supervised else None, until_done=until_idle)
        if loop.abandoned:
            # Its commits are made; what it is at would take a while to notice that nobody wants it.
            os._exit(0)
        if until_idle:
            tally.report()
            tally.demand_nothing_left(loop.outage)


class _Tally:
    """What was done, told to whoever watches."""

    def __init__(self, database: Database, line: ProgressLine, *, supervised: bool, shown: bool) -> None:
        self._database = database
        self._line = line
        self._supervised = supervised
        self._shown = shown
        self._counts = {"image": 0, "layer": 0}

    def note(self, ended: Ended) -> None:
        if ended.what == "ready" and ended.kind in self._counts:
            self._counts[ended.kind] += 1
        if self._supervised:
            with contextlib.suppress(BrokenPipeError):
                sys.stdout.buffer.write(report(ended))
                sys.stdout.buffer.flush()
        if self._shown:
            left = jobs.counts(self._database.reader())
            done = sum(self._counts.values())
            self._line.tell("looking into images", "jobs", done, done + left.waiting + left.running)

    def report(self) -> None:
        failed = jobs.counts(self._database.reader()).failed
        click.echo(f"looked into {counted(self._counts['image'], 'image')}, {counted(self._counts['layer'], 'layer')}")
        if failed:
            click.echo(f"  {counted(failed, 'job')} failed: the log says why; the next push of the image tries again")

    def demand_nothing_left(self, outage: str) -> None:
        """Unavailable: there is, for this reason."""
        left = jobs.counts(self._database.reader()).waiting
        if outage and left:
            verb = "is" if left == 1 else "are"
            raise Unavailable(f"{counted(left, 'job')} {verb} left, and can be done when this is over: {outage}")


def _heed(loop: Loop, *, supervised: bool) -> None:
    """Ends on signals, and with standard input where a server has the other end."""

    def stop(number: int, frame: FrameType | None) -> None:
        loop.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    if supervised:
        threading.Thread(target=_end_with_input, args=(loop,), name="input", daemon=True).start()


def _end_with_input(loop: Loop) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    loop.stop()
