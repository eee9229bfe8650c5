"""`/v2/<name>/manifests/<reference>`."""

from orlop.database.manifests import Found
from orlop.domain.digest import Digest
from orlop.domain.errors import ManifestTooLarge, ParameterInvalid, TooManyTags
from orlop.domain.name import Tag, parse_reference
from orlop.registry.content import SMALL
from orlop.web.answers import Answer
from orlop.web.conditions import is_known
from orlop.web.v2 import errors
from orlop.web.v2.calls import Call

MOST_TAGS = 100
"""Tags in one push; the specification asks for 10 at least."""


async def get(call: Call) -> Answer:
    """GET and HEAD: the bytes as they were pushed."""
    reference = parse_reference(call.item)
    app = call.edge.app
    found = await call.edge.look_up(app.manifests.find_on, call.name, reference)
    content = app.manifests.cached(found.digest)
    if content is None and call.request.method == "GET":
        content = await call.edge.call(app.manifests.read, found)
    return _answer(call, reference, found, content)


def at_once(call: Call) -> Answer | None:
    """`get`, where the bytes are in memory."""
    reference = parse_reference(call.item)
    app = call.edge.app
    found = app.manifests.find_on(app.database.hot(), call.name, reference)
    content = app.manifests.cached(found.digest)
    if call.request.method == "GET" and (content is None or len(content) > SMALL):
        return None
    return _answer(call, reference, found, content)


def _answer(call: Call, reference: Tag | Digest, found: Found, content: bytes | None) -> Answer:
    headers = [
        ("Content-Type", found.media_type),
        ("Docker-Content-Digest", found.digest),
        ("ETag", f'"{found.digest}"'),
        ("X-Content-Type-Options", "nosniff"),
        *call.pulled_from(),
    ]
    if is_known(call.request.headers.get("If-None-Match"), found.digest):
        return Answer(304, headers)
    if call.request.method == "HEAD":
        return Answer(200, headers, size=found.size)
    assert content is not None
    call.edge.app.pulls.note(found, reference)
    return Answer(200, headers, content)


async def put(call: Call) -> Answer:
    """Stores a manifest under its digest, and points tags at it."""
    reference = parse_reference(call.item)
    tags = _tags(call, reference)
    app = call.edge.app
    content = await call.edge.body(call.request, app.manifests.limit)
    if content is None:
        return errors.render(ManifestTooLarge(f"manifest is larger than {app.manifests.limit} bytes"))
    content_type = call.request.headers.get("Content-Type", "").partition(";")[0].strip()
    pushed = await call.edge.perform(app.manifests.push(call.caller, call.name, reference, tags, content_type, content))
    headers = [
        ("Location", call.location(f"/v2/{call.name}/manifests/{pushed.digest}")),
        ("Docker-Content-Digest", str(pushed.digest)),
    ]
    if pushed.subject is not None:
        headers.append(("OCI-Subject", str(pushed.subject)))
    if isinstance(reference, Digest):
        headers.extend(("OCI-Tag", str(tag)) for tag in pushed.tags)
    return Answer(201, headers)


async def delete(call: Call) -> Answer:
    """By digest the manifest with its tags, by tag that tag alone."""
    reference = parse_reference(call.item)
    app = call.edge.app
    if isinstance(reference, Tag):
        await call.edge.call(app.manifests.delete_tag, call.caller, call.name, reference)
    else:
        await call.edge.call(app.manifests.delete, call.caller, call.name, reference)
    return Answer(202)


def _tags(call: Call, reference: Tag | Digest) -> tuple[Tag, ...]:
    texts = call.target.every("tag") if call.target.query else []
    if texts and isinstance(reference, Tag):
        raise ParameterInvalid("tag parameters go with a push by digest")
    if len(texts) > MOST_TAGS:
        raise TooManyTags(f"more than {MOST_TAGS} tags in one push", detail={"limit": MOST_TAGS})
    return tuple(dict.fromkeys(Tag.parse(text) for text in texts))
