"""`/api/v1/repositories/<name>/-/files/<reference>/<path>`."""

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Annotated
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta

from orlop.contents.descent import DEEPEST
from orlop.contents.files import Found, Page
from orlop.domain.errors import FileUnknown, ParameterInvalid
from orlop.domain.name import parse_reference
from orlop.registry.content import SMALL
from orlop.web.answers import Answer, Sent, may_reuse
from orlop.web.api.calls import NO_SNIFFING, Call
from orlop.web.api.images import (
    PLATFORM,
    File,
    Image,
    bytes_of,
    file_of,
    flag_of,
    image_of,
    platform_of,
    token_of,
)
from orlop.web.api.queries import DEFAULT_COUNT, SIZE, Parameter, page_size
from orlop.web.conditions import is_known
from orlop.web.ranges import parse_range
from orlop.web.targets import Target

MOST_DEPTH = 1000

_NUMBER = re.compile(r"[0-9]{1,4}")

PARAMETERS = (
    PLATFORM,
    Parameter(
        "path_b64",
        "The path in base64, for one that is no UTF-8 or holds control characters; then none stands in the address.",
        {"type": "string", "maxLength": 8192},
    ),
    Parameter("stat", "Tell of the file in place of its content.", {"type": "boolean", "default": False}),
    Parameter("follow", "With `stat`: false tells of a symbolic link itself.", {"type": "boolean", "default": True}),
    Parameter("recursive", "List a directory with all below it.", {"type": "boolean", "default": False}),
    Parameter(
        "depth",
        "With `recursive`: only so many levels of it.",
        {"type": "integer", "minimum": 1, "maximum": MOST_DEPTH},
    ),
    SIZE,
    Parameter("last", "Where the page before ended; take it from `next`.", {"type": "string", "maxLength": 8192}),
    Parameter("as", "`text`: send the file as text, to be shown in place of being saved.", {"enum": ["text"]}),
)

_SAFE = [NO_SNIFFING, ("Content-Security-Policy", "sandbox; default-src 'none'")]
"""Whoever pushed an image may have put a page in it that is to run here: no browser runs it."""


class Directory(msgspec.Struct):
    """What is at a path of an image; of a directory, a page of what is in it."""

    image: Image
    path: Annotated[str, Meta(description="With all links resolved")]
    path_b64: Annotated[str | None, Meta(description="The path in base64, where it is no UTF-8")]
    entry: File
    step: Annotated[
        str | None, Meta(description="The command of the build step that made its layer; null where nothing tells")
    ]
    items: Annotated[list[File] | None, Meta(description="By name; null of what is no directory, and with `stat`")]
    next: Annotated[str | None, Meta(description="The address of the next page")]
    total: Annotated[
        int | None, Meta(description="How many items there are in all pages; null where there is more than one page")
    ]


async def get(call: Call) -> Answer:
    asked = _Asked(call)
    reference, page = parse_reference(call.item), None if asked.stat else asked.page
    find = call.edge.app.files.find
    found = await call.edge.look_inside(
        call.request,
        lambda: find(
            call.caller,
            call.name,
            reference,
            asked.path,
            platform=asked.platform,
            page=page,
            follow=asked.follow,
        ),
    )
    if asked.stat or found.listing is not None:
        if asked.as_text:
            raise ParameterInvalid("as goes with the content of a file", detail={"parameter": "as"})
        return call.answer(_directory(call, asked, found))
    if found.content is None:
        raise FileUnknown(f"this is a {found.node.kind}, and has no content: stat=true tells of it")
    return await _send(call, asked, found)


class _Asked:
    """What the address asks for, else ParameterInvalid."""

    def __init__(self, call: Call) -> None:
        target = call.target
        self.encoded = bytes_of(target, "path_b64")
        if self.encoded is not None and call.path.strip("/"):
            raise ParameterInvalid("the path is given twice", detail={"parameter": "path_b64"})
        self.path = call.path.encode() if self.encoded is None else self.encoded
        self.platform = platform_of(target)
        self.stat = flag_of(target, "stat")
        self.follow = flag_of(target, "follow", default=True)
        if not self.follow and not self.stat:
            raise ParameterInvalid("follow goes with stat=true", detail={"parameter": "follow"})
        self.page = Page(page_size(target), bytes_of(target, "last") or b"", _depth(target))
        if target.first("as") not in (None, "text"):
            raise ParameterInvalid("as must be text", detail={"parameter": "as", "known": ["text"]})
        self.as_text = target.first("as") == "text"

    def following(self, call: Call, after: bytes | None) -> str | None:
        if after is None:
            return None
        query = {"last": token_of(after)}
        if self.page.most != DEFAULT_COUNT:
            query["n"] = str(self.page.most)
        if self.page.depth > 1:
            query["recursive"] = "true"
        if 1 < self.page.depth < DEEPEST:
            query["depth"] = str(self.page.depth)
        if self.platform:
            query["platform"] = self.platform
        if self.encoded is not None:
            query["path_b64"] = token_of(self.encoded)
        path = "" if self.encoded is not None else quote("/" + call.path.strip("/"))
        return f"/api/v1/repositories/{call.name}/-/files/{call.item}{path}?{urlencode(query)}"


def _depth(target: Target) -> int:
    recursive, text = flag_of(target, "recursive"), target.first("depth")
    if text is None:
        return DEEPEST if recursive else 1
    if not recursive or _NUMBER.fullmatch(text) is None or not 1 <= int(text) <= MOST_DEPTH:
        raise ParameterInvalid(
            f"depth must be a number from 1 to {MOST_DEPTH}, with recursive=true", detail={"parameter": "depth"}
        )
    return int(text)


def _directory(call: Call, asked: _Asked, found: Found) -> Directory:
    layers, listing = found.image.layers, found.listing
    entry = file_of(found.node, layers)
    step = layers[found.node.layer].step if entry.layer is not None else None
    return Directory(
        image=image_of(found.image),
        path=entry.path,
        path_b64=entry.path_b64,
        entry=entry,
        step=step.created_by or None if step is not None else None,
        items=None if listing is None else [file_of(node, layers) for node in listing.items],
        next=None if listing is None else asked.following(call, listing.following),
        total=None if listing is None else listing.total,
    )


async def _send(call: Call, asked: _Asked, found: Found) -> Answer:
    content = found.content
    assert content is not None
    headers = _headers(asked, content.digest or "")
    request = call.request
    if content.digest and is_known(request.headers.get("If-None-Match"), content.digest):
        return Answer(304, headers)
    if request.method == "HEAD":
        return Answer(200, headers, size=content.size)
    status, first, count = _part(call, content.digest or "", content.size, headers)
    files, pools = call.edge.app.files, call.edge.pools
    with contextlib.closing(files.read(found, first, count)) as pieces:
        if not files.needs_unpacking(found):
            return await _read(call, Sent(status, headers, size=count), pieces, pools.contents)
        async with call.edge.unpacking() as pool:
            return await _read(call, Sent(status, headers, size=count), pieces, pool)


async def _read(call: Call, answer: Sent, pieces: Iterator[bytes], pool: ThreadPoolExecutor) -> Answer:
    edge, request = call.edge, call.request
    if answer.size <= SMALL:
        whole = await edge.look_inside(request, lambda: b"".join(pieces), pool)
        return Answer(answer.status, answer.headers, whole)
    # What is wrong with the layer is told by an answer, where it shows before the first byte.
    begun = await edge.look_inside(request, lambda: next(pieces, b""), pool)
    answer.keep_alive = may_reuse(request)
    whole_file = _demand_size(chain([begun], pieces), answer.size)
    await edge.transfer.send_pieces(request, answer.head(request), whole_file, pool)
    return answer


def _demand_size(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    for piece in pieces:
        size -= len(piece)
        if size < 0:
            break
        yield piece
    if size:
        raise ConnectionError("the file is not as long as the table of contents says")


def _headers(asked: _Asked, digest: str) -> list[tuple[str, str]]:
    name = quote(asked.path.rstrip(b"/").rpartition(b"/")[2] or b"file", safe="")
    kind = "text/plain; charset=utf-8" if asked.as_text else "application/octet-stream"
    headers = [("Content-Type", kind), ("Accept-Ranges", "bytes"), ("Cache-Control", "no-cache"), *_SAFE]
    if digest:
        headers.append(("ETag", f'"{digest}"'))
    if not asked.as_text:
        headers.append(("Content-Disposition", f"attachment; filename*=UTF-8''{name}"))
    return headers


def _part(call: Call, digest: str, size: int, headers: list[tuple[str, str]]) -> tuple[int, int, int]:
    """Status, offset and size of what a GET asks for; says so in the headers. RangeUnsatisfiable."""
    asked = call.request.headers.get("Range")
    if asked is not None and call.request.headers.get("If-Range", f'"{digest}"').strip('"') == digest:
        part = parse_range(asked, size)
        if part is not None:
            first, last = part
            headers.append(("Content-Range", f"bytes {first}-{last}/{size}"))
            return 206, first, last - first + 1
    return 200, 0, size
