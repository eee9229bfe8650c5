"""What can go wrong, in the registry's own words. Nothing here knows HTTP; each API has one table that does."""

import math
from typing import ClassVar


class OrlopError(Exception):
    """A refusal with its reason, and with `detail` for a program.

    `detail` is JSON data (or None) that names what was refused.
    """

    message: ClassVar[str] = "the registry refuses"

    def __init__(self, message: str | None = None, *, detail: object = None) -> None:
        super().__init__(message or self.message)
        self.detail = detail


class NameInvalid(OrlopError):
    message = "invalid repository name"


class TagInvalid(OrlopError):
    message = "invalid tag"


class DigestInvalid(OrlopError):
    """The digest is malformed or of an algorithm that is not supported, or the content has another."""

    message = "invalid digest"


class ParameterInvalid(OrlopError):
    message = "invalid parameter"


class PageInvalid(ParameterInvalid):
    message = "invalid page size"


class RepositoryUnknown(OrlopError):
    message = "repository not known to the registry"


class ManifestUnknown(OrlopError):
    message = "manifest unknown"


class TagUnknown(ManifestUnknown):
    message = "tag unknown"


class ManifestInvalid(OrlopError):
    message = "manifest invalid"


class ManifestTooLarge(OrlopError):
    message = "manifest too large"


class ManifestBlobUnknown(OrlopError):
    """The manifest names blobs or manifests that the repository does not hold; `detail` lists them."""

    message = "manifest references content that the repository does not hold"


class ManifestInUse(OrlopError):
    message = "manifest is part of another one"


class TooManyTags(OrlopError):
    message = "too many tags in one push"


class BlobUnknown(OrlopError):
    message = "blob unknown"


class BlobInUse(OrlopError):
    message = "blob is part of a manifest"


class RangeUnsatisfiable(OrlopError):
    """The range asked for lies outside the `size` bytes of the content."""

    message = "range not satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(detail={"size": size})
        self.size = size


class UploadUnknown(OrlopError):
    message = "upload unknown"


class UploadInvalid(OrlopError):
    message = "upload invalid"


class UploadBusy(UploadInvalid):
    message = "another request is writing to this upload"


class UploadOutOfOrder(OrlopError):
    """The chunk does not begin where the upload ends: at `size` bytes."""

    message = "chunk out of order"

    def __init__(self, size: int) -> None:
        super().__init__(f"chunk out of order: the upload holds {size} bytes", detail={"size": size})
        self.size = size


class SizeInvalid(OrlopError):
    message = "length does not match the content"


class StorageFull(OrlopError):
    message = "the registry's storage is full: delete content, or make the disk larger"


class Unsupported(OrlopError):
    message = "not supported"


class Unavailable(OrlopError):
    message = "the registry cannot answer just now"


class Busy(OrlopError):
    """The same work is being done already."""

    message = "this is running already"


class Unauthorized(OrlopError):
    """Who asks has not said who they are, or not shown it, or by a token that is not good for this.

    `scope`: what a token must be good for, as the Docker token specification writes it; empty where that is unknown.
    """

    message = "authentication required"

    def __init__(self, message: str | None = None, *, scope: str = "", error: str = "", detail: object = None) -> None:
        """`error`: a code of RFC 6750 where a token was sent."""
        super().__init__(message, detail=detail)
        self.scope = scope
        self.error = error


class Denied(OrlopError):
    """The account is known, and may not do this."""

    message = "requested access to the resource is denied"


class TooManyRequests(OrlopError):
    """`seconds` until it is worth trying again."""

    message = "too many requests"

    def __init__(self, message: str | None = None, seconds: float = 1) -> None:
        super().__init__(message)
        self.seconds = max(1, math.ceil(seconds))


class AccountUnknown(OrlopError):
    message = "there is no such account"


class AccountInvalid(OrlopError):
    """A name, password, scope or the like that an account cannot have."""

    message = "invalid account"


class ImageInvalid(OrlopError):
    """What was sent of a v1 image cannot be; the message is the one that clients of v1 know."""

    message = "Invalid data"


class ImageUnknown(OrlopError):
    message = "Image not found"


class ImageExists(OrlopError):
    """Clients look for these very words, and skip the image."""

    message = "Image already exists"


class ImageUploading(OrlopError):
    message = "Image is being uploaded, retry later"


class LayerInvalid(OrlopError):
    """The bytes of a layer are damaged, cut short, no archive, or more than the limits let through."""

    message = "layer invalid"


class Unindexable(LayerInvalid):
    """What is in a layer cannot be told, nor will it be when it is looked at again; the message says why."""

    message = "the layer cannot be looked into"


class ParserFailed(OrlopError):
    """The process that looks into layers did not come to its end; it may when it is started again."""

    message = "the parser of layers failed"


class ContentDamaged(OrlopError):
    """What is stored under a digest are other bytes: reading them again will not help, pushing them again will."""

    message = "the stored bytes are damaged: orlop scrub tells more"


class ChecksumInvalid(ImageInvalid):
    message = "Invalid checksum format"


class ChecksumMismatch(ImageInvalid):
    message = "Checksum mismatch"


class ChecksumUnexpected(OrlopError):
    """The image is complete already, or its layer has not come."""

    message = "Cannot set this image checksum"


class StoreRefused(OrlopError):
    """The store or its database cannot be served as it is; the message names the remedy."""

    message = "the store cannot be served"


class BackupRefused(OrlopError):
    """A backup cannot be made there, or cannot be restored; the message names the remedy."""

    message = "the backup cannot be used"


class NoV1View(OrlopError):
    """What a tag names is nothing that the v1 API can show."""

    message = "this image cannot be shown over the v1 API"


class ImportRefused(OrlopError):
    message = "nothing can be taken over from there"


class FileUnknown(OrlopError):
    """The image has no such file, or not of the kind that was asked for."""

    message = "the image has no such file"


class LinkLoop(FileUnknown):
    message = "too many symbolic links on the way to the file"


class ContentsPending(OrlopError):
    """A worker has not looked into the image yet, or is about to do so again."""

    message = "the contents of this image are not known yet: try again in a moment"


class ContentsUnindexable(OrlopError):
    """A layer cannot be looked into, and will not be tried again; the message says which, and why."""

    message = "the contents of this image cannot be read"


class NotAnImage(OrlopError):
    """A manifest of something else than a container image: its layers are no file systems."""

    message = "this manifest is not that of a container image"
