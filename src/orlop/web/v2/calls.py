"""What a handler gets."""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp.web import BaseRequest

from orlop.domain.caller import Caller
from orlop.domain.name import RepositoryName
from orlop.web.answers import Answer
from orlop.web.edge import Edge
from orlop.web.targets import Target

_NAMESPACE = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")


class Call(NamedTuple):
    """One request, as handlers see it."""

    edge: Edge
    request: BaseRequest
    caller: Caller
    target: Target
    name: RepositoryName
    item: str
    """What follows the kind of object in the path: a reference, a digest, an upload's id, or nothing."""

    def location(self, path: str) -> str:
        """The address of a path: relative, or below the public URL where one is set."""
        return self.edge.app.settings.public_url.rstrip("/") + path

    def pulled_from(self) -> list[tuple[str, str]]:
        """The header that tells a client which registry's content a mirror's `?ns=` named."""
        namespace = self.target.first("ns") if self.target.query else None
        if namespace is None or _NAMESPACE.fullmatch(namespace) is None:
            return []
        return [("OCI-Namespace", namespace)]


Handler = Callable[[Call], Awaitable[Answer]]
