"""What it costs to pull an image where another one is there already."""

from typing import NamedTuple

from orlop.contents.images import Image, Images, Layer
from orlop.database import sharing
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName, Tag

Reference = tuple[RepositoryName, Tag | Digest]


class LayerCost(NamedTuple):
    """One layer, once, however often the image has it."""

    layer: Layer
    had: bool
    """The image that is there has it too."""
    tags: int
    """How many tags that the caller may read need it, this one among them; see `sharing.MOST_TAGS`."""


class Cost(NamedTuple):
    image: Image
    have: Image | None
    layers: list[LayerCost]

    @property
    def download(self) -> int:
        """Bytes: the layers that are not there, and config and manifest."""
        had = self.have is not None and self.have.digest == self.image.digest
        return self.documents * (not had) + sum(cost.layer.size for cost in self.layers if not cost.had)

    @property
    def had(self) -> int:
        """Bytes of the layers that are there."""
        return sum(cost.layer.size for cost in self.layers if cost.had)

    @property
    def documents(self) -> int:
        """Bytes of manifest and config."""
        config = self.image.manifest.config
        return self.image.size + (config.size if config is not None else 0)


class Costs:
    def __init__(self, images: Images) -> None:
        self._images = images

    def of(self, caller: Caller, wanted: Reference, have: Reference | None, platform: str = "") -> Cost:
        """Raises what `Images.find` raises. Nobody needs to have looked into the images."""
        image = self._images.find(caller, *wanted, platform)
        there = None if have is None else self._images.find(caller, *have, platform or image.platform)
        known = set() if there is None else {layer.digest for layer in there.layers}
        readable = caller.authority.readable
        with self._images.database.snapshot() as connection:
            layers = [
                LayerCost(layer, digest in known, sharing.tag_count(connection, digest, readable))
                for digest, layer in {layer.digest: layer for layer in image.layers}.items()
            ]
        return Cost(image, there, layers)
