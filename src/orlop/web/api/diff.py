"""`/api/v1/diff`."""

from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from orlop.contents import comparison
from orlop.contents.comparison import Pair, Reference
from orlop.contents.difference import Change
from orlop.contents.entry import lossy
from orlop.contents.images import Image as FoundImage
from orlop.contents.packages.package import Package as Told
from orlop.domain.access import PULL
from orlop.domain.errors import ParameterInvalid
from orlop.web.answers import Answer
from orlop.web.api.calls import Call
from orlop.web.api.images import PLATFORM, File, Image, bytes_of, file_of, image_of, platform_of, reference_of, token_of
from orlop.web.api.queries import DEFAULT_COUNT, SIZE, Parameter, page_size

KINDS = ("files", "packages", "config", "text")

PARAMETERS = (
    Parameter("a", "The image before: NAME:TAG or NAME@DIGEST.", {"type": "string", "maxLength": 600}),
    Parameter("b", "The image after, in the same or another repository.", {"type": "string", "maxLength": 600}),
    Parameter("kind", "What is compared.", {"enum": list(KINDS), "default": "files"}),
    Parameter(
        "path",
        "With `files` only what is below this directory; with `text` the file.",
        {"type": "string", "maxLength": 4096},
    ),
    Parameter("path_b64", "The same in base64, for a path that is no UTF-8.", {"type": "string", "maxLength": 8192}),
    PLATFORM,
    SIZE,
    Parameter("last", "Where the page before ended; take it from `next`.", {"type": "string", "maxLength": 8192}),
)


class FileChange(msgspec.Struct):
    """A path at which two images differ."""

    path: str
    path_b64: Annotated[str | None, Meta(description="The path in base64, where it is no UTF-8")]
    how: Annotated[str, Meta(description="added, changed or removed")]
    what: Annotated[list[str], Meta(description="Of what was changed: type, content, link, mode, owner")]
    before: File | None
    after: File | None


class FileTotals(msgspec.Struct):
    """Of all changes, directories left out. Sizes in bytes of content."""

    added: int
    changed: int
    removed: int
    added_size: int
    removed_size: int
    grown: Annotated[int, Meta(description="By how much the changed files are larger; negative: smaller")]


class Package(msgspec.Struct):
    ecosystem: str
    name: str
    architecture: str | None
    before: Annotated[str | None, Meta(description="Its version; null where the package is not there")]
    after: str | None
    path: Annotated[str, Meta(description="The file that tells of it, in the second image where that has the package")]


class PackageChanges(msgspec.Struct):
    added: list[Package]
    upgraded: list[Package]
    downgraded: list[Package]
    removed: list[Package]


class Setting(msgspec.Struct):
    """A setting of the config that differs."""

    field: str
    name: Annotated[str | None, Meta(description="Of an environment variable, a label, a port or a volume")]
    how: Annotated[str, Meta(description="added, changed or removed")]
    before: Annotated[
        str | None, Meta(description="Null where it was not set, and of environment variables: it may be a secret")
    ]
    after: str | None


class TextChange(msgspec.Struct):
    """What differs in one file."""

    path: str
    before: File | None
    after: File | None
    refusal: Annotated[
        str | None, Meta(description="`binary` or `large`, up to 1 MiB each: why there are no lines to show")
    ]
    difference: Annotated[str, Meta(description="As `diff -u` shows it; empty where the content is the same")]


class Difference(msgspec.Struct):
    """What differs between two images: of the fields from `totals` on those that were asked for."""

    a: Image
    b: Image
    kind: str
    totals: Annotated[FileTotals | None, Meta(description="With `files`")] = None
    items: Annotated[list[FileChange] | None, Meta(description="With `files`: a page of them, by path")] = None
    next: Annotated[str | None, Meta(description="The address of the next page")] = None
    packages: Annotated[PackageChanges | None, Meta(description="With `packages`")] = None
    config: Annotated[list[Setting] | None, Meta(description="With `config`")] = None
    text: Annotated[TextChange | None, Meta(description="With `text`")] = None


async def get(call: Call) -> Answer:
    asked = _Asked(call)
    # The lines of two files are read from wherever in their layers they are.
    pool = call.edge.pools.unpacking if asked.kind == "text" else None
    return call.answer(await call.edge.look_inside(call.request, lambda: _RENDERED[asked.kind](call, asked), pool))


class _Asked:
    """What the address asks for, else ParameterInvalid; Unauthorized or Denied where the caller may not pull both."""

    def __init__(self, call: Call) -> None:
        target = call.target
        before, after = _both(call)
        self.pair = Pair(before, after, platform_of(target))
        self.kind = target.first("kind") or "files"
        if self.kind not in KINDS:
            raise ParameterInvalid(
                f"kind must be one of {', '.join(KINDS)}", detail={"parameter": "kind", "known": list(KINDS)}
            )
        encoded, text = bytes_of(target, "path_b64"), target.first("path")
        if encoded is not None and text is not None:
            raise ParameterInvalid("the path is given twice", detail={"parameter": "path_b64"})
        self.path = encoded if encoded is not None else (text or "").encode()
        if self.kind == "text" and not self.path:
            raise ParameterInvalid("kind=text needs the path of a file", detail={"parameter": "path"})
        if self.kind in ("packages", "config") and self.path:
            raise ParameterInvalid(f"path does not go with kind={self.kind}", detail={"parameter": "path"})
        self.size = page_size(target)
        self.last = bytes_of(target, "last") or b""


def _both(call: Call) -> tuple[Reference, Reference]:
    before, after = reference_of(call.target, "a"), reference_of(call.target, "b")
    # Both before anything is looked up: whether a repository is there is told to nobody who may not know.
    for name, _ in (before, after):
        call.caller.authority.demand(PULL, name)
    return before, after


def _files(call: Call, asked: _Asked) -> Difference:
    found = call.edge.app.comparison.files(call.caller, asked.pair, asked.path, asked.last, asked.size)
    return Difference(
        *_images(found.images),
        "files",
        totals=FileTotals(*found.totals),
        items=[_change(change, found.images) for change in found.items],
        next=_following(call, asked, found.following),
    )


def _following(call: Call, asked: _Asked, after: bytes | None) -> str | None:
    if after is None:
        return None
    query = {name: value for name in ("a", "b", "platform", "path") if (value := call.target.first(name))}
    if call.target.first("path_b64") is not None:
        query["path_b64"] = token_of(asked.path)
    if asked.size != DEFAULT_COUNT:
        query["n"] = str(asked.size)
    return f"/api/v1/diff?{urlencode({**query, 'last': token_of(after)})}"


def _change(change: Change, images: tuple[FoundImage, FoundImage]) -> FileChange:
    path, path_b64 = lossy(change.path)
    before, after = (
        None if node is None else file_of(node, image.layers)
        for node, image in zip((change.before, change.after), images, strict=True)
    )
    return FileChange(path, path_b64 or None, change.how, list(change.what), before, after)


def _packages(call: Call, asked: _Asked) -> Difference:
    found = call.edge.app.comparison.packages(call.caller, asked.pair)
    changes = found.changes
    return Difference(
        *_images(found.images),
        "packages",
        packages=PackageChanges(
            added=[_package(None, package) for package in changes.added],
            upgraded=[_package(change.before, change.after) for change in changes.upgraded],
            downgraded=[_package(change.before, change.after) for change in changes.downgraded],
            removed=[_package(package, None) for package in changes.removed],
        ),
    )


def _package(before: Told | None, after: Told | None) -> Package:
    told = after or before
    assert told is not None
    return Package(
        ecosystem=told.ecosystem,
        name=told.name,
        architecture=told.architecture or None,
        before=before.version if before else None,
        after=after.version if after else None,
        path=told.path,
    )


def _config(call: Call, asked: _Asked) -> Difference:
    found = call.edge.app.comparison.config(call.caller, asked.pair)
    items = [Setting(item.field, item.name, item.how, item.before, item.after) for item in found.items]
    return Difference(*_images(found.images), "config", config=items)


def _text(call: Call, asked: _Asked) -> Difference:
    found: comparison.TextChanges = call.edge.app.comparison.text(call.caller, asked.pair, asked.path)
    before, after = (None if file is None else file_of(file.node, file.image.layers) for file in found.found)
    told = TextChange(lossy(found.path)[0], before, after, found.refusal or None, found.difference)
    return Difference(*_images(found.images), "text", text=told)


def _images(images: tuple[FoundImage, FoundImage]) -> tuple[Image, Image]:
    return image_of(images[0]), image_of(images[1])


_RENDERED = {"files": _files, "packages": _packages, "config": _config, "text": _text}
