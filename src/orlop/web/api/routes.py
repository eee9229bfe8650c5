"""Orlop's own API."""

from aiohttp.web import BaseRequest

from orlop.domain.caller import Caller
from orlop.web.answers import Answer
from orlop.web.edge import Edge
from orlop.web import health


async def dispatch(edge: Edge, request: BaseRequest, caller: Caller) -> tuple[str, Answer]:
    return "api", health.absent()
