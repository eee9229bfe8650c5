"""What the answers about the contents of images have in common."""

import base64
import binascii
from typing import Annotated

import msgspec
from msgspec import Meta

from orlop.contents import platforms
from orlop.contents.entry import lossy
from orlop.contents.images import Image as Found
from orlop.contents.images import Layer
from orlop.contents.overlay import Node
from orlop.domain.digest import Digest
from orlop.domain.errors import (
    ContentsPending,
    ContentsUnindexable,
    DigestInvalid,
    ManifestUnknown,
    NameInvalid,
    NotAnImage,
    OrlopError,
    ParameterInvalid,
    RepositoryUnknown,
    TagInvalid,
    TagUnknown,
)
from orlop.domain.name import RepositoryName, Tag
from orlop.web.api.queries import Parameter
from orlop.web.targets import Target

LONGEST_REFERENCE = 600

PLATFORM = Parameter(
    "platform",
    "Of an index the image for this platform, `os/architecture` or `os/architecture/variant`; by default that for"
    " linux/amd64, else the first.",
    {"type": "string", "maxLength": 200},
)

NAMING_ERRORS: tuple[type[OrlopError], ...] = (
    NameInvalid,
    TagInvalid,
    DigestInvalid,
    RepositoryUnknown,
    TagUnknown,
    ManifestUnknown,
    NotAnImage,
)
"""What may be wrong with a reference to an image."""
CONTENTS_ERRORS = (*NAMING_ERRORS, ContentsPending, ContentsUnindexable)


class Image(msgspec.Struct):
    """Which image an answer is about."""

    repository: str
    reference: Annotated[str, Meta(description="As it was asked for")]
    digest: Annotated[str, Meta(description="Of the image's own manifest, also where the reference names an index")]
    platform: Annotated[str | None, Meta(description="As `os/architecture[/variant]`; null where nothing tells")]


class File(msgspec.Struct):
    """A file, directory or the like of an image, as its layer has it."""

    path: Annotated[str, Meta(description="Absolute. Bytes that are no UTF-8 stand as U+FFFD")]
    path_b64: Annotated[str | None, Meta(description="The path in base64, where it is no UTF-8")]
    type: Annotated[str, Meta(description="file, directory, symlink, hardlink, character, block or fifo")]
    size: Annotated[int, Meta(description="Bytes of the content")]
    mode: Annotated[str, Meta(description="The permission bits in octal, such as `0755` or `4755`")]
    uid: int
    gid: int
    mtime: Annotated[int, Meta(description="Seconds since 1970")]
    digest: Annotated[str | None, Meta(description="Of the content: `sha256:…`")]
    link: Annotated[str | None, Meta(description="The target of a link, as it stands")]
    link_b64: Annotated[str | None, Meta(description="The target in base64, where it is no UTF-8")]
    layer: Annotated[str | None, Meta(description="The layer that brought it; null of a root that no layer brings")]


def image_of(found: Found) -> Image:
    return Image(found.repository, found.reference, found.digest, found.platform or None)


def file_of(node: Node, layers: tuple[Layer, ...]) -> File:
    path, path_b64 = lossy(node.path)
    link, link_b64 = (None, "") if node.link is None else lossy(node.link)
    return File(
        path=path,
        path_b64=path_b64 or None,
        type=node.kind,
        size=node.size,
        mode=f"{node.mode:04o}",
        uid=node.uid,
        gid=node.gid,
        mtime=node.mtime,
        digest=node.digest,
        link=link,
        link_b64=link_b64 or None,
        layer=layers[node.layer].digest if 0 <= node.layer < len(layers) else None,
    )


def platform_of(target: Target) -> str:
    """The platform that is asked for, empty where none is; else ParameterInvalid."""
    text = target.first("platform")
    return "" if text is None else platforms.parse(text)


def reference_of(target: Target, name: str) -> tuple[RepositoryName, Tag | Digest]:
    """The image that a parameter names, as NAME:TAG or NAME@DIGEST; else ParameterInvalid, NameInvalid and the like."""
    text = target.first(name) or ""
    if len(text) > LONGEST_REFERENCE:
        raise ParameterInvalid(f"{name} is longer than {LONGEST_REFERENCE} characters", detail={"parameter": name})
    repository, at, digest = text.partition("@")
    if at:
        repository, _, _ = repository.partition(":")  # docker's NAME:TAG@DIGEST: the digest decides
        return RepositoryName.parse(repository), Digest.parse(digest)
    repository, colon, tag = text.partition(":")
    if not colon:
        raise ParameterInvalid(f"{name} must be NAME:TAG or NAME@DIGEST", detail={"parameter": name})
    return RepositoryName.parse(repository), Tag.parse(tag)


def flag_of(target: Target, name: str, *, default: bool = False) -> bool:
    text = target.first(name)
    if text not in (None, "true", "false"):
        raise ParameterInvalid(f"{name} must be true or false", detail={"parameter": name, "known": ["true", "false"]})
    return default if text is None else text == "true"


def bytes_of(target: Target, name: str) -> bytes | None:
    """A parameter in base64, of either alphabet, with padding or without; None where it is not given."""
    text = target.first(name)
    if text is None:
        return None
    plain = text.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")  # a bare + means a space in a query
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParameterInvalid(f"{name} must be base64", detail={"parameter": name}) from error


def token_of(raw: bytes) -> str:
    """For the address of a next page; `bytes_of` reads it."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
