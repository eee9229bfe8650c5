"""`/api/v1/repositories/<name>/-/cost/<reference>`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from orlop.contents.cost import Cost
from orlop.domain.access import PULL
from orlop.domain.name import parse_reference
from orlop.web.answers import Answer
from orlop.web.api.calls import Call
from orlop.web.api.images import PLATFORM, Image, image_of, platform_of, reference_of
from orlop.web.api.queries import Parameter

PARAMETERS = (
    PLATFORM,
    Parameter(
        "have",
        "An image that is there already: NAME:TAG or NAME@DIGEST, in the same or another repository.",
        {"type": "string", "maxLength": 600},
    ),
)


class LayerCost(msgspec.Struct):
    """One layer, once."""

    digest: str
    size: int
    step: Annotated[str | None, Meta(description="The command that made it; null where nothing tells")]
    had: Annotated[bool, Meta(description="The image that is there has it: it is not pulled again")]
    tags: Annotated[
        int, Meta(description="Tags that need it, of all that the caller may read, this one among them; 10000 at most")
    ]


class CostReport(msgspec.Struct):
    """What pulling an image costs. Sizes are bytes as they are transferred."""

    image: Image
    have: Image | None
    download: Annotated[int, Meta(description="All that is pulled: layers, config and manifest")]
    had: Annotated[int, Meta(description="Layers that are there already")]
    documents: Annotated[int, Meta(description="Config and manifest")]
    layers: Annotated[list[LayerCost], Meta(description="The base first")]


async def get(call: Call) -> Answer:
    wanted = call.name, parse_reference(call.item)
    have = reference_of(call.target, "have") if call.target.first("have") is not None else None
    if have is not None:
        call.caller.authority.demand(PULL, have[0])
    platform = platform_of(call.target)
    found = await call.edge.look_inside(
        call.request, lambda: call.edge.app.costs.of(call.caller, wanted, have, platform)
    )
    return call.answer(_report(found))


def _report(found: Cost) -> CostReport:
    return CostReport(
        image=image_of(found.image),
        have=None if found.have is None else image_of(found.have),
        download=found.download,
        had=found.had,
        documents=found.documents,
        layers=[
            LayerCost(
                digest=cost.layer.digest,
                size=cost.layer.size,
                step=(cost.layer.step.created_by or None) if cost.layer.step is not None else None,
                had=cost.had,
                tags=cost.tags,
            )
            for cost in found.layers
        ],
    )
