"""Jobs: asked for any number of times, done once, by one worker at a time, also where workers die."""

import threading
from typing import Any

from orlop.database import jobs
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.jobs import Job
from tests.unit.database.content import NAME, add_manifest, digest

LEASE = 60_000
CONFIG = "application/vnd.oci.image.config.v1+json"


def ask(database: Database, subject: str = "a", kind: str = "layer") -> None:
    database.write(lambda connection: jobs.enqueue(connection, kind, subject))


def claim(database: Database, worker: str = "first", lease: int = LEASE) -> Job | None:
    return database.write(lambda connection: jobs.claim(connection, worker, lease))


def claimed(database: Database, worker: str = "first", lease: int = LEASE) -> Job:
    job = claim(database, worker, lease)
    assert job is not None
    return job


def now(database: Database) -> int:
    return database.reader().now()


def state(database: Database, subject: str = "a", kind: str = "layer") -> str:
    record = jobs.find(database.reader(), kind, subject)
    return record.state if record is not None else "none"


def test_a_job_that_is_asked_for_often_is_done_once(database: Database) -> None:
    for _ in range(3):
        ask(database)
    job = claimed(database)
    assert (job.kind, job.subject, job.attempts, job.error) == ("layer", "a", 1, "")
    assert claim(database, "second") is None
    database.write(lambda connection: jobs.finish(connection, job))
    assert state(database) == "none"
    assert claim(database) is None


def test_those_that_wait_longest_come_first(database: Database) -> None:
    for subject in ("b", "a", "c"):
        ask(database, subject)
    ask(database, "b")  # asking again costs it no place
    assert [claimed(database).subject for _ in range(3)] == ["b", "a", "c"]


def test_a_job_that_is_asked_for_while_it_runs_runs_once_more(database: Database) -> None:
    ask(database)
    job = claimed(database)
    ask(database)
    assert claim(database, "second") is None  # not at the same time
    database.write(lambda connection: jobs.finish(connection, job))
    again = claimed(database, "second")
    assert (again.subject, again.attempts) == ("a", 1)
    database.write(lambda connection: jobs.finish(connection, again))
    assert state(database) == "none"


def test_the_claim_of_a_worker_that_died_ends(database: Database) -> None:
    ask(database)
    dead = claimed(database, lease=0)
    heir = claimed(database, "second")
    assert (heir.id, heir.attempts) == (dead.id, 2)
    # Should it live after all, it changes nothing.
    for settle in (
        jobs.finish,
        lambda c, job: jobs.fail(c, job, "no", retry_at=None),
        lambda c, j: jobs.defer(c, j, 0),
    ):
        database.write(lambda connection, settle=settle: settle(connection, dead))
        assert state(database) == "running"
    assert not database.write(lambda connection: jobs.renew(connection, dead, LEASE))
    assert database.write(lambda connection: jobs.renew(connection, heir, LEASE))


def test_a_renewed_claim_lasts(database: Database) -> None:
    ask(database)
    job = claimed(database, lease=0)
    assert database.write(lambda connection: jobs.renew(connection, job, LEASE))
    assert claim(database, "second") is None


def test_whatever_waits_for_another_attempt_may_be_asked_to_run_now(database: Database) -> None:
    ask(database, "a")
    ask(database, "b")
    ask(database, "c")
    first, second = claimed(database), claimed(database)
    database.write(lambda connection: jobs.defer(connection, first, now(database) + LEASE, "no room"))
    database.write(lambda connection: jobs.fail(connection, second, "no", retry_at=None))
    running = claimed(database)
    assert claim(database) is None
    assert database.write(jobs.hasten) == 1
    assert claimed(database).subject == "a"
    assert (state(database, "b"), state(database, running.subject)) == ("failed", "running")


def test_the_claims_of_a_worker_that_is_known_to_be_dead_end_at_once(database: Database) -> None:
    ask(database)
    ask(database, "b")
    claimed(database, "host:1:x")
    claimed(database, "host:12:y")
    assert database.write(lambda connection: jobs.release(connection, "host:1:")) == 1
    assert claimed(database, "second").subject == "a"
    assert claim(database) is None


def test_a_failed_attempt_waits_and_a_failed_job_waits_for_whoever_asks_again(database: Database) -> None:
    ask(database)
    job, later = claimed(database), now(database) + LEASE
    database.write(lambda connection: jobs.fail(connection, job, "the disk is full", retry_at=later))
    assert claim(database) is None
    assert jobs.next_at(database.reader()) == later
    assert jobs.find(database.reader(), "layer", "a") == ("waiting", 1, later, "the disk is full")
    ask(database)
    job = claimed(database)
    assert (job.attempts, job.error) == (1, "")
    database.write(lambda connection: jobs.fail(connection, job, "x" * 1000, retry_at=None))
    record = jobs.find(database.reader(), "layer", "a")
    assert record is not None
    assert (record.state, record.error) == ("failed", "x" * 500)
    assert jobs.next_at(database.reader()) is None
    assert jobs.counts(database.reader()) == (0, 0, 1)
    ask(database)
    assert claimed(database).attempts == 1


def test_what_is_put_off_has_not_failed(database: Database) -> None:
    ask(database)
    for _ in range(3):
        job = claimed(database)
        assert job.attempts == 1
        database.write(lambda connection, job=job: jobs.defer(connection, job, 0, "waits for 1 layer"))
    assert claimed(database).error == "waits for 1 layer"


def test_what_was_asked_for_again_is_neither_put_off_nor_given_up(database: Database) -> None:
    for subject, settle in (
        ("a", lambda c, job: jobs.fail(c, job, "no", retry_at=None)),
        ("b", lambda c, job: jobs.defer(c, job, jobs.NEVER - 1)),
    ):
        ask(database, subject)
        job = claimed(database)
        ask(database, subject)
        database.write(lambda connection, settle=settle, job=job: settle(connection, job))
        again = claimed(database)
        assert (again.subject, again.attempts) == (subject, 1)


def test_a_layer_that_was_read_wakes_the_images_that_wait_for_it(database: Database) -> None:
    def unit(connection: Connection) -> None:
        add_manifest(connection, NAME, "mine", digest("layer"), config_media_type=CONFIG)
        add_manifest(connection, NAME, "another's", digest("other"), config_media_type=CONFIG)
        for text in ("mine", "another's"):
            jobs.enqueue(connection, "image", f"{NAME} {digest(text)}")
        for _ in range(2):
            job = jobs.claim(connection, "first", LEASE)
            assert job is not None
            jobs.defer(connection, job, connection.now() + LEASE, "waits")

    database.write(unit)
    assert claim(database) is None
    assert database.write(lambda connection: jobs.wake(connection, digest("layer"))) == 1
    assert claimed(database).subject == f"{NAME} {digest('mine')}"
    assert claim(database) is None


def test_pages_of_images_have_nothing_else(database: Database) -> None:
    def unit(connection: Connection) -> None:
        for text in ("one", "two"):
            add_manifest(connection, NAME, text, config_media_type=CONFIG)
        add_manifest(connection, NAME, "a chart", config_media_type="application/vnd.cncf.helm.config.v1+json")

    database.write(unit)
    ((first, name, found),) = jobs.page_of_images(database.reader(), 0, 1)
    assert (name, found) == (NAME, digest("one"))
    assert [row[2] for row in jobs.page_of_images(database.reader(), first, 10)] == [digest("two")]


def test_workers_never_share_a_job(database: Database) -> None:
    subjects = [str(number) for number in range(40)]
    for subject in subjects:
        ask(database, subject)
    taken: list[str] = []
    errors: list[Any] = []

    def work(name: str) -> None:
        try:
            while (job := claim(database, name)) is not None:
                taken.append(job.subject)
                database.write(lambda connection, job=job: jobs.finish(connection, job))  # type: ignore[misc]
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"worker {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(taken) == sorted(subjects)
    assert jobs.counts(database.reader()) == (0, 0, 0)
