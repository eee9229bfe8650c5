"""What v1 asks beside repositories and images: whether it is there, who one is, and what there is."""

import socket

from orlop.database.pages import Order, start
from orlop.domain.errors import ParameterInvalid, Unauthorized
from orlop.web.answers import Answer, json_answer
from orlop.web.v1.calls import Call
from orlop.web.v1.errors import PLAIN, refused

MOST_RESULTS = 100
DEFAULT_RESULTS = 25
MOST_PAGES = 100

EXISTS = "Username or email already exists"
"""Docker signs in by trying to make the account: these very words tell it to try the password then."""


async def ping(call: Call) -> Answer:
    """Not standalone: so clients ask the index for a token, and send it with requests that name no repository."""
    return json_answer(200, {}, [*PLAIN, ("X-Docker-Registry-Standalone", "false")])


async def status(call: Call) -> Answer:
    failures: dict[str, str] = {}
    app = call.edge.app
    try:
        await call.edge.call(app.storage.exists, app.storage.store_path())
        await call.edge.call(app.status.read)
    except Exception as error:  # noqa: BLE001  # whatever it is, this is where it is told
        failures["storage"] = str(error) or type(error).__name__
    document = {"services": ["database", "storage"], "failures": failures, "host": socket.gethostname()}
    return json_answer(503 if failures else 200, document, PLAIN)


async def get_user(call: Call) -> Answer:
    """Whether the credentials are good."""
    if call.edge.app.access is not None and not call.caller.authority.signed_in:
        raise Unauthorized("Requires authorization")
    return call.done("OK")


async def post_user(call: Call) -> Answer:
    return json_answer(400, EXISTS, PLAIN)


async def put_user(call: Call) -> Answer:
    return refused(403, "accounts are the operator's to change")


async def search(call: Call) -> Answer:
    """Repositories whose name holds the text."""
    text = call.target.first("q") or ""
    size = _number(call, "n", DEFAULT_RESULTS, MOST_RESULTS)
    page = _number(call, "page", 1, MOST_PAGES)
    caller, order = call.caller, Order()
    found = await call.edge.call(
        lambda: call.edge.app.repositories.summaries(
            caller, text=text[:300], order=order, last=start(order), count=size * page
        )
    )
    results = [
        {"name": summary.name, "description": "", "star_count": 0}
        | dict.fromkeys(("is_official", "is_automated", "is_trusted"), False)
        for summary in found.items[size * (page - 1) :]
    ]
    pages = max(1, -(-found.total // size))
    document = {
        "query": text,
        "num_results": found.total,
        "num_pages": pages,
        "page": page,
        "page_size": size,
        "results": results,
    }
    return call.done(document)


def _number(call: Call, name: str, default: int, most: int) -> int:
    text = call.target.first(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) < 1:
        raise ParameterInvalid(f"{name} must be a number from 1")
    return min(int(text), most)
