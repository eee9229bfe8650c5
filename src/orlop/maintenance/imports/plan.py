"""What is to be taken over of an old registry: valid names, whole images, and tags on them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from orlop.domain.errors import NameInvalid, TagInvalid
from orlop.domain.name import RepositoryName, Tag
from orlop.domain.v1.ids import ImageId
from orlop.maintenance.imports.old_registry import OldImage, OldRegistry, OldRepository, Unusable

LIBRARY = "library"
LONGEST_CHAIN = 1000


class Work(NamedTuple):
    """One repository. Parents come before what is on them."""

    name: RepositoryName
    images: list[OldImage]
    tags: dict[Tag, ImageId]


class Plan:
    """Of everything in a folder. `problems` (a line for each) say what is left out."""

    def __init__(self, registry: OldRegistry, tell: Callable[[int], None], *, keep_library: bool) -> None:
        """`keep_library`: names keep their `library/`. `tell` is told how many repositories were looked at."""
        self._registry = registry
        self._keep_library = keep_library
        self._read: dict[Path, OldImage | str] = {}
        self.problems: list[str] = []
        self.work: list[Work] = []
        names: set[str] = set()
        for number, repository in enumerate(registry.repositories(), start=1):
            work = self._of(repository)
            if work is not None and work.name in names:
                self.problems.append(f"{work.name}: two folders of the old registry have this name: one is left out")
            elif work is not None and (work.images or work.tags):
                names.add(work.name)
                self.work.append(work)
            tell(number)

    @property
    def images(self) -> int:
        return sum(len(work.images) for work in self.work)

    def unreached(self) -> int:
        """How many images no tag reaches, of those that belong to no repository."""
        reached = {image.id for work in self.work for image in work.images}
        return len(self._registry.shared_ids() - reached - {path.name for path in self._read})

    def _of(self, repository: OldRepository) -> Work | None:
        try:
            name = self._name(repository)
        except NameInvalid as error:
            self.problems.append(f"{repository.namespace}/{repository.repository}: {error}")
            return None
        images: dict[str, OldImage] = {}
        if repository.is_private:
            for image_id in self._registry.ids_in(repository.images):
                reason = self._add(repository.images, image_id, images)
                if reason:
                    self.problems.append(f"{name}: image {image_id}: {reason}")
        tags: dict[Tag, ImageId] = {}
        for text, image_id in repository.tags.items():
            try:
                tag = Tag.parse(text)
            except TagInvalid as error:
                self.problems.append(f"{name}:{text}: {error}")
                continue
            reason = self._add(repository.images, image_id, images)
            if reason:
                self.problems.append(f"{name}:{tag}: image {image_id}: {reason}")
            else:
                tags[tag] = ImageId(image_id)
        return Work(name, list(images.values()), tags)

    def _name(self, repository: OldRepository) -> RepositoryName:
        if repository.namespace == LIBRARY and not self._keep_library:
            return RepositoryName.parse(repository.repository)
        return RepositoryName.parse(f"{repository.namespace}/{repository.repository}")

    def _add(self, folder: Path, image_id: str, images: dict[str, OldImage]) -> str:
        """Adds an image with its parents, the root first; or why not."""
        chain: list[OldImage] = []
        wanted: str | None = image_id
        while wanted is not None and wanted not in images:
            image = self._image(folder, wanted)
            if isinstance(image, str):
                return image if wanted == image_id else f"it is on {wanted}, and {image}"
            if len(chain) == LONGEST_CHAIN or image in chain:
                return "it has no root"
            chain.append(image)
            wanted = image.parent
        images.update((image.id, image) for image in reversed(chain))
        return ""

    def _image(self, folder: Path, image_id: str) -> OldImage | str:
        path = folder / image_id
        if path not in self._read:
            try:
                self._read[path] = self._registry.image(folder, image_id)
            except Unusable as error:
                self._read[path] = str(error)
        return self._read[path]
