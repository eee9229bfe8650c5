"""`/v2/<name>/referrers/<digest>`."""

from urllib.parse import quote

from orlop.domain.digest import Digest
from orlop.domain.manifest import OCI_INDEX
from orlop.web.answers import Answer, json_answer
from orlop.web.v2.calls import Call

MOST = 1000
"""Descriptors in one page at most."""


async def listing(call: Call) -> Answer:
    """An index of the manifests whose subject is that digest; empty where there is none."""
    digest = Digest.parse(call.item)
    # A bare + means a space in a query. No media type holds one, and many end in +json.
    artifact_type = (call.target.first("artifactType") or "").replace(" ", "+")
    count, last = max(1, call.target.count(MOST, MOST)), call.target.first("last") or ""
    page = await call.edge.call(
        lambda: call.edge.app.referrers.page(
            call.caller, call.name, digest, artifact_type=artifact_type, last=last, count=count
        )
    )
    headers = [("OCI-Filters-Applied", "artifactType")] if artifact_type else []
    if page.more:
        query = f"n={count}&last={quote(page.descriptors[-1]['digest'], safe='')}"
        if artifact_type:
            query += f"&artifactType={quote(artifact_type, safe='')}"
        headers.append(("Link", f'<{call.location(f"/v2/{call.name}/referrers/{digest}?{query}")}>; rel="next"'))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page.descriptors}
    return json_answer(200, index, headers, content_type=OCI_INDEX)
