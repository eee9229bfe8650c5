"""`/api/v1/repositories/<name>/-/packages/<reference>`."""

import re
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from orlop.contents.inventory import Listed, known_ecosystem
from orlop.contents.packages.query import ECOSYSTEMS
from orlop.domain.errors import ParameterInvalid
from orlop.domain.name import parse_reference
from orlop.web.answers import Answer
from orlop.web.api.calls import Call
from orlop.web.api.images import PLATFORM, Image, image_of, platform_of
from orlop.web.api.queries import DEFAULT_COUNT, SIZE, Parameter, page_size

PARAMETERS = (
    PLATFORM,
    Parameter("ecosystem", f"Only packages of this one: {', '.join(ECOSYSTEMS)}.", {"type": "string", "maxLength": 20}),
    SIZE,
    Parameter("last", "Where the page before ended; take it from `next`.", {"type": "string", "maxLength": 18}),
)

_NUMBER = re.compile(r"[0-9]{1,18}")


class Package(msgspec.Struct):
    """A package that a file of the image tells of."""

    ecosystem: Annotated[str, Meta(description=", ".join(ECOSYSTEMS))]
    name: str
    version: str
    source: Annotated[str, Meta(description="The source package; empty where the ecosystem has none")]
    source_version: str
    architecture: str
    path: Annotated[str, Meta(description="The file that tells of it")]
    layer: Annotated[str, Meta(description="The layer which has that file")]


class PackageList(msgspec.Struct):
    """A page of an image's packages, by name."""

    image: Image
    items: list[Package]
    next: Annotated[str | None, Meta(description="The address of the next page")]
    total: Annotated[int, Meta(description="How many there are in all pages")]


async def listing(call: Call) -> Answer:
    reference, platform = parse_reference(call.item), platform_of(call.target)
    ecosystem, size, after = call.target.first("ecosystem") or "", page_size(call.target), _after(call)
    if ecosystem:
        known_ecosystem(ecosystem)
    of_image = call.edge.app.inventory.of_image
    found = await call.edge.look_inside(
        call.request,
        lambda: of_image(
            call.caller, call.name, reference, platform=platform, ecosystem=ecosystem, after=after, most=size
        ),
    )
    following = None
    if found.following is not None:
        query = {"last": str(found.following)}
        query |= {"n": str(size)} if size != DEFAULT_COUNT else {}
        query |= {"ecosystem": ecosystem} if ecosystem else {}
        query |= {"platform": platform} if platform else {}
        following = f"/api/v1/repositories/{call.name}/-/packages/{call.item}?{urlencode(query)}"
    return call.answer(PackageList(image_of(found.image), list(map(_package, found.items)), following, found.total))


def _after(call: Call) -> int:
    text = call.target.first("last") or "0"
    if _NUMBER.fullmatch(text) is None:
        raise ParameterInvalid("last must come from `next`", detail={"parameter": "last"})
    return int(text)


def _package(listed: Listed) -> Package:
    package = listed.package
    return Package(
        ecosystem=package.ecosystem,
        name=package.name,
        version=package.version,
        source=package.source,
        source_version=package.source_version,
        architecture=package.architecture,
        path=package.path,
        layer=listed.layer,
    )
