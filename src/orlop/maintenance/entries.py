"""`_manifests` entries of the tree: which manifest each stands for, and the rows that it comes to."""

from typing import NamedTuple

from orlop.contents import backlog
from orlop.database import blobs, leases, manifests, repositories
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.caller import SYSTEM
from orlop.domain.digest import Digest
from orlop.domain.errors import DigestInvalid, ManifestInvalid, NameInvalid
from orlop.domain.manifest import IMAGE_CONFIGS, Manifest, parse_manifest
from orlop.domain.name import RepositoryName
from orlop.registry import platforms
from orlop.registry.manifests import describe, references_of
from orlop.storage.base import Entry, Storage
from orlop.storage.layout import join_name

UNREADABLE = (NameInvalid, DigestInvalid, ManifestInvalid, UnicodeDecodeError, FileNotFoundError)
"""What `name_of` and `read` raise for an entry that stands for no manifest."""


class Found(NamedTuple):
    """A manifest of a repository, as the tree has it."""

    name: RepositoryName
    digest: Digest
    manifest: Manifest
    size: int
    platforms: list[str]
    at: int
    """When its entry was written, in milliseconds since 1970."""


class Entries:
    """Reads entries, and records what they stand for."""

    def __init__(self, storage: Storage, database: Database, lease: int) -> None:
        """`lease` in milliseconds, for everything that is recorded."""
        self._storage = storage
        self._database = database
        self._lease = lease

    def name_of(self, path: str) -> tuple[RepositoryName, Digest] | None:
        """The repository and the digest; None for a path that is no entry's. UNREADABLE."""
        key = self._storage.manifest_entry_of_path(path)
        if key is None:
            return None
        name = RepositoryName.parse(join_name(key.namespace, key.repository))
        return name, Digest.parse(f"{key.algorithm}:{key.hex}")

    def read(self, name: RepositoryName, digest: Digest, entry: Entry) -> Found:
        """The manifest that the entry stands for, else UNREADABLE. Its content must have a row."""
        media_type = self._storage.get_content(entry.path).decode()
        record = blobs.record(self._database.reader(), digest)
        if record is None:
            raise ManifestInvalid("its content is missing in the store")
        return self.parse(name, digest, media_type, record.generation, int(entry.modified * 1000))

    def parse(self, name: RepositoryName, digest: Digest, media_type: str, generation: int, at: int) -> Found:
        """The manifest of the content under that key, else UNREADABLE."""
        content = self._storage.get_content(self._storage.blob_path(digest, generation))
        if Digest.of(content, digest.algorithm) != digest:
            raise ManifestInvalid("its content is damaged")
        manifest = parse_manifest(content, media_type)
        return Found(name, digest, manifest, len(content), self._platforms(manifest), at)

    def record(self, connection: Connection, found: Found) -> None:
        """Records the manifest, and that its repository holds what it names of what there is."""
        repository_id = repositories.ensure(connection, found.name)
        values = describe(SYSTEM, found.digest, found.manifest, found.size, found.platforms)
        manifests.add(connection, repository_id, {**values, "pushed_at": found.at}, references_of(found.manifest))
        leases.renew(connection, repository_id, found.digest, self._lease)
        backlog.forget(connection)  # nobody has asked for what is in it
        for kind, descriptor in found.manifest.references():
            if kind != "manifest" and blobs.record(connection, descriptor.digest) is not None:
                blobs.link(connection, repository_id, descriptor.digest)
                leases.renew(connection, repository_id, descriptor.digest, self._lease)

    def _platforms(self, manifest: Manifest) -> list[str]:
        config = manifest.config
        if manifest.is_index:
            return platforms.of_index(manifest)
        if config is None or config.media_type not in IMAGE_CONFIGS:
            return []
        record = blobs.record(self._database.reader(), config.digest)
        if record is None or record.size > platforms.LARGEST_CONFIG:
            return []
        try:
            return platforms.of_config(
                self._storage.get_content(self._storage.blob_path(config.digest, record.generation))
            )
        except FileNotFoundError:
            return []
