"""What is done for a job, by its kind."""

from collections.abc import Callable, Mapping
from typing import Protocol

from orlop.contents import backlog
from orlop.database import jobs
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.jobs import Job
from orlop.domain.digest import Digest
from orlop.domain.errors import ContentsPending
from orlop.domain.name import RepositoryName
from orlop.worker.outcomes import Outcome, What

LAYERS = 60_000
"""Milliseconds that an image waits for its layers; each that is read wakes it before."""
SOON = 1_000


class Making(Protocol):
    """`contents.making` as the handlers use it."""

    def layer(self, digest: Digest) -> What: ...

    def missing(self, name: RepositoryName, digest: Digest) -> list[Digest] | None: ...

    def image(self, name: RepositoryName, digest: Digest) -> What: ...

    def missing_of_v1(self, name: RepositoryName, image_id: str) -> list[Digest] | None: ...

    def v1_image(self, name: RepositoryName, image_id: str) -> What: ...

    def stop(self) -> None: ...


class Handlers:
    def __init__(self, database: Database, making: Making) -> None:
        self._database = database
        self._making = making
        self._kinds: Mapping[str, Callable[[Job], Outcome]] = {
            "image": self._image,
            "v1-image": self._v1_image,
            "layer": self._layer,
            "index-all": self._index_all,
        }

    def run(self, job: Job) -> Outcome:
        """Does it. Whatever it raises, but for Stopped, is a failure."""
        handler = self._kinds.get(job.kind)
        if handler is None:
            # Another version's: one that knows it may run beside this one, or come back.
            return Outcome("again", "this version does not know such jobs", 10 * LAYERS)
        return handler(job)

    def stop(self) -> None:
        self._making.stop()

    def _layer(self, job: Job) -> Outcome:
        return Outcome(self._making.layer(Digest(job.subject)))

    def _image(self, job: Job) -> Outcome:
        repository, _, digest = job.subject.rpartition(" ")
        name = RepositoryName(repository)
        missing = self._making.missing(name, Digest(digest))
        if missing is None:
            return Outcome("gone")
        if missing:
            return self._waiting(job, missing)
        try:
            return Outcome(self._making.image(name, Digest(digest)))
        except ContentsPending:  # a layer was forgotten in between
            return Outcome("put off", pause=SOON)

    def _v1_image(self, job: Job) -> Outcome:
        """Somebody waits for the answer: it looks for its layers again and again."""
        repository, _, image_id = job.subject.rpartition(" ")
        name = RepositoryName(repository)
        missing = self._making.missing_of_v1(name, image_id)
        if missing is None:
            return Outcome("gone")
        if missing:
            return self._waiting(job, missing, SOON)
        try:
            return Outcome(self._making.v1_image(name, image_id))
        except ContentsPending:  # a layer was forgotten in between
            return Outcome("put off", pause=SOON)

    def _waiting(self, job: Job, missing: list[Digest], pause: int = LAYERS) -> Outcome:
        """For its layers; unless one of them is given up, or gone, since the image was last asked for."""
        reader = self._database.reader()
        if job.error:
            for layer in missing:
                record = jobs.find(reader, "layer", layer)
                if record is not None and record.state == "failed":
                    return Outcome("failed", f"layer {layer}: {record.error}")
        count = len(missing)
        told = f"waits for {count} layer{'' if count == 1 else 's'}"
        return Outcome("put off", told, pause, tuple(map(str, missing)))

    def _index_all(self, job: Job) -> Outcome:
        return Outcome("ready", then=_ask_for_more)


def _ask_for_more(connection: Connection) -> Outcome:
    more = backlog.advance(connection)
    if more is False:
        return Outcome("ready")
    return Outcome("put off", "asks for the images bit by bit", SOON if more is None else 0)
