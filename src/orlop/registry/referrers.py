"""Referrers: manifests that name another one as their subject.

Clients of registries without this API keep such a list themselves, as an index under the tag `sha256-<hex>` (the
specification's referrers tag schema). What was pushed so is listed too.
"""

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from orlop.database import manifests, repositories
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain import strict_json
from orlop.domain.caller import Caller
from orlop.domain.digest import Digest
from orlop.domain.manifest import INDEXES
from orlop.domain.name import RepositoryName, Tag
from orlop.registry.manifests import Manifests

Descriptor = dict[str, Any]

LARGEST = 3 * 1024 * 1024
"""Bytes of descriptors in one page: clients read 4 MiB, and annotations may be long."""

BATCH = 16
"""Rows read at a time: the annotations of each may be as long as a manifest."""


class Page(NamedTuple):
    """Descriptors in the order of their digests, and whether there are more."""

    descriptors: list[Descriptor]
    more: bool


class Referrers:
    def __init__(self, database: Database, pushed: Manifests) -> None:
        self._database = database
        self._manifests = pushed

    def page(
        self, caller: Caller, name: RepositoryName, subject: Digest, *, artifact_type: str, last: str, count: int
    ) -> Page:
        """Up to `count` referrers after the digest `last`, of about `LARGEST` bytes in all, but one at least.

        Empty for what the registry does not know.

        An empty `artifact_type` means any.
        """
        with self._database.snapshot() as connection:
            repository_id = repositories.find(connection, name)
            if repository_id is None:
                return Page([], False)
            own = _own(connection, repository_id, subject, artifact_type, last)
            listed = [
                descriptor
                for descriptor in self._fallback(connection, name, repository_id, subject)
                if descriptor["digest"] > last and artifact_type in ("", descriptor.get("artifactType", ""))
            ]
            return _page(heapq.merge(own, sorted(listed, key=_by_digest), key=_by_digest), count)

    def count(self, caller: Caller, name: RepositoryName, subject: Digest) -> int:
        """How many referrers `page` would list."""
        with self._database.snapshot() as connection:
            repository_id = repositories.find(connection, name)
            if repository_id is None:
                return 0
            listed = {child["digest"] for child in self._fallback(connection, name, repository_id, subject)}
            own = {digest for digest in listed if manifests.subject(connection, repository_id, digest) == subject}
            return manifests.referrer_count(connection, repository_id, subject) + len(listed - own)

    def _fallback(
        self, connection: Connection, name: RepositoryName, repository_id: int, subject: Digest
    ) -> list[Descriptor]:
        """What the index under the fallback tag lists and the repository holds."""
        tag = Tag(f"{subject.algorithm}-{subject.hex[:64]}")
        index = manifests.by_tag(connection, name, tag)
        if index is None or index.media_type not in INDEXES:
            return []
        children = strict_json.loads(self._manifests.read(index))["manifests"]
        return [child for child in children if manifests.find(connection, repository_id, child["digest"]) is not None]


def _own(
    connection: Connection, repository_id: int, subject: Digest, artifact_type: str, last: str
) -> Iterator[Descriptor]:
    """Those that name the subject themselves, in the order of their digests."""
    while True:
        rows = manifests.referrers(
            connection, repository_id, subject, artifact_type=artifact_type, last=last, count=BATCH
        )
        yield from map(_descriptor, rows)
        if len(rows) < BATCH:
            return
        last = rows[-1].digest


def _page(ordered: Iterable[Descriptor], count: int) -> Page:
    """The first of them. Of two with one digest the first is taken: what a manifest says of itself."""
    found: list[Descriptor] = []
    size = 0
    for descriptor in ordered:
        if found and found[-1]["digest"] == descriptor["digest"]:
            continue
        size += len(msgspec.json.encode(descriptor))
        if len(found) == count or (found and size > LARGEST):
            return Page(found, True)
        found.append(descriptor)
    return Page(found, False)


def _by_digest(descriptor: Descriptor) -> str:
    digest: str = descriptor["digest"]
    return digest


def _descriptor(row: manifests.Referrer) -> Descriptor:
    descriptor: Descriptor = {"mediaType": row.media_type, "digest": row.digest, "size": row.size}
    if row.artifact_type:
        descriptor["artifactType"] = row.artifact_type
    annotations = msgspec.json.decode(row.annotations)
    if annotations:
        descriptor["annotations"] = annotations
    return descriptor
