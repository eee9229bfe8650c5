"""Jobs: work that is done after the answer. Each is one row, however often it is asked for before it is done.

Whoever is in a transaction asks for a job in it; a worker claims one, and settles it when it has ended: finished,
failed or put off. A worker that dies leaves a claim that ends by itself. What is settled after that counts for nothing.
"""

from typing import Any, NamedTuple

from sqlalchemy import bindparam, case, delete, func, literal_column, select, update

from orlop.database.connection import Connection
from orlop.database.schema import jobs, manifest_references, manifests, repositories
from orlop.database.statement import Insert, Statement
from orlop.domain.manifest import IMAGE_CONFIGS

NEVER = 1 << 62
"""When a failed job runs."""
LONGEST_ERROR = 500


class Job(NamedTuple):
    """One that a worker has claimed."""

    id: int
    kind: str
    subject: str
    attempts: int
    """This one counts."""
    claimed_by: str
    revision: int
    error: str
    """Why it was put off or has failed the last time; empty where it was asked for anew."""


class Record(NamedTuple):
    state: str
    attempts: int
    run_at: int
    error: str


class Counts(NamedTuple):
    waiting: int
    running: int
    failed: int


_WAITING: Any = literal_column("'waiting'")
_RUNNING: Any = literal_column("'running'")


def _enqueue(insert: Insert) -> Any:
    statement = insert(jobs).values(
        kind=bindparam("kind"),
        subject=bindparam("subject"),
        state=_WAITING,
        attempts=literal_column("0"),
        run_at=bindparam("now"),
        claimed_by=literal_column("''"),
        revision=literal_column("1"),
        error=literal_column("''"),
        created_at=bindparam("now"),
    )
    # One that is running keeps its claim, and runs again afterwards: finding another revision, it is not done.
    running = jobs.c.state == _RUNNING
    return statement.on_conflict_do_update(
        index_elements=["kind", "subject"],
        set_={
            "state": case((running, jobs.c.state), else_=_WAITING),
            "attempts": case((running, jobs.c.attempts), else_=literal_column("0")),
            "run_at": case(
                (running, jobs.c.run_at),
                (jobs.c.run_at < statement.excluded.run_at, jobs.c.run_at),
                else_=statement.excluded.run_at,
            ),
            "revision": jobs.c.revision + literal_column("1"),
            "error": literal_column("''"),
        },
    )


_ENQUEUE = Statement(_enqueue)
_CLAIM = Statement(
    lambda _: (
        update(jobs)
        .where(
            jobs.c.id
            == select(jobs.c.id)
            .where(jobs.c.run_at <= bindparam("now"))
            .order_by(jobs.c.run_at, jobs.c.id)
            .limit(literal_column("1"))
            .with_for_update(skip_locked=True)  # SQLite's writers take turns anyway
            .scalar_subquery()
        )
        .values(
            state=_RUNNING,
            attempts=jobs.c.attempts + literal_column("1"),
            run_at=bindparam("until"),
            claimed_by=bindparam("worker"),
        )
        .returning(*[jobs.c[name] for name in Job._fields])
    )
)
_MINE = (jobs.c.id == bindparam("job"), jobs.c.state == _RUNNING, jobs.c.claimed_by == bindparam("worker"))
_RENEW = Statement(lambda _: update(jobs).where(*_MINE).values(run_at=bindparam("until")))
_DONE = Statement(lambda _: delete(jobs).where(*_MINE, jobs.c.revision == bindparam("seen")))
_END = (
    update(jobs)
    .where(*_MINE)
    .values(
        state=bindparam("to"),
        attempts=bindparam("count"),
        run_at=bindparam("at"),
        claimed_by=literal_column("''"),
        error=bindparam("reason"),
    )
)
_SETTLE = Statement(lambda _: _END.where(jobs.c.revision == bindparam("seen")))
_ANEW = Statement(lambda _: _END)
_WAKE = Statement(
    lambda _: (
        update(jobs)
        .where(
            jobs.c.kind == literal_column("'image'"),
            jobs.c.subject.in_(
                select(repositories.c.name + literal_column("' '") + manifests.c.digest)
                .select_from(
                    manifest_references.join(manifests, manifests.c.id == manifest_references.c.manifest_id).join(
                        repositories, repositories.c.id == manifests.c.repository_id
                    )
                )
                .where(manifest_references.c.digest == bindparam("digest"))
            ),
            jobs.c.state == _WAITING,
            jobs.c.run_at > bindparam("now"),
        )
        .values(run_at=bindparam("now"))
    )
)
_RELEASE = Statement(
    lambda _: (
        update(jobs)
        .where(jobs.c.state == _RUNNING, jobs.c.claimed_by.startswith(bindparam("name")))
        .values(run_at=bindparam("now"))
    )
)
_HASTEN = Statement(
    lambda _: (
        update(jobs).where(jobs.c.state == _WAITING, jobs.c.run_at > bindparam("now")).values(run_at=bindparam("now"))
    )
)
_NEXT = Statement(lambda _: select(jobs.c.run_at).order_by(jobs.c.run_at).limit(literal_column("1")))
_FIND = Statement(
    lambda _: select(*[jobs.c[name] for name in Record._fields]).where(
        jobs.c.kind == bindparam("kind"), jobs.c.subject == bindparam("subject")
    )
)
_COUNT = Statement(lambda _: select(jobs.c.state, func.count()).group_by(jobs.c.state))
_IMAGES = Statement(
    lambda _: (
        select(manifests.c.id, repositories.c.name, manifests.c.digest)
        .select_from(manifests.join(repositories, repositories.c.id == manifests.c.repository_id))
        .where(
            manifests.c.id > bindparam("after"),
            manifests.c.lost == literal_column("0"),
            manifests.c.config_media_type.in_([literal_column(f"'{kind}'") for kind in IMAGE_CONFIGS]),
        )
        .order_by(manifests.c.id)
        .limit(bindparam("count"))
    )
)
_DROP = Statement(
    lambda _: delete(jobs).where(jobs.c.kind == bindparam("kind"), jobs.c.subject == bindparam("subject"))
)


def enqueue(connection: Connection, kind: str, subject: str) -> None:
    """Asks for a job. One that waits goes on waiting, one that runs will run once more, one that failed waits anew."""
    connection.run(_ENQUEUE, kind=kind, subject=subject, now=connection.now())


def claim(connection: Connection, worker: str, lease: int) -> Job | None:
    """The job that has been due for longest, for this worker alone until `lease` milliseconds from now; or none."""
    now = connection.now()
    row = connection.one(_CLAIM, now=now, until=now + lease, worker=worker)
    return Job(*row) if row else None


def renew(connection: Connection, job: Job, lease: int) -> bool:
    """The claim goes on for `lease` milliseconds. False: it had ended, and another worker has the job."""
    return connection.run(_RENEW, job=job.id, worker=job.claimed_by, until=connection.now() + lease) == 1


def finish(connection: Connection, job: Job) -> None:
    """It is done, unless it was asked for again meanwhile."""
    if not connection.run(_DONE, job=job.id, worker=job.claimed_by, seen=job.revision):
        _begin_anew(connection, job)


def fail(connection: Connection, job: Job, error: str, *, retry_at: int | None) -> None:
    """It did not go well: it waits until `retry_at` (milliseconds since 1970); None: it is given up."""
    if retry_at is None:
        _settle(connection, job, "failed", job.attempts, NEVER, error)
    else:
        _settle(connection, job, "waiting", job.attempts, retry_at, error)


def defer(connection: Connection, job: Job, run_at: int, reason: str = "") -> None:
    """It is put off, which is no failure."""
    _settle(connection, job, "waiting", job.attempts - 1, run_at, reason)


def wake(connection: Connection, digest: str) -> int:
    """Lets images that wait for this layer run now; how many."""
    return connection.run(_WAKE, digest=digest, now=connection.now())


def hasten(connection: Connection) -> int:
    """Lets all that were put off, or wait for another attempt, run now; how many. Reads all jobs."""
    return connection.run(_HASTEN, now=connection.now())


def release(connection: Connection, name: str) -> int:
    """Ends the claims of workers whose names begin so: they are dead. How many. Reads all jobs."""
    return connection.run(_RELEASE, name=name, now=connection.now())


def next_at(connection: Connection) -> int | None:
    """When the next job may be begun, milliseconds since 1970; None: there is none but failed ones."""
    row = connection.one(_NEXT)
    return int(row[0]) if row and row[0] < NEVER else None


def find(connection: Connection, kind: str, subject: str) -> Record | None:
    row = connection.one(_FIND, kind=kind, subject=subject)
    return Record(*row) if row else None


def drop(connection: Connection, kind: str, subject: str) -> None:
    connection.run(_DROP, kind=kind, subject=subject)


def counts(connection: Connection) -> Counts:
    """How many there are. Reads all of them."""
    found = {row[0]: int(row[1]) for row in connection.all(_COUNT)}
    return Counts(*[found.get(state, 0) for state in Counts._fields])


def page_of_images(connection: Connection, after: int, count: int) -> list[tuple[int, str, str]]:
    """Row ids, repositories and digests of up to `count` image manifests after that row id."""
    return [(row[0], row[1], row[2]) for row in connection.all(_IMAGES, after=after, count=count)]


def _settle(connection: Connection, job: Job, state: str, attempts: int, run_at: int, reason: str) -> None:
    ended = {"to": state, "count": attempts, "at": run_at, "reason": reason[:LONGEST_ERROR]}
    if not connection.run(_SETTLE, job=job.id, worker=job.claimed_by, seen=job.revision, **ended):
        _begin_anew(connection, job)


def _begin_anew(connection: Connection, job: Job) -> None:
    """It was asked for again meanwhile. Where the claim has ended, nothing happens."""
    ended = {"to": "waiting", "count": 0, "at": connection.now(), "reason": ""}
    connection.run(_ANEW, job=job.id, worker=job.claimed_by, **ended)
