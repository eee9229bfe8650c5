"""What a server does now and then, beside its requests."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol, Self

import msgspec
import structlog

from orlop import telemetry
from orlop.contents import backlog
from orlop.database import jobs, leases, outbox
from orlop.domain.errors import Busy
from orlop.maintenance import identity
from orlop.web.edge import Edge

log = structlog.get_logger("orlop.housekeeping")

SOON = 1.0
"""Seconds from the start to each chore's first turn: a process before this one may have been killed."""
LATER = 60.0
"""Seconds from the start to the first turn of what is long."""


class Chore(NamedTuple):
    """Something that is done every `seconds`; it runs in a thread unless it is the loop's own."""

    name: str
    seconds: float
    do: Callable[[], object]
    long: bool = False
    """It may take minutes, and so has a thread of its own."""


class Worker(Protocol):
    """Does the jobs, beside the server."""

    def look(self) -> None:
        """Sees to it that somebody does what is to be done. Called each second."""

    def stop(self) -> None:
        """Ends it, within some seconds."""


class Record(NamedTuple):
    """How a chore last went: for `/api/v1/status`."""

    at: float
    seconds: float
    error: str


class Housekeeping:
    """Runs the chores while its block lasts. A chore that fails is logged and tried again at its next turn."""

    def __init__(self, edge: Edge, cut_slow_headers: Callable[[float], None], worker: Worker | None) -> None:
        app = edge.app
        self._edge = edge
        self._cut: Callable[[], None] = lambda: cut_slow_headers(app.settings.limits.header_timeout)
        self.chores: tuple[Chore, ...] = (
            Chore("sync names", 1.0, self._sync_names),
            Chore("record pulls", 60.0, app.pulls.flush),
            Chore("end uploads", 60.0, self._end_uploads),
            Chore("expire leases", 600.0, self._expire_leases),
            Chore("write refusals", 1.0, app.refusals.flush),
            Chore("trim audit", 600.0, app.audit.trim),
        )
        if app.settings.gc.interval:
            self.chores += (Chore("collect", app.settings.gc.interval, self._collect, long=True),)
        access = app.access
        if access is not None:
            self.chores += (
                Chore("look at accounts", 0.5, access.sign_in.look),
                Chore("record tokens", 60.0, access.sign_in.flush),
                Chore("expire tokens", 3600.0, access.accounts.expire_tokens),
            )
        if app.index is not None:
            self.chores += (
                Chore("ask for images", 1.0, self._ask_for_images),
                Chore("count jobs", 5.0, self._count_jobs),
            )
        self._worker = worker
        if worker is not None:
            self.chores += (Chore("start the worker", 1.0, worker.look),)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._repeat(chore)) for chore in self.chores]
        self._tasks.append(asyncio.create_task(self._watch_headers()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._edge.app.collection.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._worker is not None:
            await self._edge.call(self._worker.stop)
        await self._edge.call(self._edge.app.refusals.flush)

    async def _repeat(self, chore: Chore) -> None:
        pause = min(chore.seconds, LATER if chore.long else SOON)
        while True:
            await asyncio.sleep(pause)
            pause = chore.seconds
            started = time.time()
            error = ""
            try:
                await (self._edge.maintain(chore.do) if chore.long else self._edge.call(chore.do))
            except Exception as failure:  # noqa: BLE001  # the next turn may go better
                error = str(failure) or type(failure).__name__
                log.error("a chore failed", chore=chore.name, reason=error)
            self._edge.chores[chore.name] = Record(started, time.time() - started, error)

    async def _watch_headers(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._cut()

    def _end_uploads(self) -> None:
        self._edge.app.clock.now()
        self._edge.app.uploads.expire()

    def _expire_leases(self) -> None:
        self._edge.app.clock.now()
        self._edge.app.database.write(leases.expire)

    def _collect(self) -> None:
        try:
            run = self._edge.app.collection.continue_()
        except Busy:
            log.info("another process collects just now")
            return
        if run is not None and (run.totals.blobs or run.totals.manifests):
            log.info("collected", **msgspec.structs.asdict(run.totals))

    def _ask_for_images(self) -> None:
        app = self._edge.app
        if app.index is not None:
            backlog.check(app.database, app.index)

    def _count_jobs(self) -> None:
        for state, count in jobs.counts(self._edge.app.database.reader())._asdict().items():
            telemetry.JOBS.labels(state).set(count)

    def _sync_names(self) -> None:
        app = self._edge.app
        if app.names.drain():
            identity.mark(app.storage, app.database)
        telemetry.OUTBOX.set(outbox.size(app.database.reader()))
