"""The folder of a docker-registry 0.6 to 0.9.1 with file storage, read as it lies there.

    images/<id>/{json,layer,ancestry,_checksum,_inprogress}          ids are global
    images/<ns>/<repo>/<id>/…                                        or private to a repository
    repositories/<ns>/<repo>/tag_<tag>                               the id of an image
                            /tag<tag>_json, json, _index_images, …   of no use here

Since 0.8.1 each part of a path that comes from a client is percent-quoted.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_plus

import msgspec

from orlop.domain.errors import ImageInvalid, ImportRefused
from orlop.domain.v1.checksums import Checksum
from orlop.domain.v1.ids import ImageId
from orlop.domain.v1.image_json import LARGEST, parse_image_json

_ID = re.compile(r"[0-9a-f]{64}|[0-9a-f]{16}")
_TAG = "tag_"
LARGEST_CHECKSUM = 1 << 16
"""Bytes."""


class Unusable(Exception):
    """Why an image cannot be taken over."""


class OldImage(NamedTuple):
    id: ImageId
    parent: ImageId | None
    document: bytes
    layer: Path
    size: int
    checksums: list[Checksum]
    """Of those kinds that are known."""


class OldRepository(NamedTuple):
    """As it is named there: `library` is the namespace of names without one."""

    namespace: str
    repository: str
    images: Path
    """The folder of its images."""
    is_private: bool
    """Whether only its own are in that."""
    tags: dict[str, str]
    """What each tag's file holds: an image's id, if all is well."""


class OldRegistry:
    def __init__(self, root: Path) -> None:
        """ImportRefused: there is none in that folder."""
        self._images = root / "images"
        self._repositories = root / "repositories"
        if not self._images.is_dir():
            raise ImportRefused(
                f"{root} holds no docker-registry: name the folder that has images and repositories in it"
                " (storage_path in its configuration)"
            )

    def repositories(self) -> Iterator[OldRepository]:
        """In the order of their names."""
        found = {(folder.parent.name, folder.name) for folder in self._two_below(self._repositories)}
        nested = {
            (folder.parent.name, folder.name)
            for folder in self._two_below(self._images)
            if not _is_image(folder.parent)
        }
        for namespace, repository in sorted(found | nested):
            is_private = (namespace, repository) in nested
            yield OldRepository(
                unquote_plus(namespace),
                unquote_plus(repository),
                self._images / namespace / repository if is_private else self._images,
                is_private,
                self._tags(self._repositories / namespace / repository),
            )

    def shared_ids(self) -> set[str]:
        """Ids of all images that no repository has for itself."""
        return {folder.name for folder in self._images.iterdir() if _is_image(folder)}

    def ids_in(self, folder: Path) -> list[str]:
        """Ids of the images in a repository's own folder."""
        return sorted(path.name for path in folder.iterdir() if _is_image(path))

    def image(self, folder: Path, image_id: str) -> OldImage:
        """The image in that folder of images. Unusable."""
        path = folder / image_id
        if _ID.fullmatch(image_id) is None:
            raise Unusable("no image has this id")
        if not path.is_dir():
            raise Unusable("it is missing")
        if (path / "_inprogress").exists():
            raise Unusable("it was never pushed to its end")
        try:
            document = _read(path / "json", LARGEST)
            parsed = parse_image_json(document, ImageId(image_id))
            layer = path / "layer"
            return OldImage(
                ImageId(image_id), parsed.parent, document, layer, layer.stat().st_size, _checksums(path / "_checksum")
            )
        except FileNotFoundError as error:
            raise Unusable(f"its {Path(str(error.filename)).name} is missing") from error
        except OSError as error:
            raise Unusable(f"{error.filename}: {error.strerror}") from error
        except ImageInvalid as error:
            raise Unusable(f"its json is not valid: {error}") from error

    def _tags(self, folder: Path) -> dict[str, str]:
        try:
            files = sorted(path for path in folder.iterdir() if path.name.startswith(_TAG) and path.is_file())
        except FileNotFoundError:
            return {}
        found = {}
        for file in files:
            content = _read(file, LARGEST_CHECKSUM).decode("utf-8", "replace").strip()
            # `tag_x_json` may be what is known of a tag `_x`, or a tag `x_json`.
            if not content.startswith("{"):
                found[unquote_plus(file.name.removeprefix(_TAG))] = content
        return found

    def _two_below(self, folder: Path) -> Iterator[Path]:
        if folder.is_dir():
            for above in folder.iterdir():
                if above.is_dir():
                    yield from (path for path in above.iterdir() if path.is_dir())


def _is_image(folder: Path) -> bool:
    """A namespace may look like an id: it has no objects in it."""
    return _ID.fullmatch(folder.name) is not None and any(
        (folder / name).is_file() for name in ("json", "layer", "ancestry", "_inprogress")
    )


def _checksums(file: Path) -> list[Checksum]:
    """One in plain text, as 0.6 wrote it, or a JSON array of them."""
    try:
        content = _read(file, LARGEST_CHECKSUM)
    except FileNotFoundError:
        return []
    try:
        texts = msgspec.json.decode(content, type=list[str] | str)
    except msgspec.MsgspecError:
        texts = content.decode("utf-8", "replace")
    found = []
    for text in [texts] if isinstance(texts, str) else texts:
        try:
            found.append(Checksum.parse(text.strip()))
        except ImageInvalid:
            continue  # of a kind that nobody can compute now
    return found


def _read(file: Path, most: int) -> bytes:
    with file.open("rb") as opened:
        return opened.read(most + 1)
