"""Manifests: pushed whole or not at all, served as the bytes that came."""

from typing import Any, NamedTuple

import msgspec

from orlop.database import audit, blobs, jobs, leases, manifests, outbox, repositories, sharing, tags
from orlop.database.connection import Connection
from orlop.database.manifests import Found, Reference
from orlop.database.outbox import Entry
from orlop.database.sharing import NOTHING, Freed
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.errors import (
    BlobUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInUse,
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    TagUnknown,
)
from orlop.domain.manifest import IMAGE_CONFIGS, Manifest, parse_manifest
from orlop.domain.name import RepositoryName, Tag
from orlop.registry import platforms
from orlop.registry.content import Content
from orlop.registry.names import Change, Names
from orlop.steps import NAMES, Step, Steps

MISSING_TOLD = 100
"""How many missing digests an error lists."""
MOST_CONTENT = 1 << 47
"""Bytes. Sizes are the client's word where content is elsewhere; the sum of many manifests' must fit into 64 bits."""


class Pushed(NamedTuple):
    """What became of a push."""

    digest: Digest
    subject: Digest | None
    tags: tuple[Tag, ...]


class Untagged(NamedTuple):
    """What a deleted tag named, and the first of the `sibling_count` tags that stay on it."""

    found: Found
    siblings: list[str]
    sibling_count: int
    freed: Freed
    """What nothing else keeps, once the manifest is deleted or collected, too; where it was counted."""


class Manifests:
    """Reading, pushing and deleting."""

    def __init__(
        self, content: Content, names: Names, *, limit: int, lease: int, sparse: bool, contents: bool = False
    ) -> None:
        """`limit` in bytes, `lease` in milliseconds; `sparse`: children and layers need not be there; `contents`: what
        is inside images is looked at afterwards."""
        self._content = content
        self._database = content.database
        self._names = names
        self.limit = limit
        self.lease = lease
        self._sparse = sparse
        self._contents = contents

    def find(self, caller: Caller, name: RepositoryName, reference: Tag | Digest) -> Found:
        """Where a reference points, else ManifestUnknown."""
        return self.find_on(self._database.reader(), name, reference)

    def find_on(self, connection: Connection, name: RepositoryName, reference: Tag | Digest) -> Found:
        """`find` on a given connection: the event loop has one of its own."""
        if isinstance(reference, Tag):
            found = manifests.by_tag(connection, name, reference)
        else:
            found = manifests.by_digest(connection, name, reference)
        if found is None or found.lost:
            raise _unknown(name, reference)
        return found

    def cached(self, digest: str) -> bytes | None:
        """The bytes, where they are at hand."""
        return self._content.cache.get(digest)

    def read(self, found: Found) -> bytes:
        """The bytes as they were pushed."""
        try:
            return self._content.read(Digest(found.digest))
        except BlobUnknown as error:
            raise ManifestUnknown(str(error), detail=error.detail) from error

    def push(
        self,
        caller: Caller,
        name: RepositoryName,
        reference: Tag | Digest,
        extra_tags: tuple[Tag, ...],
        content_type: str,
        content: bytes,
    ) -> Steps[Pushed]:
        """Stores a manifest and points its tags at it, in one commit.

        ManifestInvalid, ManifestTooLarge, DigestInvalid, ManifestBlobUnknown: nothing was changed.
        """
        if len(content) > self.limit:
            raise ManifestTooLarge(f"manifest is larger than {self.limit} bytes", detail={"limit": self.limit})
        digest = _checked_digest(reference, content)
        manifest = parse_manifest(content, content_type)
        pushed_tags = (reference, *extra_tags) if isinstance(reference, Tag) else extra_tags
        values = describe(caller, digest, manifest, len(content), self._platforms(name, manifest))
        changes = yield from self._content.put(
            digest,
            content,
            lambda connection: self._record(connection, caller, name, digest, manifest, pushed_tags, values),
        )
        yield Step(NAMES, self._names.publish_all, changes)
        return Pushed(digest, manifest.subject, pushed_tags)

    def delete(self, caller: Caller, name: RepositoryName, digest: Digest) -> None:
        """Deletes the manifest with the tags that point at it. ManifestInUse: an index of the repository has it."""

        def unit(connection: Connection) -> list[Change]:
            repositories.lock(connection, name)
            found = manifests.by_digest(connection, name, digest)
            if found is None:
                raise _unknown(name, digest)
            parent = blobs.needed_by(connection, found.repository_id, digest)
            if parent is not None:
                raise ManifestInUse(f"manifest is part of {parent}: delete that first", detail={"manifest": parent})
            changes: list[Change] = []
            for tag in tags.of_manifest(connection, found.id):
                tags.remove(connection, caller, found.repository_id, tag)
                changes.append((outbox.add(connection, "tag", name, tag), None))
            manifests.remove(connection, found.repository_id, found.id, digest)
            leases.drop(connection, found.repository_id, digest)
            audit.add(
                connection, caller, "manifest.delete", name, digest, {"tags": [entry.name for entry, _ in changes]}
            )
            return [*changes, (outbox.add(connection, "manifest", name, digest), None)]

        self._names.publish(self._database.write(unit))

    def delete_tag(
        self, caller: Caller, name: RepositoryName, tag: Tag, *, dry_run: bool = False, count: bool = False
    ) -> Untagged:
        """Removes one tag, never its manifest, never other tags on it. TagUnknown.

        `dry_run`: changes nothing; `count`: tells what is `freed`, which takes some look-ups for each layer.
        """
        with self._database.snapshot() as connection:
            found = _untagged(connection, name, tag)
            there = found.found
            kept = sharing.kept_by_tag(connection, there.repository_id, there.id, there.digest) if count else NOTHING
        if dry_run:
            return found._replace(freed=kept)

        def unit(connection: Connection) -> tuple[Untagged, Entry]:
            repositories.lock(connection, name)
            untagged = _untagged(connection, name, tag)._replace(freed=kept)
            tags.remove(connection, caller, untagged.found.repository_id, tag)
            audit.add(connection, caller, "tag.delete", name, tag, {"digest": untagged.found.digest})
            return untagged, outbox.add(connection, "tag", name, tag)

        untagged, entry = self._database.write(unit)
        self._names.publish([(entry, None)])
        return untagged

    def _platforms(self, name: RepositoryName, manifest: Manifest) -> list[str]:
        config = manifest.config
        if manifest.is_index:
            return platforms.of_index(manifest)
        if config is None or config.media_type not in IMAGE_CONFIGS:
            return []
        content = self._content.cache.get(config.digest)
        if content is not None:
            return platforms.of_config(content)
        held = blobs.held(self._database.reader(), name, config.digest)
        if held is None or held.size > platforms.LARGEST_CONFIG:
            return []
        try:
            return platforms.of_config(self._content.read(config.digest, held.generation))
        except BlobUnknown:
            return []  # the object is gone: a push of the blob heals it, and this manifest stays what it is

    def _record(
        self,
        connection: Connection,
        caller: Caller,
        name: RepositoryName,
        digest: Digest,
        manifest: Manifest,
        pushed_tags: tuple[Tag, ...],
        values: dict[str, Any],
    ) -> list[Change]:
        repository_id = repositories.ensure(connection, name)
        if not self._sparse:
            _demand_references(connection, repository_id, manifest)
        manifest_id, is_new = _add(connection, repository_id, manifest, values)
        changes: list[Change] = []
        if is_new:
            changes.append((outbox.add(connection, "manifest", name, digest), manifest.media_type))
        for tag in pushed_tags:
            tags.point(connection, caller, repository_id, tag, manifest_id, digest)
            changes.append((outbox.add(connection, "tag", name, tag), digest))
        if self._contents and is_image(manifest):
            jobs.enqueue(connection, "image", f"{name} {digest}")
        if not pushed_tags:
            leases.renew(connection, repository_id, digest, self.lease)
        audit.add(connection, caller, "manifest.push", name, digest, {"tags": pushed_tags} if pushed_tags else None)
        return changes


def describe(
    caller: Caller, digest: Digest, manifest: Manifest, size: int, platform_names: list[str]
) -> dict[str, Any]:
    """What is recorded of a manifest of `size` bytes, by column, but for when it was pushed."""
    return {
        "digest": digest,
        "media_type": manifest.media_type,
        "size": size,
        "content_size": min(MOST_CONTENT, sum(descriptor.size for _, descriptor in manifest.references())),
        "artifact_type": manifest.artifact_type,
        "config_media_type": manifest.config.media_type if manifest.config else "",
        "subject": manifest.subject,
        "annotations": _json(manifest.annotations),
        "platforms": _json(platform_names),
        "pushed_by": caller.account,
        "pushed_from": caller.address,
    }


def is_image(manifest: Manifest) -> bool:
    """Whether there are files in it."""
    return manifest.config is not None and manifest.config.media_type in IMAGE_CONFIGS


def references_of(manifest: Manifest) -> list[Reference]:
    """What is recorded of the content that a manifest references."""
    return [
        Reference(kind, descriptor.digest, descriptor.size, descriptor.media_type)
        for kind, descriptor in manifest.references()
    ]


def _untagged(connection: Connection, name: RepositoryName, tag: Tag) -> Untagged:
    found = manifests.by_tag(connection, name, tag)
    if found is None:
        raise TagUnknown(f"{name} has no tag {tag}", detail={"name": name, "tag": tag})
    on_manifest, count = tags.on_manifest(connection, found.id, tags.MOST_SIBLINGS + 1)
    siblings = [other for other in on_manifest if other != tag]
    return Untagged(found, siblings[: tags.MOST_SIBLINGS], count - 1, NOTHING)


def _checked_digest(reference: Tag | Digest, content: bytes) -> Digest:
    if isinstance(reference, Tag):
        return Digest.of(content)
    found = Digest.of(content, reference.algorithm)
    if found != reference:
        raise DigestInvalid(
            "the manifest has another digest than the request names", detail={"wanted": reference, "found": found}
        )
    return found


def _demand_references(connection: Connection, repository_id: int, manifest: Manifest) -> None:
    """Every child and blob must be in the repository, inside the transaction that records the manifest."""
    missing = []
    for kind, descriptor in manifest.references():
        if kind == "manifest":
            there = manifests.find(connection, repository_id, descriptor.digest) is not None
        else:
            there = descriptor.foreign or blobs.size_in(connection, repository_id, descriptor.digest) is not None
        if not there:
            missing.append({"digest": descriptor.digest})
    if missing:
        told = ", ".join(item["digest"] for item in missing[:3])
        raise ManifestBlobUnknown(
            f"the repository does not hold {told}" + (" and more" if len(missing) > 3 else "") + ": push it first",
            detail=missing[:MISSING_TOLD],
        )


def _add(connection: Connection, repository_id: int, manifest: Manifest, values: dict[str, Any]) -> tuple[int, bool]:
    values = {**values, "pushed_at": connection.now()}
    manifest_id = manifests.add(connection, repository_id, values, references_of(manifest))
    if manifest_id is not None:
        manifests.heal(connection, values["digest"])  # for the other repositories that hold it
        return manifest_id, True
    held = manifests.held_as(connection, repository_id, values["digest"])
    assert held is not None
    held_id, media_type, lost = held
    if media_type != manifest.media_type:
        raise ManifestInvalid(
            f"this manifest is held as {media_type}, which cannot be changed to {manifest.media_type}"
        )
    if lost:
        manifests.heal(connection, values["digest"])
    return held_id, False


def _unknown(name: RepositoryName, reference: Tag | Digest) -> ManifestUnknown:
    return ManifestUnknown(detail={"name": name, "reference": reference})


def _json(document: object) -> str:
    return msgspec.json.encode(document).decode()
