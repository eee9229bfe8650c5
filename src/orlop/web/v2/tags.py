"""`/v2/<name>/tags/list` and `/v2/_catalog`."""

from urllib.parse import quote

from orlop.web.answers import Answer, json_answer
from orlop.web.v2.calls import Call

MOST = 10_000
"""Names in one page at most."""


async def listing(call: Call) -> Answer:
    count, last = call.target.count(MOST, MOST), call.target.first("last") or ""
    page = await call.edge.call(lambda: call.edge.app.repositories.tags(call.caller, call.name, last=last, count=count))
    headers = _next(call, f"/v2/{call.name}/tags/list", count, page.names) if page.more else []
    return json_answer(200, {"name": call.name, "tags": page.names}, headers)


async def catalog(call: Call) -> Answer:
    count, last = call.target.count(MOST, MOST), call.target.first("last") or ""
    page = await call.edge.call(lambda: call.edge.app.repositories.page(call.caller, last=last, count=count))
    headers = _next(call, "/v2/_catalog", count, page.names) if page.more else []
    return json_answer(200, {"repositories": page.names}, headers)


def _next(call: Call, path: str, count: int, names: list[str]) -> list[tuple[str, str]]:
    target = call.location(f"{path}?n={count}&last={quote(names[-1], safe='')}")
    return [("Link", f'<{target}>; rel="next"')]
