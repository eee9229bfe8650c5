"""The worker's loop: claims a job, has it done, settles it, until it is stopped.

Jobs are done in a thread of its own at the lowest priority. The database is written by the thread that calls `run`,
which keeps its priority: a thread that waits for a processor while it holds the database would make pushes wait.
"""

import contextlib
import errno
import os
import queue
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable

import structlog

from orlop.contents.giving_way import give_way
from orlop.contents.stopping import Stopped
from orlop.database import jobs
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.jobs import Job
from orlop.domain.errors import Busy, OrlopError, StorageFull, Unavailable
from orlop.worker.handlers import Handlers
from orlop.worker.memory import give_back_memory
from orlop.worker.outcomes import ATTEMPTS, Ended, Outcome, failure, name_of, settle

log = structlog.get_logger("orlop.worker")

LEASE = 60_000
"""Milliseconds for which a job is claimed at a time; a worker that lives renews that each third of it."""
POLL = 0.25
"""Seconds between two looks for a job, and for the word to stop."""
GRACE = 1.5
"""Seconds that a job gets to end after that word."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
FULL = 120_000
"""Milliseconds of pause where the disk is full."""
LONG = 1.0
"""Seconds after which a job may have taken much memory."""
TROUBLE = 5.0
"""Seconds of pause where the database cannot be written."""


class Loop:
    """Takes jobs one at a time. `stop` may be called by any thread, or in a signal's handler."""

    def __init__(
        self,
        database: Database,
        handlers: Handlers,
        tell: Callable[[Ended], None] = lambda ended: None,
        *,
        yielding: bool = True,
        lease: int = LEASE,
    ) -> None:
        """`tell` hears of each job; `yielding`: the work has the lowest priority."""
        self._database = database
        self._handlers = handlers
        self._tell = tell
        self._yielding = yielding
        self._lease = lease
        self._name = name_of(os.getpid()) + secrets.token_hex(4)
        self._stopping = threading.Event()
        self._given: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._outcome: Outcome | None = None
        self._done = threading.Event()
        self.abandoned = False
        """Whether something is being done yet, for nobody, since it did not end when it was told to."""
        self._put_off: set[int] = set()
        self.outage = ""
        """What jobs were put off for, where that says nothing of them and may last; empty when they were done."""

    def stop(self) -> None:
        """Ends `run` within two seconds. What it is at is given back."""
        self._stopping.set()
        self._handlers.stop()

    def run(self, *, idle: float | None = None, until_done: bool = False) -> None:
        """Until `stop`, or until there was nothing to do for `idle` seconds, or, `until_done`, until nothing is left,
        or nothing that can be done during an `outage`.

        OrlopError, OSError of the database are waited out.
        """
        since = time.monotonic()
        try:
            while not self._stopping.is_set():
                try:
                    worked = self._turn()
                except (OrlopError, OSError, sqlite3.Error) as error:
                    log.warning("the database cannot be written: waiting", reason=str(error))
                    self._stopping.wait(TROUBLE)
                    continue
                if worked:
                    since = time.monotonic()
                elif self._is_over(time.monotonic() - since, idle, until_done=until_done):
                    return
                else:
                    self._stopping.wait(POLL)
        finally:
            if self._thread is not None:
                self._given.put(None)
                self._thread = None

    def _is_over(self, waited: float, idle: float | None, *, until_done: bool) -> bool:
        if until_done and (self.outage or jobs.next_at(self._database.reader()) is None):
            return True
        return idle is not None and waited >= idle

    def _turn(self) -> bool:
        """Everything that is due; whether there was any."""
        if not _is_due(self._database.reader()):
            return False
        job = self._database.write(lambda connection: jobs.claim(connection, self._name, self._lease))
        worked = job is not None
        while job is not None:
            job = self._settle(job, *self._attempt(job))
        return worked

    def _attempt(self, job: Job) -> tuple[Outcome, float]:
        """How it ends, and the seconds that took."""
        begun = time.monotonic()
        if job.attempts > ATTEMPTS:  # whoever had it last did not live to say how it ended
            return Outcome("failed", f"it was begun {ATTEMPTS} times, and no worker came to its end"), 0.0
        return self._done_by_thread(job), time.monotonic() - begun

    def _settle(self, job: Job, outcome: Outcome, seconds: float) -> Job | None:
        """Records how it ended, and claims the next one with the same commit."""

        def unit(connection: Connection) -> tuple[Outcome, Job | None]:
            ended = settle(connection, job, outcome)
            return ended, None if self._stopping.is_set() else jobs.claim(connection, self._name, self._lease)

        ended, following = self._database.write(unit)
        self._note_outage(job, ended)
        self._log(job, ended, seconds)
        self._tell(Ended(job.kind, job.subject, ended.what, ended.reason, seconds))
        return following

    def _note_outage(self, job: Job, ended: Outcome) -> None:
        if ended.outage:
            self._put_off.add(job.id)
            self.outage = ended.reason
        else:
            self._put_off.discard(job.id)
            if not self._put_off:
                self.outage = ""

    def _done_by_thread(self, job: Job) -> Outcome:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="worker", daemon=True)
            self._thread.start()
        self._done.clear()
        self._given.put(job)
        renewed = time.monotonic()
        told = 0.0
        while not self._done.wait(POLL):
            now = time.monotonic()
            if self._stopping.is_set():
                told = told or now
                if now - told > GRACE:
                    self.abandoned = True
                    return Outcome("put off")
            elif now - renewed > self._lease / 3000:
                renewed = now
                self._renew(job)
        assert self._outcome is not None
        return self._outcome

    def _renew(self, job: Job) -> None:
        """Where it is too late another worker has the job: both make the same of it."""
        with contextlib.suppress(OrlopError, OSError):
            self._database.write(lambda connection: jobs.renew(connection, job, self._lease))

    def _work(self) -> None:
        if self._yielding:
            give_way()
        while (job := self._given.get()) is not None:
            begun = time.monotonic()
            self._outcome = self._result(job)
            self._done.set()
            if time.monotonic() - begun > LONG:
                give_back_memory()

    def _result(self, job: Job) -> Outcome:
        try:
            return self._handlers.run(job)
        except Stopped:
            return Outcome("put off")
        except Exception as error:  # noqa: BLE001  # whatever it is, it ends this attempt alone
            if isinstance(error, StorageFull) or getattr(error, "errno", None) in NO_ROOM:
                # No failure of what was asked for, which would be given up: it goes on when there is room again.
                log.warning("there is no room for what is in images: waiting", subject=job.subject, reason=str(error))
                return Outcome("put off", str(error), FULL, outage=True)
            told = str(error) or type(error).__name__
            known = isinstance(error, OrlopError | OSError)
            outage = isinstance(error, OSError | Unavailable | Busy)
            return failure(job, told if known else f"{type(error).__name__}: {told}", outage=outage)

    def _log(self, job: Job, ended: Outcome, seconds: float) -> None:
        more = {"reason": ended.reason} if ended.reason else {}
        tell = {"failed": log.error, "again": log.warning, "put off": log.debug}.get(ended.what, log.info)
        tell(job.kind, subject=job.subject, outcome=ended.what, seconds=round(seconds, 3), **more)


def _is_due(connection: Connection) -> bool:
    at = jobs.next_at(connection)
    return at is not None and at <= connection.now()
