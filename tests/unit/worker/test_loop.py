"""The worker's loop on a real database, with layers and images that are read as a test wants."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orlop.contents.stopping import Stopped
from orlop.database import jobs
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.upgrade import prepare
from orlop.domain.digest import Digest
from orlop.domain.errors import ContentDamaged, ContentsPending, StorageFull, Unavailable
from orlop.domain.name import RepositoryName
from orlop.worker.handlers import Handlers
from orlop.worker.loop import Loop
from orlop.worker.outcomes import ATTEMPTS, LONGEST_PAUSE, OUTAGE, Ended, What, failure
from tests.unit.database.content import NAME, add_manifest, digest

CONFIG = "application/vnd.oci.image.config.v1+json"


class Reading:
    """Reads layers in no time, or as `read` says. Images are what was recorded of them."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.made: list[str] = []
        self.images: dict[str, list[Digest]] = {}
        self.read: Callable[[Digest], What] = lambda layer: "ready"
        self.stopped = threading.Event()

    def layer(self, layer: Digest) -> What:
        self.made.append(layer)
        what = self.read(layer)
        if what != "gone":
            self.known.add(layer)
        return what

    def missing(self, name: RepositoryName, image: Digest) -> list[Digest] | None:
        layers = self.images.get(image)
        return None if layers is None else [layer for layer in layers if layer not in self.known]

    def image(self, name: RepositoryName, image: Digest) -> What:
        if self.missing(name, image):
            raise ContentsPending
        self.made.append(image)
        return "ready"

    def stop(self) -> None:
        self.stopped.set()


class Workshop:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.reading = Reading()
        self.ended: list[Ended] = []
        self.loop = self.new_loop()

    def new_loop(self, lease: int = 60_000) -> Loop:
        handlers = Handlers(self.database, self.reading)
        return Loop(self.database, handlers, self.ended.append, yielding=False, lease=lease)

    def push(self, image: str, *layers: str) -> None:
        found = list(map(digest, layers))
        self.reading.images[digest(image)] = found

        def unit(connection: Connection) -> None:
            if jobs.find(connection, "image", subject(image)) is None:
                add_manifest(connection, NAME, image, *found, config_media_type=CONFIG)
            jobs.enqueue(connection, "image", subject(image))

        self.database.write(unit)

    def outcomes(self, kind: str) -> list[str]:
        return [ended.what for ended in self.ended if ended.kind == kind]

    def hasten(self) -> None:
        """Whatever waits is due."""
        self.database.write(
            lambda connection: connection.driver.execute("UPDATE jobs SET run_at = 0 WHERE run_at < 1e18")
        )


def subject(image: str) -> str:
    return f"{NAME} {digest(image)}"


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    prepare(tmp_path / "orlop.db")
    database = Database(tmp_path / "orlop.db")
    yield Workshop(database)
    database.close()


def test_the_layers_of_an_image_are_read_and_then_its_documents_are_made(workshop: Workshop) -> None:
    workshop.push("one", "base", "top")
    workshop.push("two", "base", "other")
    workshop.loop.run(until_done=True)
    layers = [digest(text) for text in ("base", "top", "other")]
    assert sorted(workshop.reading.made) == sorted([*layers, digest("one"), digest("two")])  # the base only once
    outcomes = workshop.outcomes("image")
    # One that the base has woken may come before its other layer, where both are due in the same millisecond.
    assert (outcomes[:2], outcomes.count("ready")) == (["put off", "put off"], 2)
    assert jobs.counts(workshop.database.reader()) == (0, 0, 0)


def test_an_image_that_is_gone_is_dropped(workshop: Workshop) -> None:
    workshop.push("one", "base")
    del workshop.reading.images[digest("one")]
    workshop.loop.run(until_done=True)
    assert workshop.outcomes("image") == ["gone"]


def test_what_cannot_be_read_is_tried_again_and_then_given_up_with_the_images_that_need_it(workshop: Workshop) -> None:
    def read(layer: Digest) -> What:
        raise ContentDamaged

    workshop.reading.read = read
    workshop.push("one", "base")
    for _ in range(ATTEMPTS):
        workshop.loop.run(idle=0)
        workshop.hasten()
    workshop.loop.run(until_done=True)
    assert workshop.outcomes("layer") == ["again"] * (ATTEMPTS - 1) + ["failed"]
    assert workshop.outcomes("image")[-1] == "failed"
    record = jobs.find(workshop.database.reader(), "image", subject("one"))
    assert record is not None
    assert record.error == f"layer {digest('base')}: the stored bytes are damaged: orlop scrub tells more"

    # The next push of the image tries again.
    workshop.reading.read = lambda layer: "ready"
    workshop.push("one", "base")
    workshop.new_loop().run(until_done=True)
    assert jobs.counts(workshop.database.reader()) == (0, 0, 0)


OUTAGES = [StorageFull(), OSError(28, "No space left on device"), OSError(5, "Input/output error"), Unavailable("busy")]


@pytest.mark.parametrize("trouble", OUTAGES, ids=repr)
def test_an_outage_is_waited_out_however_long_it_lasts(workshop: Workshop, trouble: Exception) -> None:
    def read(layer: Digest) -> What:
        raise trouble

    workshop.reading.read = read
    workshop.push("one", "base")
    for _ in range(3 * ATTEMPTS):
        workshop.loop.run(idle=0)
        workshop.hasten()
    record = jobs.find(workshop.database.reader(), "layer", digest("base"))
    assert record is not None
    assert (record.state, record.error) == ("waiting", str(trouble))
    workshop.reading.read = lambda layer: "ready"
    workshop.loop.run(until_done=True)
    assert workshop.outcomes("layer")[-2:] == ["put off", "ready"]
    assert jobs.counts(workshop.database.reader()) == (0, 0, 0)


def test_who_waits_until_all_is_done_does_not_wait_for_an_outage_to_end(workshop: Workshop) -> None:
    def read(layer: Digest) -> What:
        if layer == digest("base"):
            raise StorageFull
        return "ready"

    workshop.reading.read = read
    workshop.push("one", "base")
    workshop.push("two", "top")
    workshop.loop.run(until_done=True)
    assert workshop.outcomes("image")[-1] == "ready"
    assert workshop.loop.outage == str(StorageFull())


def test_pauses_grow_and_end(workshop: Workshop) -> None:
    job = jobs.Job(1, "layer", "a", 1, "", 1, "")
    pauses = [failure(job._replace(attempts=number), "no").pause for number in range(1, ATTEMPTS)]
    assert all(750 << number <= pause <= 1250 << number for number, pause in enumerate(pauses))
    assert max(pauses) <= LONGEST_PAUSE * 1.25
    assert failure(job._replace(attempts=ATTEMPTS), "no").what == "failed"
    assert failure(job._replace(attempts=ATTEMPTS), "no", outage=True).pause >= OUTAGE * 0.75


def test_a_job_that_no_worker_outlives_is_given_up(workshop: Workshop) -> None:
    workshop.database.write(lambda connection: jobs.enqueue(connection, "layer", digest("bomb")))
    for _ in range(ATTEMPTS):
        assert workshop.database.write(lambda connection: jobs.claim(connection, "a worker that dies", 0)) is not None
    workshop.loop.run(until_done=True)
    assert workshop.reading.made == []
    record = jobs.find(workshop.database.reader(), "layer", digest("bomb"))
    assert record is not None
    assert record.state == "failed"


def test_a_kind_that_is_not_known_waits_for_a_version_that_knows_it(workshop: Workshop) -> None:
    workshop.database.write(lambda connection: jobs.enqueue(connection, "tomorrow's", ""))
    workshop.loop.run(idle=0)
    record = jobs.find(workshop.database.reader(), "tomorrow's", "")
    assert record is not None
    assert record.state == "waiting"


def test_a_worker_that_is_stopped_gives_its_job_back(workshop: Workshop) -> None:
    begun = threading.Event()

    def read(layer: Digest) -> What:
        begun.set()
        assert workshop.reading.stopped.wait(10)
        raise Stopped

    workshop.reading.read = read
    workshop.push("one", "base")
    thread = threading.Thread(target=workshop.loop.run)
    thread.start()
    assert begun.wait(10)
    asked = time.monotonic()
    workshop.loop.stop()
    thread.join(10)
    assert time.monotonic() - asked < 2
    assert not workshop.loop.abandoned
    record = jobs.find(workshop.database.reader(), "layer", digest("base"))
    assert record is not None
    assert (record.state, record.attempts) == ("waiting", 0)


def test_what_does_not_end_when_it_should_is_left_behind(workshop: Workshop) -> None:
    begun, never = threading.Event(), threading.Event()

    def read(layer: Digest) -> What:
        begun.set()
        never.wait(20)
        return "ready"

    workshop.reading.read = read
    workshop.push("one", "base")
    thread = threading.Thread(target=workshop.loop.run)
    thread.start()
    assert begun.wait(10)
    asked = time.monotonic()
    workshop.loop.stop()
    thread.join(10)
    assert time.monotonic() - asked < 3
    assert workshop.loop.abandoned
    assert jobs.counts(workshop.database.reader()) == (2, 0, 0)
    never.set()


def test_a_long_job_keeps_its_claim(workshop: Workshop) -> None:
    def read(layer: Digest) -> What:
        time.sleep(1.2)
        return "ready"

    workshop.reading.read = read
    workshop.push("one", "base")
    workshop.loop = workshop.new_loop(lease=600)
    thread = threading.Thread(target=workshop.loop.run, kwargs={"until_done": True})
    thread.start()
    time.sleep(0.9)
    record = jobs.find(workshop.database.reader(), "layer", digest("base"))
    assert record is not None
    assert record.run_at > workshop.database.reader().now()
    thread.join(10)
    assert workshop.outcomes("layer") == ["ready"]
