"""Answers whose body is a blob: from memory where it is small, else past Python, from the file to the socket."""

import os
from collections.abc import Iterator

from aiohttp.web import BaseRequest

from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown
from orlop.registry.content import SMALL
from orlop.web.answers import Answer, Headers, Sent, may_reuse
from orlop.web.edge import Edge


async def send_blob(
    edge: Edge,
    request: BaseRequest,
    digest: Digest,
    generation: int,
    size: int,
    status: int,
    headers: Headers,
    part: tuple[int, int],
) -> Answer:
    """The blob of `size` bytes, or the `part` of it: where it begins, and how many bytes. BlobUnknown: it is gone."""
    content = edge.app.content
    offset, count = part
    if size <= SMALL:
        whole = content.cache.get(digest)
        if whole is None:
            whole = await edge.call(content.read, digest, generation)
        return Answer(status, headers, whole[offset : offset + count])
    answer = Sent(status, headers, size=count)
    answer.keep_alive = may_reuse(request)
    head = answer.head(request)
    path = content.storage.blob_path(digest, generation)
    if not content.storage.capabilities.descriptors:
        pieces = content.storage.stream_read(path, (offset, offset + count - 1))
        await edge.transfer.send_pieces(request, head, _demand_size(pieces, count))
        return answer
    try:
        descriptor = await edge.call(content.storage.open_descriptor, path)
    except FileNotFoundError as error:
        raise BlobUnknown(f"{digest} is recorded, but missing in the store") from error
    try:
        await edge.transfer.send_file(request, head, descriptor, offset, count)
    finally:
        os.close(descriptor)
    return answer


def _demand_size(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    for piece in pieces:
        size -= len(piece)
        yield piece
    if size:
        raise ConnectionError("the object is shorter than its record says")
