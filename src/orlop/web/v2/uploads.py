"""`/v2/<name>/blobs/uploads/…`: how blobs arrive."""

import contextlib
from collections.abc import AsyncIterator, Iterable

from orlop.domain.digest import Digest, parse_algorithm
from orlop.domain.errors import (
    DigestInvalid,
    NameInvalid,
    OrlopError,
    SizeInvalid,
    UploadOutOfOrder,
    UploadUnknown,
)
from orlop.domain.name import RepositoryName
from orlop.registry.content import SMALL
from orlop.registry.uploads import OpenUpload
from orlop.steps import Steps
from orlop.web.answers import Answer
from orlop.web.edge import accept_body, content_length
from orlop.web.ranges import Chunk, parse_chunk
from orlop.web.refusals import refusal_of
from orlop.web.v2 import errors
from orlop.web.v2.calls import Call


async def start(call: Call) -> Answer:
    """POST: begins a session, mounts a blob, or takes a whole blob at once."""
    query = call.target
    mounted = query.first("mount")
    if mounted is not None and await _mount(call, Digest.parse(mounted)):
        return _created(call, Digest.parse(mounted))
    digest = query.first("digest")
    if digest is not None and mounted is None:
        return await _create(call, Digest.parse(digest))
    announced = query.first("digest-algorithm")
    algorithm = parse_algorithm(announced) if announced is not None else "sha256"
    if mounted is not None:
        algorithm = Digest.parse(mounted).algorithm
    upload_id = await call.edge.perform(call.edge.app.uploads.start(call.caller, call.name, algorithm))
    return _progress(call, 202, upload_id, 0)


async def status(call: Call) -> Answer:
    """GET: where the upload stands."""
    size = await call.edge.call(call.edge.app.uploads.size, call.caller, call.name, _id(call))
    return _progress(call, 204, call.item, size)


async def patch(call: Call) -> Answer:
    """PATCH: one chunk, or the whole content as a stream."""
    try:
        async with _opened(call, _id(call)) as upload:
            await _receive(call, upload)
            await call.edge.call(call.edge.app.uploads.suspend, upload)
    except OrlopError as error:
        return _refused(call, error)
    return _progress(call, 202, upload.id, upload.size)


async def put(call: Call) -> Answer:
    """PUT: the last chunk, or none, and the digest of the whole."""
    text = call.target.first("digest")
    if text is None:
        raise DigestInvalid("the digest parameter is missing")
    digest = Digest.parse(text)
    app = call.edge.app
    try:
        length = content_length(call.request)
        if length is not None and 0 < length <= SMALL and "Content-Range" not in call.request.headers:
            content = await _small_body(call, length)
            whole = await call.edge.perform(
                app.uploads.finish_whole(call.caller, call.name, _id(call), content, digest)
            )
            if not whole:
                await call.edge.call(app.uploads.finish_with, call.caller, call.name, _id(call), content, digest)
            return _created(call, digest)
        async with _opened(call, _id(call)) as upload:
            if length != 0:
                await _receive(call, upload)
            await call.edge.call(app.uploads.finish, call.caller, upload, digest)
    except OrlopError as error:
        return _refused(call, error)
    return _created(call, digest)


async def cancel(call: Call) -> Answer:
    """DELETE: ends the session and drops its bytes."""
    await call.edge.call(call.edge.app.uploads.cancel, call.caller, call.name, _id(call))
    return Answer(204)


async def _mount(call: Call, digest: Digest) -> bool:
    text = call.target.first("from")
    try:
        source = RepositoryName.parse(text) if text is not None else None
    except NameInvalid:
        return False  # as from a repository that is not there
    return await call.edge.call(call.edge.app.blobs.mount, call.caller, call.name, digest, source)


async def _create(call: Call, digest: Digest) -> Answer:
    """A whole blob in one request."""
    app = call.edge.app
    length = content_length(call.request)
    if length is not None and length <= SMALL:
        content = await _small_body(call, length)
        await call.edge.perform(app.uploads.create(call.caller, call.name, content, digest))
        return _created(call, digest)
    begun: list[str] = []

    def begin() -> Steps[None]:
        begun.append((yield from app.uploads.start(call.caller, call.name, digest.algorithm)))

    try:
        await call.edge.perform(begin())
        async with _opened(call, begun[0]) as upload:
            await _receive(call, upload)
            await call.edge.call(app.uploads.finish, call.caller, upload, digest)
    except BaseException:
        # Nobody knows this session's id: nobody could resume it.
        for upload_id in begun:
            await call.edge.call(_cancel_quietly, call, upload_id)
        raise
    return _created(call, digest)


def _cancel_quietly(call: Call, upload_id: str) -> None:
    try:
        call.edge.app.uploads.cancel(call.caller, call.name, upload_id)
    except UploadUnknown:
        return


async def _small_body(call: Call, length: int) -> bytes:
    call.edge.app.uploads.room.check()
    content = await call.edge.body(call.request, length)
    if content is None or len(content) != length:
        raise SizeInvalid("the body's length is not its Content-Length")
    return content


@contextlib.asynccontextmanager
async def _opened(call: Call, upload_id: str) -> AsyncIterator[OpenUpload]:
    """The upload, for this request to write to while the block lasts. However that ends, the upload can be resumed."""
    app = call.edge.app
    opened: list[OpenUpload] = []  # filled also when the client hangs up at this moment
    try:
        await call.edge.call(lambda: opened.append(app.uploads.open(call.caller, call.name, upload_id)))
        upload = opened[0]
        chunk = _chunk(call, upload.size)
        if chunk is not None and chunk.offset != upload.size:
            raise UploadOutOfOrder(upload.size)
        yield upload
    finally:
        for upload in opened:
            if not upload.closed:
                await call.edge.call(app.uploads.close, upload)


async def _receive(call: Call, upload: OpenUpload) -> None:
    """The body into the upload."""
    app = call.edge.app
    length = content_length(call.request)
    try:
        with app.uploads.room.reserve(length or 0) as reservation:
            upload.on_write = reservation.used
            await accept_body(call.request)
            await call.edge.transfer.receive(call.request, upload, length)
        await _demand_chunk(call, upload)
    except OSError as error:
        raise refusal_of(error) from error


async def _demand_chunk(call: Call, upload: OpenUpload) -> None:
    """That a chunked body was as long as its Content-Range says: else it is dropped again."""
    chunk = _chunk(call, upload.begun_at)
    if chunk is not None and upload.size - upload.begun_at != chunk.length:
        await call.edge.call(call.edge.app.uploads.undo, upload)
        raise SizeInvalid("the body's length is not that of its Content-Range")


def _chunk(call: Call, held: int) -> Chunk | None:
    return parse_chunk(call.request.headers.get("Content-Range"), content_length(call.request), held)


def _id(call: Call) -> str:
    """The upload's id, which becomes a path: only what `start` makes is looked for."""
    if len(call.item) != 40 or not set(call.item) <= set("0123456789abcdef"):
        raise UploadUnknown
    return call.item


def _progress(call: Call, status: int, upload_id: str, size: int) -> Answer:
    headers = [
        ("Location", _location(call, upload_id)),
        ("Range", f"0-{max(0, size - 1)}"),
        ("Docker-Upload-UUID", upload_id),
    ]
    return Answer(status, headers)


def _refused(call: Call, error: OrlopError) -> Answer:
    """A refusal that leaves the upload open tells where it stands."""
    headers: Iterable[tuple[str, str]] = ()
    if isinstance(error, UploadOutOfOrder):
        headers = [("Location", _location(call, call.item)), ("Range", f"0-{max(0, error.size - 1)}")]
    return errors.render(error, headers)


def _location(call: Call, upload_id: str) -> str:
    return call.location(f"/v2/{call.name}/blobs/uploads/{upload_id}")


def _created(call: Call, digest: Digest) -> Answer:
    headers = [
        ("Location", call.location(f"/v2/{call.name}/blobs/{digest}")),
        ("Docker-Content-Digest", str(digest)),
    ]
    return Answer(201, headers)
