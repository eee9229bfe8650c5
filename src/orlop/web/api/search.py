"""`/api/v1/search`."""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from orlop.app import App
from orlop.contents.cursor import LONGEST as LONGEST_CURSOR
from orlop.contents.entry import lossy
from orlop.contents.find import FileHit
from orlop.contents.inventory import PackageHit
from orlop.contents.label_search import LabelHit
from orlop.contents.scope import MOST_PENDING, Search
from orlop.contents.wanted import LONGEST
from orlop.contents.whereabouts import Shown
from orlop.database.whereabouts import Tagged
from orlop.domain.caller import Caller
from orlop.domain.errors import ContentsUnindexable, ParameterInvalid
from orlop.web.answers import Answer
from orlop.web.api.calls import Call
from orlop.web.api.queries import MOST, Parameter, invalid, page_size
from orlop.web.targets import Target

DEFAULT_COUNT = 50
FEW = 5
"""Hits of each type where none is asked for."""

TYPES = ("names", "tags", "labels", "files", "packages")

PARAMETERS = (
    Parameter(
        "q",
        "What is looked for. In files: a path from / on, name:TEXT, a pattern with * ? [], a digest, or a part of a"
        " name or path, of three characters or more. In packages: a name, and conditions such as `openssl < 3`.",
        {"type": "string", "minLength": 1, "maxLength": LONGEST},
    ),
    Parameter("type", "What is looked at; without it, a few hits of each.", {"enum": list(TYPES)}),
    Parameter(
        "in",
        "Only these repositories: a name, in which * stands for any part of one and ** for several.",
        {"type": "string", "maxLength": 255},
    ),
    Parameter(
        "n", "How many items at most.", {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_COUNT}
    ),
    Parameter(
        "last", "Where the page before ended; take it from `next`.", {"type": "string", "maxLength": LONGEST_CURSOR}
    ),
)


class ImageName(msgspec.Struct):
    """An image in which something was found."""

    repository: str
    reference: Annotated[str, Meta(description="A tag; the digest of an image without one")]
    digest: Annotated[str, Meta(description="Of the image's own manifest, also where the tag names an index")]
    platform: Annotated[str | None, Meta(description="Which image it is, where the tag names an index; else null")]


class Place(msgspec.Struct, kw_only=True):
    """In which images something was found, in what the caller may read."""

    images: Annotated[list[ImageName], Meta(description="The first three")]
    image_count: Annotated[int, Meta(description="How many tags show it; of images without tags, how many of these")]
    more: Annotated[bool, Meta(description="Whether there may be more than `image_count`, which were not counted")]


class FileItem(Place, tag_field="type", tag="file", kw_only=True):
    """A file, directory or the like. What is the same at one path is one item, in however many layers it is."""

    path: Annotated[str, Meta(description="Absolute. Bytes that are no UTF-8 stand as U+FFFD")]
    path_b64: Annotated[str | None, Meta(description="The path in base64, where it is no UTF-8")]
    kind: Annotated[str, Meta(description="file, directory, symlink, hardlink, character, block or fifo")]
    size: Annotated[int, Meta(description="Bytes of the content")]
    digest: Annotated[str | None, Meta(description="Of the content: `sha256:…`")]
    link: Annotated[str | None, Meta(description="The target of a link, as it stands")]
    link_b64: Annotated[str | None, Meta(description="The target in base64, where it is no UTF-8")]
    layer: Annotated[str, Meta(description="The layer from which the first of `images` has it")]
    layers: Annotated[int, Meta(description="From how many layers images have it")]
    step: Annotated[str | None, Meta(description="The command of the build step that made `layer`")]


class PackageItem(Place, tag_field="type", tag="package", kw_only=True):
    """A package that some file of an image tells of."""

    ecosystem: Annotated[str, Meta(description="dpkg, apk, rpm, python, npm, golang or java")]
    name: str
    version: str
    source: Annotated[str, Meta(description="The source package; empty where the ecosystem has none")]
    source_version: str
    architecture: str


class LabelItem(Place, tag_field="type", tag="label", kw_only=True):
    """A label of images' configs, or an annotation of their manifests."""

    key: str
    value: Annotated[str, Meta(description="The first 2000 characters")]


class TagItem(msgspec.Struct, tag_field="type", tag="tag"):
    """A tag."""

    repository: str
    tag: str
    digest: str


class NameItem(msgspec.Struct, tag_field="type", tag="name"):
    """A repository."""

    repository: str


Item = NameItem | TagItem | LabelItem | FileItem | PackageItem


class SearchList(msgspec.Struct):
    """A page of hits."""

    items: list[Item]
    next: Annotated[
        str | None,
        Meta(
            description="The address of the next page. One that is not full may have it, too: the search goes on there"
        ),
    ]
    total: Annotated[None, Meta(description="Nobody counts them")]
    more: Annotated[list[str], Meta(description="Without `type`: the types that have more hits than are told here")]
    pending: Annotated[
        int,
        Meta(description=f"Images that are not indexed yet, and not searched; {MOST_PENDING} of them are counted"),
    ]


async def get(call: Call) -> Answer:
    kind, search = _asked(call.target)
    app, caller = call.edge.app, call.caller
    find = _one if kind else _each
    found = await call.edge.look_inside(call.request, lambda: find(app, caller, kind, search))
    return call.answer(found)


class _Page(NamedTuple):
    items: list[Item]
    following: str | None


def _page(app: App, caller: Caller, kind: str, search: Search) -> _Page:
    finder, item = _FINDING[kind]
    found = finder(app)(caller, search)
    return _Page([item(hit) for hit in found.items], found.following)


def _one(app: App, caller: Caller, kind: str, search: Search) -> SearchList:
    page = _page(app, caller, kind, search)
    following = None
    if page.following is not None:
        query = {"q": search.text, "type": kind, "last": page.following}
        query |= {"in": search.within} if search.within else {}
        query |= {"n": str(search.most)} if search.most != DEFAULT_COUNT else {}
        following = f"/api/v1/search?{urlencode(query)}"
    return SearchList(page.items, following, None, [], _pending(app, caller, kind, search))


def _each(app: App, caller: Caller, kind: str, search: Search) -> SearchList:
    """Types for which the text is none to look for have no hits; nor has what nobody looks into here."""
    items: list[Item] = []
    more = []
    few = search._replace(most=min(FEW, search.most))
    for kind in TYPES:
        try:
            page = _page(app, caller, kind, few)
        except (ParameterInvalid, ContentsUnindexable):
            continue
        items += page.items
        more += [kind] if page.following is not None else []
    return SearchList(items, None, None, more, _pending(app, caller, "", search))


def _pending(app: App, caller: Caller, kind: str, search: Search) -> int:
    return 0 if kind in ("names", "tags") else app.searcher.pending(caller, search.within)


def _asked(target: Target) -> tuple[str, Search]:
    text = target.first("q")
    if not text or len(text) > LONGEST:
        raise ParameterInvalid(f"q must be what is looked for, up to {LONGEST} characters", detail={"parameter": "q"})
    kind = target.first("type")
    if kind is not None and kind not in TYPES:
        raise invalid("type", kind, list(TYPES))
    last = target.first("last") or ""
    if last and kind is None:
        raise ParameterInvalid("last goes with type: `next` has both", detail={"parameter": "last"})
    most = page_size(target) if target.first("n") is not None else DEFAULT_COUNT
    return kind or "", Search(text, target.first("in") or "", last, most)


def _place(shown: Shown) -> dict[str, Any]:
    images = [
        ImageName(image.repository, image.reference, image.digest, image.platform or None) for image in shown.images
    ]
    return {"images": images, "image_count": shown.number, "more": shown.more}


def _file(hit: FileHit) -> FileItem:
    path, path_b64 = lossy(hit.path)
    link, link_b64 = (None, "") if hit.link is None else lossy(hit.link)
    return FileItem(
        **_place(hit.shown),
        path=path,
        path_b64=path_b64 or None,
        kind=hit.kind,
        size=hit.size,
        digest=hit.digest,
        link=link,
        link_b64=link_b64 or None,
        layer=hit.layer,
        layers=hit.layers,
        step=hit.step,
    )


def _package(hit: PackageHit) -> PackageItem:
    package = hit.package
    return PackageItem(
        **_place(hit.shown),
        ecosystem=package.ecosystem,
        name=package.name,
        version=package.version,
        source=package.source,
        source_version=package.source_version,
        architecture=package.architecture,
    )


def _label(hit: LabelHit) -> LabelItem:
    return LabelItem(**_place(hit.shown), key=hit.key, value=hit.value)


def _tag(found: Tagged) -> TagItem:
    return TagItem(found.repository, found.tag, found.digest)


# For each type: what finds its hits, and what tells of one.
_FINDING: dict[str, tuple[Callable[[App], Callable[[Caller, Search], Any]], Callable[[Any], Item]]] = {
    "names": (lambda app: app.name_search.names, NameItem),
    "tags": (lambda app: app.name_search.tags, _tag),
    "labels": (lambda app: app.label_search.page, _label),
    "files": (lambda app: app.find.files, _file),
    "packages": (lambda app: app.inventory.search, _package),
}
