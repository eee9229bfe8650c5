"""`/v2/<name>/blobs/<digest>`."""

from orlop.database.blobs import Held
from orlop.domain.digest import Digest
from orlop.registry.content import SMALL
from orlop.web.answers import Answer
from orlop.web.blob_answers import send_blob
from orlop.web.conditions import is_known
from orlop.web.ranges import parse_range
from orlop.web.v2.calls import Call


async def head(call: Call) -> Answer:
    """Whether the blob is there. A client that may push counts on it afterwards, so its lease is renewed first."""
    digest = Digest.parse(call.item)
    app = call.edge.app
    held = await call.edge.look_up(app.blobs.find_on, call.name, digest)
    if app.blobs.lease_due(call.caller, call.name, held, app.database.hot().now()):
        held = await call.edge.perform(app.blobs.renew(call.caller, call.name, digest))
    return _head(call, digest, held)


def head_at_once(call: Call) -> Answer | None:
    """`head`, where no lease is due."""
    digest = Digest.parse(call.item)
    app = call.edge.app
    hot = app.database.hot()
    held = app.blobs.find_on(hot, call.name, digest)
    return None if app.blobs.lease_due(call.caller, call.name, held, hot.now()) else _head(call, digest, held)


def _head(call: Call, digest: Digest, held: Held) -> Answer:
    headers = _headers(call, digest)
    if is_known(call.request.headers.get("If-None-Match"), digest):
        return Answer(304, headers)
    return Answer(200, headers, size=held.size)


async def get(call: Call) -> Answer:
    digest = Digest.parse(call.item)
    app = call.edge.app
    held = await call.edge.look_up(app.blobs.find_on, call.name, digest)
    headers = _headers(call, digest)
    if is_known(call.request.headers.get("If-None-Match"), digest):
        return Answer(304, headers)
    status, first, count = _part(call, digest, held, headers)
    return await send_blob(call.edge, call.request, digest, held.generation, held.size, status, headers, (first, count))


def get_at_once(call: Call) -> Answer | None:
    """`get`, where the bytes are in memory."""
    digest = Digest.parse(call.item)
    app = call.edge.app
    content = app.content.cache.get(digest)
    if content is None or len(content) > SMALL:
        return None
    held = app.blobs.find_on(app.database.hot(), call.name, digest)
    headers = _headers(call, digest)
    if is_known(call.request.headers.get("If-None-Match"), digest):
        return Answer(304, headers)
    status, first, count = _part(call, digest, held, headers)
    return Answer(status, headers, content[first : first + count])


def _part(call: Call, digest: Digest, held: Held, headers: list[tuple[str, str]]) -> tuple[int, int, int]:
    """Status, offset and size of what a GET asks for; says so in the headers. RangeUnsatisfiable."""
    request_headers = call.request.headers
    asked = request_headers.get("Range")
    if asked is not None and request_headers.get("If-Range", f'"{digest}"').strip('"') == digest:
        part = parse_range(asked, held.size)
        if part is not None:
            first, last = part
            headers.append(("Content-Range", f"bytes {first}-{last}/{held.size}"))
            return 206, first, last - first + 1
    return 200, 0, held.size


async def delete(call: Call) -> Answer:
    """Takes the blob out of this repository."""
    await call.edge.call(call.edge.app.blobs.delete, call.caller, call.name, Digest.parse(call.item))
    return Answer(202)


def _headers(call: Call, digest: Digest) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/octet-stream"),
        ("Docker-Content-Digest", digest),
        ("ETag", f'"{digest}"'),
        ("Accept-Ranges", "bytes"),
        ("X-Content-Type-Options", "nosniff"),
        *call.pulled_from(),
    ]
