"""What clients of the Docker Registry v1 call: images, each with its JSON and one layer, and tags on them."""

from orlop.registry.content import Content
from orlop.registry.manifests import Manifests
from orlop.registry.names import Names
from orlop.registry.uploads import Uploads
from orlop.registry.v1.images import Images
from orlop.registry.v1.lists import Lists
from orlop.registry.v1.reading import Reading
from orlop.registry.v1.tags import Tags
from orlop.registry.v1.views import Views


class V1:
    """All of it, on the content that v2 has."""

    def __init__(
        self, content: Content, names: Names, uploads: Uploads, manifests: Manifests, *, lease: int, platform: str
    ) -> None:
        """`lease` in milliseconds; `platform` of an index that is shown, as `linux/amd64`."""
        views = Views(content, platform)
        self.images = Images(content, names, uploads, lease=lease)
        content.on_return = self.images.link_again
        self.reading = Reading(content.database, views)
        self.tags = Tags(content, uploads, manifests, views, lease=lease)
        self.lists = Lists(content.database, names)
