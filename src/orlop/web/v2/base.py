"""`/v2/`: by its status a client sees that the API is spoken here."""

from aiohttp.web import BaseRequest

from orlop.domain.caller import Caller
from orlop.web.answers import Answer, json_answer
from orlop.web.v2 import errors

VERSION = ("Docker-Distribution-API-Version", "registry/2.0")


def version(request: BaseRequest, caller: Caller) -> Answer:
    """Clients look here for how to sign in, also where anyone may pull."""
    if request.method not in ("GET", "HEAD"):
        return errors.body(405, [("UNSUPPORTED", "this method is not supported here", None)], [("Allow", "GET, HEAD")])
    caller.authority.demand_credentials()
    return json_answer(200, {}, [VERSION])
