"""What a handler gets, and how it answers."""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from aiohttp.web import BaseRequest

from orlop.domain.access import PULL
from orlop.domain.caller import Caller
from orlop.domain.errors import ImageInvalid, NameInvalid
from orlop.domain.name import RepositoryName
from orlop.web.answers import Answer, json_answer
from orlop.web.edge import Edge
from orlop.web.targets import Target
from orlop.web.v1.errors import PLAIN

LARGEST_JSON = 1 << 20
"""Bytes of an image's JSON, and of a list of images."""
COOKIE = "orlop_v1"
PRIVATE_IMAGES = "private_images"

_TOKEN_REPOSITORY = re.compile(r"repository\s*[:=]\s*[\"']?([^\"',]+)")


class Call(NamedTuple):
    """One request, as handlers see it."""

    edge: Edge
    request: BaseRequest
    caller: Caller
    target: Target
    name: RepositoryName
    """Empty where the path names no repository."""
    item: str
    """An image's id or a tag."""

    @property
    def is_private(self) -> bool:
        """Whether it asks by the address that images of private repositories had once."""
        return self.target.segments[2:3] == [PRIVATE_IMAGES]

    @property
    def is_public(self) -> bool:
        """Whether anyone may pull from the repository."""
        return PULL in self.edge.gate.newcomer(self.request, "").authority.actions(self.name)

    def done(self, document: object = True, headers: Iterable[tuple[str, str]] = (), status: int = 200) -> Answer:
        """Success; without data it is the word `true`."""
        return json_answer(status, document, [*PLAIN, *headers])

    async def body(self) -> bytes:
        """The whole body, where it is not too large. ImageInvalid."""
        content = await self.edge.body(self.request, LARGEST_JSON)
        if content is None:
            raise ImageInvalid("Invalid data: it is larger than 1 MiB")
        return content


Handler = Callable[[Call], Awaitable[Answer]]


def named_repository(request: BaseRequest) -> RepositoryName | None:
    """The repository of which a client has spoken before: in the token that it got, or in its cookie.

    Paths of images name none. That gives nobody any right: those are looked up for whatever repository it is.
    """
    found = _TOKEN_REPOSITORY.search(request.headers.get("Authorization", ""))
    text = found[1] if found else request.cookies.get(COOKIE, "")
    try:
        return RepositoryName.parse(text) if text else None
    except NameInvalid:
        return None
