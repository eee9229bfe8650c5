"""What a handler gets, and how it answers."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from aiohttp.web import BaseRequest

from orlop.domain.caller import Caller
from orlop.domain.name import RepositoryName
from orlop.web.answers import Answer, json_answer
from orlop.web.conditions import is_known
from orlop.web.edge import Edge
from orlop.web.targets import Target

NO_SNIFFING = ("X-Content-Type-Options", "nosniff")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Call(NamedTuple):
    """One request, as handlers see it."""

    edge: Edge
    request: BaseRequest
    caller: Caller
    target: Target
    name: RepositoryName
    """Empty where the path has none."""
    item: str
    """What follows the kind of object in the path: a tag or a reference, or nothing."""
    path: str = ""
    """What follows the reference: the path of a file in an image, or nothing."""

    def answer(self, document: object) -> Answer:
        """200 with the document, or 304 where the client has it already."""
        answer = json_answer(200, document)
        etag = hashlib.blake2b(answer.body, digest_size=16).hexdigest()
        headers = [("ETag", f'"{etag}"'), ("Cache-Control", "no-cache"), NO_SNIFFING]
        if is_known(self.request.headers.get("If-None-Match"), etag):
            return Answer(304, headers)
        answer.headers = (*answer.headers, *headers)
        return answer

    def done(self, document: object) -> Answer:
        """200 with what a change came to."""
        return json_answer(200, document, [("Cache-Control", "no-store"), NO_SNIFFING])


Handler = Callable[[Call], Awaitable[Answer]]


def time_of(milliseconds: int) -> datetime:
    """The time of a database column, rendered as RFC 3339 in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def time_or_none(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else time_of(milliseconds)
