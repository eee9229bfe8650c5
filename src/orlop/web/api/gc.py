"""`/api/v1/gc`: collection."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta

from orlop.app import App
from orlop.database import audit
from orlop.domain.errors import Busy, OrlopError
from orlop.maintenance import preview
from orlop.maintenance.run import LAST, RUNNING, Run, Totals, read
from orlop.maintenance.turn import COLLECTION, is_taken
from orlop.web.answers import Answer
from orlop.web.api.calls import Call, time_of, time_or_none
from orlop.web.api.queries import dry_run

log = structlog.get_logger("orlop.collection")


class Collection(msgspec.Struct):
    """One run. Sizes in bytes."""

    started_at: datetime
    ended_at: Annotated[datetime | None, Meta(description="Null: it goes on, or was stopped and will go on")]
    stage: Annotated[str, Meta(description="What it is at, or was last")]
    manifests: Annotated[int, Meta(description="Manifests that rules of retention let go")]
    images: Annotated[
        int, Meta(description="Images of v1 that were not pushed to their end, never tagged, or whose manifest is gone")
    ]
    blobs: Annotated[int, Meta(description="Objects removed")]
    bytes: Annotated[int, Meta(description="Their bytes")]
    condemned: Annotated[int, Meta(description="Blobs found that nothing keeps")]
    unlinked: Annotated[
        int, Meta(description="Blobs that a repository does not hold any more, as nothing needed them there")
    ]
    uploads: Annotated[int, Meta(description="Uploads that were given up long ago")]
    swept: Annotated[int, Meta(description="Objects in the store that the database did not know")]
    contents: Annotated[
        int, Meta(description="Tables of contents of layers, and documents of images, that are not there any more")
    ]
    repositories: Annotated[int, Meta(description="Empty repositories forgotten")]
    leased_blobs: Annotated[int, Meta(description="Blobs that nothing but a lease keeps any more")]
    leased_bytes: int


class State(msgspec.Struct):
    """How collection is doing."""

    running: bool
    interval: Annotated[float, Meta(description="Seconds between two collections; 0: none by itself")]
    retention: Annotated[list[str], Meta(description="The rules that let go of untagged manifests")]
    current: Annotated[Collection | None, Meta(description="The run that goes on, or was stopped and will go on")]
    last: Annotated[Collection | None, Meta(description="The run that ended last")]


class Doomed(msgspec.Struct):
    repository: str
    digest: str
    rule: str


class DoomedImage(msgspec.Struct):
    repository: str
    image_id: str


class Blob(msgspec.Struct):
    digest: str
    size: int


class Preview(msgspec.Struct):
    """What a collection would take away now. Sizes in bytes."""

    manifests: Annotated[list[Doomed], Meta(description="The first thousand")]
    manifest_count: int
    images: Annotated[list[DoomedImage], Meta(description="Of v1; the first thousand")]
    image_count: int
    blobs: Annotated[list[Blob], Meta(description="The first thousand, manifests' content among them")]
    blob_count: int
    bytes: int
    leased_blobs: Annotated[int, Meta(description="Blobs that nothing but a lease keeps")]
    leased_bytes: int


class Begun(msgspec.Struct):
    """What came of a request for a collection."""

    started: bool
    preview: Annotated[Preview | None, Meta(description="With `dry_run`")]


async def get(call: Call) -> Answer:
    return call.answer(await call.edge.call(_state, call.edge.app))


async def start(call: Call) -> Answer:
    app = call.edge.app
    if dry_run(call.target):
        found = await call.edge.call(app.collection.preview)
        return call.done(Begun(False, _preview(found)))
    await call.edge.call(_demand_idle, app)
    await call.edge.call(app.database.write, lambda connection: audit.add(connection, call.caller, "collection.start"))
    task = asyncio.ensure_future(call.edge.maintain(app.collection.whole))
    task.add_done_callback(_tell)
    return call.done(Begun(True, None))


def _preview(found: preview.Preview) -> Preview:
    return Preview(
        manifests=[Doomed(*manifest) for manifest in found.manifests],
        manifest_count=found.manifest_count,
        images=[DoomedImage(*image) for image in found.images],
        image_count=found.image_count,
        blobs=[Blob(*blob) for blob in found.blobs],
        blob_count=found.blob_count,
        bytes=found.size,
        leased_blobs=found.leased_count,
        leased_bytes=found.leased_size,
    )


def _demand_idle(app: App) -> None:
    app.clock.now()
    if is_taken(Path(app.settings.data), COLLECTION):
        raise Busy("a collection is running already: GET /api/v1/gc tells how far it is")


def _tell(task: "asyncio.Future[Run | None]") -> None:
    if task.cancelled():
        return
    error = task.exception()
    if isinstance(error, OrlopError | OSError):
        log.error("a collection failed", reason=str(error))
    elif error is not None:
        log.error("a collection failed", exc_info=error)


def _state(app: App) -> State:
    reader = app.database.reader()
    current, last = read(reader, RUNNING), read(reader, LAST)
    return State(
        running=is_taken(Path(app.settings.data), COLLECTION),
        interval=app.settings.gc.interval,
        retention=[rule.text for rule in app.reasons.rules],
        current=_collection(current) if current is not None else None,
        last=_collection(last) if last is not None else None,
    )


def _collection(run: Run) -> Collection:
    totals: Totals = run.totals
    return Collection(
        started_at=time_of(run.started_at),
        ended_at=time_or_none(run.ended_at),
        stage=run.stage,
        manifests=totals.manifests,
        images=totals.images,
        blobs=totals.blobs,
        bytes=totals.bytes,
        condemned=totals.condemned,
        unlinked=totals.links,
        uploads=totals.uploads,
        swept=totals.swept,
        contents=totals.contents,
        repositories=totals.repositories,
        leased_blobs=totals.leased_blobs,
        leased_bytes=totals.leased_bytes,
    )
