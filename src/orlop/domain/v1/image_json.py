"""The JSON of a v1 image: what must be in it. Its bytes are kept as they came, as checksums are of them."""

from typing import NamedTuple

from orlop.domain import strict_json
from orlop.domain.errors import ImageInvalid, ImageUnknown
from orlop.domain.v1.ids import ImageId

LARGEST = 1 << 20
"""Bytes."""


class ImageJson(NamedTuple):
    id: ImageId
    parent: ImageId | None


def parse_image_json(content: bytes, image_id: ImageId) -> ImageJson:
    """What the JSON of the image of that id says. ImageInvalid, in the words that clients of v1 know."""
    if len(content) > LARGEST:
        raise ImageInvalid("Invalid JSON: it is larger than 1 MiB")
    try:
        document = strict_json.loads(content)
    except ValueError as error:
        raise ImageInvalid("Invalid JSON") from error
    if not isinstance(document, dict):
        raise ImageInvalid("Invalid JSON")
    if "id" not in document:
        raise ImageInvalid("Missing key `id' in JSON")
    if document["id"] != image_id:
        raise ImageInvalid("JSON data contains invalid id")
    parent = document.get("parent")
    if parent in (None, ""):
        return ImageJson(image_id, None)
    try:
        found = ImageId.parse(parent) if isinstance(parent, str) else None
    except ImageUnknown:
        found = None
    if found is None or found == image_id:
        raise ImageInvalid("Image depends on a non existing parent")
    return ImageJson(image_id, found)
