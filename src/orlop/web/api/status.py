"""`/api/v1/status`."""

import time
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from orlop import __version__
from orlop.config.kinds import redact
from orlop.registry.status import State
from orlop.web.answers import Answer
from orlop.web.api.calls import Call, time_of
from orlop.web.edge import Edge
from orlop.web.housekeeping import Record


class Storage(msgspec.Struct):
    """Where the content is. Sizes in bytes; null where the store cannot tell."""

    driver: str
    url: Annotated[str, Meta(description="Without passwords")]
    total: int | None
    free: int | None
    floor: Annotated[int | None, Meta(description="What uploads leave free")]


class Database(msgspec.Struct):
    kind: str
    revision: Annotated[str, Meta(description="Of its schema")]
    size: Annotated[int, Meta(description="Bytes on disk")]


class Job(msgspec.Struct):
    """Something that is done now and then, and how it last went."""

    name: str
    last_run_at: datetime
    seconds: Annotated[float, Meta(description="How long it took")]
    error: str | None


class Contents(msgspec.Struct):
    """Looking into the images that were pushed: layers and images that workers have yet to do."""

    enabled: bool
    waiting: int
    running: int
    failed: Annotated[int, Meta(description="Given up until the image is pushed again; the log says why")]


class Counts(msgspec.Struct):
    """With very many, some seconds old."""

    repositories: int
    manifests: int
    tags: int


class Status(msgspec.Struct):
    """How the registry is doing."""

    version: str
    started_at: datetime
    uptime: Annotated[int, Meta(description="Seconds")]
    storage: Storage
    database: Database
    outbox: Annotated[
        int,
        Meta(description="Names that are durable in the database alone so far"),
    ]
    jobs: list[Job]
    contents: Contents
    counts: Counts


DRIVERS = {"file": "local"}


async def get(call: Call) -> Answer:
    state = await call.edge.call(call.edge.app.status.read)
    return call.answer(_status(call.edge, state))


def _status(edge: Edge, state: State) -> Status:
    return Status(
        version=__version__,
        started_at=time_of(int(edge.started * 1000)),
        uptime=int(time.time() - edge.started),
        storage=_storage(edge.app.settings.storage_url, state),
        database=Database(state.database, state.database_revision, state.database_size),
        outbox=state.outbox,
        jobs=[_job(name, record) for name, record in sorted(edge.chores.items()) if isinstance(record, Record)],
        contents=Contents(edge.app.settings.contents.enabled, *state.jobs),
        counts=Counts(*state.counts),
    )


def _storage(url: str, state: State) -> Storage:
    scheme = url.partition(":")[0]
    space = state.space
    return Storage(
        driver=DRIVERS.get(scheme, scheme),
        url=redact(url),
        total=space.total if space else None,
        free=space.free if space else None,
        floor=state.floor if space else None,
    )


def _job(name: str, record: Record) -> Job:
    return Job(name, time_of(int(record.at * 1000)), round(record.seconds, 6), record.error or None)
