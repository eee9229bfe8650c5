"""The page at `/`."""

from aiohttp.web import BaseRequest

from orlop import __version__
from orlop.web.answers import Answer
from orlop.web.edge import Edge


def home(edge: Edge, request: BaseRequest) -> Answer:
    return Answer(200, (("Content-Type", "text/plain; charset=utf-8"),), f"Orlop {__version__}\n".encode())
