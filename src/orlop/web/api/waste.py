"""`/api/v1/repositories/<name>/-/waste/<reference>`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from orlop.contents.images import Image as FoundImage
from orlop.contents.waste import Waste, Wasted
from orlop.domain.name import parse_reference
from orlop.web.answers import Answer
from orlop.web.api.calls import Call
from orlop.web.api.images import PLATFORM, File, Image, file_of, flag_of, image_of, platform_of
from orlop.web.api.queries import SIZE, Parameter, page_size

PARAMETERS = (
    PLATFORM,
    SIZE,
    Parameter("live", "Tell also of live files whose names speak of secrets.", {"type": "boolean", "default": False}),
)


class Layer(msgspec.Struct):
    """What one layer ships. Sizes are bytes of content, unpacked."""

    digest: str
    size: Annotated[int, Meta(description="Bytes of the layer itself, packed")]
    step: Annotated[str | None, Meta(description="The command that made it; null where nothing tells")]
    files: int
    shipped: int
    wasted_files: int
    wasted: Annotated[int, Meta(description="Of it, what a later layer deletes or replaces")]


class WastedFile(msgspec.Struct):
    """A file that is shipped, and not there at the top."""

    file: File
    how: Annotated[
        str,
        Meta(
            description="deleted; replaced by something else; or unchanged: replaced by the same content, with another"
            " mode, owner or time"
        ),
    ]
    gone_by: Annotated[str, Meta(description="The layer that deleted or replaced it")]
    step: Annotated[str | None, Meta(description="The command that made that layer")]


class WasteReport(msgspec.Struct):
    """What an image ships for nothing. Sizes are bytes of content, unpacked."""

    image: Image
    shipped: Annotated[int, Meta(description="The files of all layers")]
    wasted: Annotated[int, Meta(description="Of it, what is not there at the top")]
    efficiency: Annotated[float, Meta(description="Live bytes for each 100 shipped")]
    layers: Annotated[list[Layer], Meta(description="The base first")]
    files: Annotated[list[WastedFile], Meta(description="The `n` largest, the largest first")]
    secrets: Annotated[
        list[WastedFile],
        Meta(description="Deleted or replaced, and still shipped, with names that speak of keys or passwords"),
    ]
    secret_count: int
    live_secrets: Annotated[list[File], Meta(description="The same of live files, with `live`")]
    live_secret_count: int


async def get(call: Call) -> Answer:
    reference, platform = parse_reference(call.item), platform_of(call.target)
    most, live = page_size(call.target), flag_of(call.target, "live")
    find = call.edge.app.wastes.find
    found = await call.edge.look_inside(
        call.request, lambda: find(call.caller, call.name, reference, platform=platform, most=most, live=live)
    )
    return call.answer(_report(found))


def _report(found: Waste) -> WasteReport:
    image = found.image
    return WasteReport(
        image=image_of(image),
        shipped=found.shipped,
        wasted=found.wasted,
        efficiency=round(found.efficiency, 2),
        layers=[
            Layer(
                digest=layer.digest,
                size=layer.size,
                step=_step(image, place),
                files=count.files,
                shipped=count.shipped,
                wasted_files=count.wasted_files,
                wasted=count.wasted,
            )
            for place, (layer, count) in enumerate(zip(image.layers, found.layers, strict=True))
        ],
        files=[_wasted(image, wasted) for wasted in found.files],
        secrets=[_wasted(image, wasted) for wasted in found.secrets],
        secret_count=found.secret_count,
        live_secrets=[file_of(node, image.layers) for node in found.live_secrets],
        live_secret_count=found.live_secret_count,
    )


def _wasted(image: FoundImage, wasted: Wasted) -> WastedFile:
    how = "unchanged" if wasted.unchanged else "replaced" if wasted.replaced else "deleted"
    return WastedFile(
        file=file_of(wasted.node, image.layers),
        how=how,
        gone_by=image.layers[wasted.gone].digest,
        step=_step(image, wasted.gone),
    )


def _step(image: FoundImage, place: int) -> str | None:
    step = image.layers[place].step
    return step.created_by or None if step is not None else None
