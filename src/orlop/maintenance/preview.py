"""What a collection would take away now, without taking it."""

from collections.abc import Callable
from typing import NamedTuple

from orlop.database import garbage, reasons, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.retention import Retention
from orlop.maintenance.image_sweep import doomed
from orlop.maintenance.releases import Releases

PAGE = 1000
MOST = 1000
"""Manifests and blobs that are listed; all are counted."""


class Doomed(NamedTuple):
    """A manifest that a rule lets go."""

    repository: str
    digest: str
    rule: str


class DoomedImage(NamedTuple):
    """A v1 image that no manifest was made of but such as go."""

    repository: str
    image_id: str


class Going(NamedTuple):
    """What goes, and with it what nothing else keeps."""

    manifests: list[Doomed]
    manifest_ids: set[int]
    images: dict[tuple[int, str], DoomedImage]


class Preview(NamedTuple):
    """Sizes in bytes. `leased`: what nothing but a lease keeps."""

    manifests: list[Doomed]
    manifest_count: int
    images: list[DoomedImage]
    image_count: int
    blobs: list[tuple[str, int]]
    """Digests and sizes."""
    blob_count: int
    size: int
    leased_count: int
    leased_size: int


def preview(database: Database, releases: Releases, clock: Callable[[], int], lease: int) -> Preview:
    """Of one moment, of which `clock` tells the time. Objects that the database does not know are not looked for.
    `lease` in milliseconds."""
    now = clock()
    with database.snapshot() as connection:
        going = Going([], set(), {})
        released: dict[int, list[str]] = {}
        for repository_id, name, rule in releases.repositories(""):
            for manifest in _released(connection, repository_id, rule, now):
                going.manifest_ids.add(manifest.id)
                going.manifests.append(Doomed(name, manifest.digest, rule.text))
                released.setdefault(repository_id, []).append(manifest.digest)
        _add_images(connection, going, released, now - lease)
        return _with_blobs(connection, going, now)


def _add_images(connection: Connection, going: Going, released: dict[int, list[str]], before: int) -> None:
    after = ""
    while page := v1_images.page_of_repositories(connection, after, PAGE):
        for repository_id, name in page:
            for node in doomed(v1_images.nodes(connection, repository_id), before, released.get(repository_id, ())):
                going.images[repository_id, node.image_id] = DoomedImage(name, node.image_id)
        after = page[-1][1]


def _released(connection: Connection, repository_id: int, rule: Retention, now: int) -> list[reasons.Untagged]:
    """What the rule lets go in one repository: a manifest goes when all that keeps it goes."""
    assert rule.untagged is not None
    candidates = reasons.untagged(connection, repository_id, now=now, age=int(rule.untagged * 1000))
    parents = reasons.parents(connection, repository_id)
    gone: dict[str, reasons.Untagged] = {}
    gone_ids: set[int] = set()
    found = True
    while found:
        found = False
        for manifest in candidates:
            if manifest.digest in gone or not parents.get(manifest.digest, set()) <= gone_ids:
                continue
            subject = manifest.subject
            kept = subject is not None and subject not in gone
            if kept and reasons.holds_manifest(connection, repository_id, str(subject)):
                continue
            gone[manifest.digest] = manifest
            gone_ids.add(manifest.id)
            found = True
    return list(gone.values())


def _with_blobs(connection: Connection, going: Going, now: int) -> Preview:
    blobs: list[tuple[str, int]] = []
    count = size = leased_count = leased_size = 0
    after = 0
    touched = {manifest.digest for manifest in going.manifests}
    while page := garbage.page_of_blobs(connection, after, PAGE, now):
        for blob in page:
            if blob.named and not _only_by(connection, blob.digest, going, touched):
                continue
            if blob.leased:
                leased_count += 1
                leased_size += blob.size
                continue
            count += 1
            size += blob.size
            if len(blobs) < MOST:
                blobs.append((blob.digest, blob.size))
        after = page[-1].id
    for page in _condemned(connection, now):
        count += len(page)
        size += sum(blob.size for blob in page)
        blobs += [(blob.digest, blob.size) for blob in page[: MOST - len(blobs)]]
    images = list(going.images.values())
    return Preview(
        going.manifests[:MOST],
        len(going.manifests),
        images[:MOST],
        len(images),
        blobs,
        count,
        size,
        leased_count,
        leased_size,
    )


def _condemned(connection: Connection, now: int) -> list[list[garbage.Blob]]:
    pages, after = [], 0
    while page := garbage.page_in(connection, "condemned", after, PAGE, now):
        pages.append(page)
        after = page[-1].id
    return pages


def _only_by(connection: Connection, digest: str, going: Going, digests: set[str]) -> bool:
    """Whether all manifests that are this content or name it, and all images that have it, are among those that go."""
    ids, images = going.manifest_ids, going.images
    if not ids and not images:
        return False
    naming = reasons.naming(connection, digest, len(ids) + 1)
    being = reasons.being(connection, digest, len(ids) + 1) if digest in digests or not naming else []
    having = v1_images.holders(connection, digest, len(images) + 1)
    if not {(holder.repository_id, holder.image_id) for holder in having} <= images.keys():
        return False
    return {manifest.id for manifest in (*naming, *being)} <= ids
