"""How a job ends, and what that comes to in the database."""

import random
import socket
from collections.abc import Callable
from typing import Literal, NamedTuple

from orlop.database import jobs
from orlop.database.connection import Connection
from orlop.database.jobs import Job

ATTEMPTS = 8
"""After so many a job is given up, until it is asked for again."""
FIRST_PAUSE = 1_000
LONGEST_PAUSE = 600_000
"""Milliseconds before the second attempt, and at most before a later one."""
OUTAGE = 3_600_000
"""The same where what it needs has been out of reach for all those attempts."""

What = Literal["ready", "unindexable", "gone", "put off", "again", "failed"]


class Outcome(NamedTuple):
    what: What
    reason: str = ""
    pause: int = 0
    """Milliseconds until it runs again, where it does."""
    layers: tuple[str, ...] = ()
    """Digests of layers that are to be read."""
    outage: bool = False
    """Whether it is put off for something that says nothing of what was asked for, and that may last."""
    then: "Callable[[Connection], Outcome] | None" = None
    """What is to be done where this is recorded, and says how it ends instead."""


class Ended(NamedTuple):
    """A job that came to its end, or to the end of an attempt."""

    kind: str
    subject: str
    what: str
    reason: str
    seconds: float


def name_of(pid: int) -> str:
    """How the name of a worker in that process, on this machine, begins."""
    return f"{socket.gethostname()}:{pid}:"


def failure(job: Job, reason: str, *, outage: bool = False) -> Outcome:
    """It did not go well: again after a pause, or never; where it was for an `outage`, for as long as that lasts."""
    if job.attempts < ATTEMPTS:
        return Outcome("again", reason, _about(min(LONGEST_PAUSE, FIRST_PAUSE << (job.attempts - 1))))
    if outage:
        return Outcome("put off", reason, _about(OUTAGE), outage=True)
    return Outcome("failed", reason)


def _about(milliseconds: int) -> int:
    return int(milliseconds * random.uniform(0.75, 1.25))


def settle(connection: Connection, job: Job, outcome: Outcome) -> Outcome:
    """Records it, in the caller's transaction; how it has ended."""
    if outcome.then is not None:
        outcome = outcome.then(connection)
    now = connection.now()
    for digest in outcome.layers:
        _ask_for(connection, job, digest)
    if outcome.what == "put off":
        jobs.defer(connection, job, now + outcome.pause, outcome.reason)
    elif outcome.what == "again":
        jobs.fail(connection, job, outcome.reason, retry_at=now + outcome.pause)
    elif outcome.what == "failed":
        jobs.fail(connection, job, outcome.reason, retry_at=None)
    else:
        jobs.finish(connection, job)
    if job.kind == "layer" and outcome.what not in ("again", "put off"):
        jobs.wake(connection, job.subject)
    return outcome


def _ask_for(connection: Connection, job: Job, digest: str) -> None:
    """A layer of an image. One that was given up is tried again only where the image was asked for again."""
    record = jobs.find(connection, "layer", digest)
    if record is None or (record.state == "failed" and not job.error):
        jobs.enqueue(connection, "layer", digest)
