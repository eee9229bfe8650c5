"""Every path of the tree. No other module puts one together or takes one apart.

    orlop.json                                             format, store id, mark, accounts
    images/<ns>/<repo>/<image_id>/json                     a v1 image
                                  /layer
                                  /ancestry
                                  /_checksum
                                  /_inprogress
                                  /files.trie              every live path of the merged image
                                  /diffs.json              what the image changed
    repositories/<ns>/<repo>/_images_list                  ids of the v1 images
                            /<tag>                         the digest that the tag names
                            /_manifests/<algorithm>/<hex>  media type of a manifest that the repository holds
    blobs/<algorithm>/<hex[:2]>/<hex>                      content; `<hex>.<n>` once the key had been handed to removal
    uploads/<upload_id>/data                               bytes of an open upload
    layers/<algorithm>/<hex>/toc                           table of contents of one layer
    chains/<chain_id>/files.trie                           made once for each chain of layers
                     /diffs.json
    quarantine/<path>                                      what a scrub took away, under the path that it had

`docs/formats/tree.md` says byte by byte what these objects hold.
"""

import re
from typing import NamedTuple, Protocol

from orlop.storage.paths import InvalidPath, check_segment

BARE_NAMESPACE = "_"
"""Namespace of a name without `/`: no part of a name can be `_`."""

_BLOB = re.compile(r"([a-z0-9]+)/([0-9a-f]{2})/(\2[0-9a-f]+)(?:\.([1-9][0-9]*))?")
_MANIFEST = re.compile(r"([^/]+)/([^/]+)/_manifests/([a-z0-9]+)/([0-9a-f]+)")


class ContentDigest(Protocol):
    """What a path needs of a digest."""

    @property
    def algorithm(self) -> str: ...

    @property
    def hex(self) -> str: ...


class BlobKey(NamedTuple):
    """What a blob's path says."""

    algorithm: str
    hex: str
    generation: int


class ManifestEntry(NamedTuple):
    """What the path of a repository's manifest entry says."""

    namespace: str
    repository: str
    algorithm: str
    hex: str


class Layout:
    """The paths, as methods that every driver inherits.

    `namespace` and `repository` are the two halves that `split_name` makes. An argument that can't be one segment of a
    path raises InvalidPath.
    """

    repositories = "repositories"
    images = "images"
    blobs = "blobs"
    uploads = "uploads"
    layers = "layers"
    chains = "chains"
    quarantine = "quarantine"
    images_list = "_images_list"

    def store_path(self) -> str:
        return "orlop.json"

    def images_list_path(self, namespace: str, repository: str) -> str:
        return f"{self.repository_path(namespace, repository)}/{self.images_list}"

    def image_json_path(self, namespace: str, repository: str, image_id: str) -> str:
        return self._image(namespace, repository, image_id, "json")

    def image_mark_path(self, namespace: str, repository: str, image_id: str) -> str:
        return self._image(namespace, repository, image_id, "_inprogress")

    def image_checksum_path(self, namespace: str, repository: str, image_id: str) -> str:
        return self._image(namespace, repository, image_id, "_checksum")

    def image_layer_path(self, namespace: str, repository: str, image_id: str) -> str:
        return self._image(namespace, repository, image_id, "layer")

    def image_ancestry_path(self, namespace: str, repository: str, image_id: str) -> str:
        return self._image(namespace, repository, image_id, "ancestry")

    def image_file_trie_path(self, namespace: str, repository: str, image_id: str) -> str:
        return self._image(namespace, repository, image_id, "files.trie")

    def image_file_diffs_path(self, namespace: str, repository: str, image_id: str) -> str:
        return self._image(namespace, repository, image_id, "diffs.json")

    def repository_namespace_path(self, namespace: str, repository: str) -> str:
        """The folder of a repository's images; ends with `/`."""
        return f"{self.images}/{check_segment(namespace)}/{check_segment(repository)}/"

    def repository_path(self, namespace: str, repository: str) -> str:
        """The folder of a repository's tags and manifest entries."""
        return f"{self.repositories}/{check_segment(namespace)}/{check_segment(repository)}"

    def tag_path(self, namespace: str, repository: str, tag: str) -> str:
        return f"{self.repository_path(namespace, repository)}/{check_segment(tag_segment(tag))}"

    def manifests_path(self, namespace: str, repository: str) -> str:
        """The folder of a repository's manifest entries."""
        return f"{self.repository_path(namespace, repository)}/_manifests"

    def manifest_entry_path(self, namespace: str, repository: str, digest: ContentDigest) -> str:
        return f"{self.manifests_path(namespace, repository)}/{digest.algorithm}/{digest.hex}"

    def blob_path(self, digest: ContentDigest, generation: int = 0) -> str:
        """Where content lies; generation n > 0 is the key it takes when its earlier keys had been handed to removal."""
        suffix = f".{generation}" if generation else ""
        return f"{self.blobs}/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}{suffix}"

    def upload_path(self, upload_id: str) -> str:
        return f"{self.uploads}/{check_segment(upload_id)}/data"

    def layer_toc_path(self, digest: ContentDigest) -> str:
        return f"{self.layers}/{digest.algorithm}/{digest.hex}/toc"

    def chain_trie_path(self, chain_id: str) -> str:
        return f"{self.chains}/{check_segment(chain_id)}/files.trie"

    def chain_diffs_path(self, chain_id: str) -> str:
        return f"{self.chains}/{check_segment(chain_id)}/diffs.json"

    def quarantine_path(self, path: str) -> str:
        """Where an object that lay at `path` is kept out of the way."""
        return f"{self.quarantine}/{path}"

    def blob_of_path(self, path: str) -> BlobKey | None:
        """What a blob's path says; None for a path that blob_path never makes."""
        folder = f"{self.blobs}/"
        match = _BLOB.fullmatch(path, len(folder)) if path.startswith(folder) else None
        return BlobKey(match[1], match[3], int(match[4] or 0)) if match else None

    def manifest_entry_of_path(self, path: str) -> ManifestEntry | None:
        """What a manifest entry's path says; None for a path that manifest_entry_path never makes."""
        folder = f"{self.repositories}/"
        match = _MANIFEST.fullmatch(path, len(folder)) if path.startswith(folder) else None
        return ManifestEntry(*match.groups()) if match else None

    def _image(self, namespace: str, repository: str, image_id: str, leaf: str) -> str:
        return f"{self.repository_namespace_path(namespace, repository)}{check_segment(image_id)}/{leaf}"


def split_name(name: str) -> tuple[str, str]:
    """Namespace and repository of a name: `a/b/c` gives `a!b` and `c`, `c` gives `_` and `c`.

    InvalidPath for what no name can be, so that two names never share a path.
    """
    if "!" in name:
        raise InvalidPath(name, "a name holds no !")
    namespace, slash, repository = name.rpartition("/")
    if not slash:
        return BARE_NAMESPACE, check_segment(repository)
    if namespace == BARE_NAMESPACE or "//" in namespace or namespace.startswith("/") or namespace.endswith("/"):
        raise InvalidPath(name, "a part of the name is empty or _")
    return check_segment(namespace.replace("/", "!")), check_segment(repository)


def join_name(namespace: str, repository: str) -> str:
    """The name of which `split_name` made the two."""
    if namespace == BARE_NAMESPACE:
        return repository
    return f"{namespace.replace('!', '/')}/{repository}"


def tag_segment(tag: str) -> str:
    """The file of a tag: one that starts with `_` gets a `!`, so that it can't meet `_images_list` or `_manifests`."""
    return f"!{tag}" if tag.startswith("_") else tag


def tag_from_segment(segment: str) -> str | None:
    """The tag of a file in a repository's folder; None for the entries there that are no tags."""
    if segment.startswith("!_"):
        return segment[1:]
    return None if segment.startswith(("_", "!")) else segment
