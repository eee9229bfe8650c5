"""`/v2/`: by its status a client sees that the API is spoken here."""

from aiohttp.web import BaseRequest

from orlop.web.answers import Answer, json_answer
from orlop.web.v2 import errors

VERSION = ("Docker-Distribution-API-Version", "registry/2.0")


def version(request: BaseRequest) -> Answer:
    if request.method not in ("GET", "HEAD"):
        return errors.body(405, [("UNSUPPORTED", "this method is not supported here", None)], [("Allow", "GET, HEAD")])
    return json_answer(200, {}, [VERSION])
