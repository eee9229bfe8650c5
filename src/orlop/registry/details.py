"""What a manifest is made of: platforms, children, layers and the steps that made them."""

from typing import NamedTuple

from orlop.database import blobs, manifests, tags
from orlop.database.manifests import Child, Record
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, ManifestUnknown
from orlop.domain.image_config import ImageConfig, parse_image_config
from orlop.domain.manifest import IMAGE_CONFIGS, Manifest, parse_manifest
from orlop.domain.name import RepositoryName, Tag
from orlop.registry import platforms
from orlop.registry.content import Content
from orlop.registry.manifests import Manifests
from orlop.registry.referrers import Referrers

MOST_TAGS = 100


class Detail(NamedTuple):
    """One manifest. `tags`: the first of the `tag_count` tags on it."""

    record: Record
    manifest: Manifest
    children: list[Child]
    config: ImageConfig | None
    tags: list[str]
    tag_count: int
    referrers: int


class Details:
    def __init__(self, content: Content, pushed: Manifests, referrers: Referrers) -> None:
        self._content = content
        self._database = content.database
        self._manifests = pushed
        self._referrers = referrers

    def find(self, caller: Caller, name: RepositoryName, reference: Tag | Digest) -> Detail:
        """The manifest under a tag or a digest, else ManifestUnknown."""
        found = self._manifests.find(caller, name, reference)
        manifest = parse_manifest(self._manifests.read(found), found.media_type)
        config = self._config(name, manifest)
        referrers = self._referrers.count(caller, name, Digest(found.digest))
        with self._database.snapshot() as connection:
            record = manifests.record(connection, found.id)
            if record is None:  # deleted at this moment
                raise ManifestUnknown(detail={"name": name, "reference": reference})
            names, count = tags.on_manifest(connection, found.id, MOST_TAGS)
            children = manifests.children(connection, found.id) if manifest.is_index else []
        return Detail(record, manifest, children, config, names, count, referrers)

    def _config(self, name: RepositoryName, manifest: Manifest) -> ImageConfig | None:
        """None where the manifest is no image's, or its config cannot be had."""
        config = manifest.config
        if config is None or config.media_type not in IMAGE_CONFIGS:
            return None
        held = blobs.held(self._database.reader(), name, config.digest)
        if held is None or held.size > platforms.LARGEST_CONFIG:
            return None
        try:
            return parse_image_config(self._content.read(config.digest, held.generation))
        except BlobUnknown:
            return None
