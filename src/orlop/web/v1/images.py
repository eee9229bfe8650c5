"""`/v1/images/<id>/…`: what an image is made of, and its push."""

import hashlib
import os
import re
from typing import Literal

from orlop.domain.digest import Digest
from orlop.domain.errors import ContentsPending, ImageUnknown, OrlopError, RangeUnsatisfiable
from orlop.domain.v1.checksums import Checksum
from orlop.domain.v1.ids import ImageId
from orlop.registry.content import SMALL
from orlop.registry.v1.reading import View
from orlop.web.answers import Answer, Sent, may_reuse
from orlop.web.blob_answers import send_blob
from orlop.web.conditions import is_known
from orlop.web.edge import accept_body, content_length
from orlop.web.refusals import refusal_of
from orlop.web.v1.calls import Call
from orlop.web.v1.errors import PLAIN, refused

YEAR = 31_536_000
LONGEST_NUMBER = 18
"""Digits."""

_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*")


async def get_json(call: Call) -> Answer:
    view = await _view(call)
    headers = [("X-Docker-Size", str(view.layer.size))]
    if view.checksums:
        headers.append(("X-Docker-Checksum-Payload", ",".join(view.checksums)))
    return _immutable(call, view.json, headers)


async def get_ancestry(call: Call) -> Answer:
    view = await _view(call)
    listed = ", ".join(f'"{image_id}"' for image_id in view.ancestry)
    return _immutable(call, f"[{listed}]".encode())


async def get_layer(call: Call) -> Answer:
    """GET and HEAD: the layer, or a part of it."""
    view = await _view(call)
    layer = view.layer
    headers = [
        *_cached(call, str(layer.digest)),
        ("Content-Type", "application/octet-stream"),
        ("Accept-Ranges", "bytes"),
        ("X-Docker-Size", str(layer.size)),
    ]
    if _is_known(call, layer.digest):
        return Answer(304, headers)
    if call.request.method == "HEAD":
        return Answer(200, headers, size=layer.size)
    status, first, count = 200, 0, layer.size
    part = _part(call, layer.size)
    if part is not None:
        status, first, count = 206, part[0], part[1] - part[0] + 1
        headers.append(("Content-Range", f"bytes {part[0]}-{part[1]}/{layer.size}"))
    if layer.content is not None:
        return Answer(status, headers, layer.content[first : first + count])
    return await send_blob(
        call.edge, call.request, layer.digest, layer.generation, layer.size, status, headers, (first, count)
    )


async def get_files(call: Call) -> Answer:
    """What is in the image's own layer."""
    return await _contents(call, "files")


async def get_diff(call: Call) -> Answer:
    """What the image's own layer changes in its parent."""
    return await _contents(call, "diff")


async def put_json(call: Call) -> Answer:
    content = await call.body()
    sent = [Checksum.parse(text) for text in _sent(call)]
    await call.edge.call(call.edge.app.v1.images.begin, call.caller, call.name, _id(call), content, sent)
    return call.done()


async def put_layer(call: Call) -> Answer:
    """The layer, mostly chunked and of a length that nobody knows before."""
    app = call.edge.app
    image = await call.edge.call(app.v1.images.awaiting, call.caller, call.name, _id(call))
    upload_id = await call.edge.perform(app.uploads.start(call.caller, call.name))
    upload = await call.edge.call(app.uploads.open, call.caller, call.name, upload_id)
    try:
        length = content_length(call.request)
        with app.uploads.room.reserve(length or 0) as reservation:
            upload.on_write = reservation.used
            await accept_body(call.request)
            try:
                await call.edge.transfer.receive(call.request, upload, length)
            except OSError as error:
                raise refusal_of(error) from error
        await call.edge.call(app.v1.images.take_layer, call.caller, call.name, image, upload)
    except BaseException:
        # Nobody goes on with it: the client sends its layer again.
        if not upload.closed:
            await call.edge.call(app.uploads.close, upload)
        await call.edge.call(_cancel_quietly, call, upload_id)
        raise
    return call.done()


async def put_checksum(call: Call) -> Answer:
    sent = _sent(call)
    if not sent:
        return refused(412, "Missing Image's checksum")
    checksums = [Checksum.parse(text) for text in sent]
    await call.edge.call(call.edge.app.v1.images.complete, call.caller, call.name, _id(call), checksums)
    return call.done()


def _sent(call: Call) -> list[str]:
    found = call.request.headers
    return [found[name].strip() for name in ("X-Docker-Checksum-Payload", "X-Docker-Checksum") if found.get(name)]


def _cancel_quietly(call: Call, upload_id: str) -> None:
    try:
        call.edge.app.uploads.cancel(call.caller, call.name, upload_id)
    except OrlopError:
        return


async def _view(call: Call) -> View:
    if not call.name or (call.is_private and call.is_public):
        raise ImageUnknown
    return await call.edge.call(call.edge.app.v1.reading.find, call.caller, call.name, _id(call))


async def _contents(call: Call, part: Literal["files", "diff"]) -> Answer:
    view = await _view(call)
    headers = [("Content-Type", "application/json"), *PLAIN]
    documents = call.edge.app.v1_documents
    if documents is None:
        return Answer(200, headers)
    try:
        manifest = Digest(view.manifest) if view.manifest is not None else None
        file = await call.edge.look_inside(call.request, lambda: documents.open(part, call.name, view.id, manifest))
    except ContentsPending:
        return Answer(200, headers)  # what a client takes for "not computed yet"
    with file:
        size = os.fstat(file.fileno()).st_size
        if call.request.method == "HEAD":
            return Answer(200, headers, size=size)
        if size <= SMALL:
            file.seek(0)
            return Answer(200, headers, file.read())
        answer = Sent(200, headers, size=size)
        answer.keep_alive = may_reuse(call.request)
        await call.edge.transfer.send_file(call.request, answer.head(call.request), file.fileno(), 0, size)
        return answer


def _id(call: Call) -> ImageId:
    return ImageId.parse(call.item)


def _part(call: Call, size: int) -> tuple[int, int] | None:
    """RFC 9110: what is no range is ignored, and one that begins beyond the end is refused."""
    found = _RANGE.fullmatch(call.request.headers.get("Range", ""))
    if found is None or not (found[1] or found[2]):
        return None
    first, last = (_number(text) if text else None for text in found.groups())
    if first is None:
        first, last = size - min(last or 0, size), None
    if last is not None and last < first:
        return None
    if first >= size:
        raise RangeUnsatisfiable(size)
    return first, size - 1 if last is None else min(last, size - 1)


def _number(text: str) -> int:
    """What is too long to be read is more than any layer has."""
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= LONGEST_NUMBER else 10**LONGEST_NUMBER


def _is_known(call: Call, etag: str) -> bool:
    """Whether the client has it. An image never changes, so one that has it from whatever date has it as it is."""
    sent = call.request.headers
    return is_known(sent.get("If-None-Match"), etag) or ("If-None-Match" not in sent and "If-Modified-Since" in sent)


def _cached(call: Call, etag: str) -> list[tuple[str, str]]:
    """What an id stands for never changes; others than its reader may keep it where anyone may read it."""
    if call.is_private:
        return [*PLAIN, ("ETag", f'"{etag}"')]
    return [
        ("Cache-Control", f"{'public' if call.is_public else 'private'}, max-age={YEAR}"),
        ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("ETag", f'"{etag}"'),
        ("X-Content-Type-Options", "nosniff"),
    ]


def _immutable(call: Call, body: bytes, more: list[tuple[str, str]] | None = None) -> Answer:
    etag = hashlib.sha256(body).hexdigest()
    headers = [*_cached(call, etag), ("Content-Type", "application/json"), *(more or [])]
    if _is_known(call, etag):
        return Answer(304, headers)
    return Answer(200, headers, body)
