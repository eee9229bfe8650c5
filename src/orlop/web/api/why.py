"""`/api/v1/why/<digest>`."""

import re
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown
from orlop.maintenance import reasons
from orlop.web.answers import Answer
from orlop.web.api.calls import Call, time_or_none

UPLOAD_ID = re.compile(r"[0-9a-f]{40}")


class Step(msgspec.Struct):
    """One link of a chain."""

    kind: Annotated[
        str,
        Meta(description="tag, index, subject, manifest, config, layer, content, image, lease, upload or untagged"),
    ]
    name: Annotated[str, Meta(description="`NAME:TAG`, a digest, a repository, or an image of v1: `NAME ID`")]
    until: Annotated[datetime | None, Meta(description="When it ends to keep; null: never by itself")]
    note: str | None


class Why(msgspec.Struct):
    """What keeps a blob or manifest."""

    name: str
    state: Annotated[
        str,
        Meta(description="live, condemned, removing, removed, lost; `upload`; `absent` where no blob has the digest"),
    ]
    size: int | None
    repositories: Annotated[list[str], Meta(description="The first that hold it")]
    chains: Annotated[list[list[Step]], Meta(description="The outermost step first; empty: nothing keeps it")]
    more: Annotated[bool, Meta(description="Whether there are more chains than these")]
    waits_since: Annotated[datetime | None, Meta(description="Where nothing keeps it: since when")]


async def get(call: Call) -> Answer:
    found = await call.edge.call(find, call.edge.app.reasons, call.item)
    return call.answer(
        Why(
            name=found.name,
            state=found.state,
            size=found.size,
            repositories=found.repositories,
            chains=[
                [Step(step.kind, step.name, time_or_none(step.until), step.note or None) for step in chain]
                for chain in found.chains
            ],
            more=found.more,
            waits_since=time_or_none(found.waits_since),
        )
    )


def find(known: reasons.Reasons, text: str) -> reasons.Why:
    """By a digest, or by an upload's id. DigestInvalid, BlobUnknown."""
    found = known.of_upload(text) if UPLOAD_ID.fullmatch(text) else known.of(Digest.parse(text))
    if found is None:
        raise BlobUnknown(f"the registry knows nothing of {text}", detail={"digest": text})
    return found
