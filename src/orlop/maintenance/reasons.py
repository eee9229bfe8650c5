"""Why a digest is kept: the chains from what a person can see, a tag or a lease, down to it."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from orlop.database import blobs, reasons, tags, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.retention import Retention, rule_for

MOST_CHAINS = 10
MOST_STEPS = 10_000
"""Manifests that are looked at: beyond that, chains that are not found yet are not looked for."""


class Step(NamedTuple):
    """One link of a chain, the outermost first."""

    kind: str
    """`tag`, `index`, `subject`, `manifest`, `config`, `layer`, `image`, `lease`, `upload`, or `untagged`."""
    name: str
    """A tag as `NAME:TAG`, a digest, a repository, or an image of v1 as `NAME ID`."""
    until: int | None = None
    """When it ends to keep, in milliseconds since 1970: of leases, uploads, and untagged manifests under a rule."""
    note: str = ""


class Why(NamedTuple):
    """What is known of a digest (or of an open upload) and what keeps it."""

    name: str
    state: str
    """Of the blob: live, condemned, removing, removed or lost; `upload` for an upload; `absent`: of nobody."""
    size: int | None
    repositories: list[str]
    """The first that hold it."""
    chains: list[list[Step]]
    more: bool
    """Whether there are chains beyond those."""
    waits_since: int | None
    """Where nothing keeps it: since when."""


class Reasons:
    def __init__(self, database: Database, rules: Sequence[Retention]) -> None:
        self._database = database
        self.rules = tuple(rules)

    def of(self, digest: Digest, most: int = MOST_CHAINS) -> Why | None:
        """None: the registry knows nothing of it."""
        with self._database.snapshot() as connection:
            record = blobs.record(connection, digest)
            chains: list[list[Step]] = []
            more = False
            for chain in self._chains(connection, digest):
                if len(chains) == most:
                    more = True
                    break
                chains.append(chain)
            leases = reasons.leases_on(connection, digest)
            if record is None and not chains and not leases:
                return None
            waits_since = None
            if not chains and record is not None:
                ended = [lease.expires_at for lease in leases]
                waits_since = record.changed_at if record.state != "live" else max([record.changed_at, *ended])
            return Why(
                digest,
                record.state if record is not None else "absent",
                record.size if record is not None else None,
                reasons.holders(connection, record.id, most) if record is not None else [],
                chains,
                more,
                waits_since,
            )

    def of_upload(self, upload_id: str) -> Why | None:
        """None: there is no such upload."""
        found = reasons.upload(self._database.reader(), upload_id)
        if found is None:
            return None
        chain = [Step("upload", found.repository, found.expires_at)]
        return Why(upload_id, "upload", None, [found.repository], [chain], False, None)

    def _chains(self, connection: Connection, digest: Digest) -> Iterator[list[Step]]:
        now = connection.now()
        for lease in reasons.leases_on(connection, digest):
            if lease.expires_at > now:
                yield [Step("lease", lease.repository, lease.expires_at), Step("content", digest)]
        for image in v1_images.holders(connection, digest, MOST_CHAINS):
            note = "" if image.state == "complete" else "it is being pushed"
            yield [Step("image", f"{image.repository} {image.image_id}", note=note), Step("layer", digest)]
        waiting: deque[tuple[reasons.Manifest, list[Step]]] = deque()
        for manifest in reasons.being(connection, digest, MOST_STEPS):
            waiting.append((manifest, [Step("manifest", digest)]))
        for manifest in reasons.naming(connection, digest, MOST_STEPS):
            if manifest.role != "manifest":
                below = [Step("manifest", manifest.digest), Step(manifest.role, digest)]
                waiting.append((manifest, below))
        seen = {manifest.id for manifest, _ in waiting}
        while waiting and len(seen) < MOST_STEPS:
            manifest, below = waiting.popleft()
            kept = False
            for tag in tags.on_manifest(connection, manifest.id, MOST_CHAINS)[0]:
                kept = True
                yield [Step("tag", f"{manifest.repository}:{tag}"), *below]
            for above, step in self._above(connection, manifest):
                kept = True
                if above.id not in seen:
                    seen.add(above.id)
                    waiting.append((above, [step, *below]))
            if not kept:
                yield [self._untagged(manifest), *below]

    def _above(self, connection: Connection, manifest: reasons.Manifest) -> Iterator[tuple[reasons.Manifest, Step]]:
        for index in reasons.naming(connection, manifest.digest, MOST_CHAINS, manifest.repository_id):
            yield index, Step("index", index.digest)
        if manifest.subject is not None:
            for subject in reasons.being(connection, manifest.subject, 1, manifest.repository_id):
                yield subject, Step("subject", subject.digest)

    def _untagged(self, manifest: reasons.Manifest) -> Step:
        rule = rule_for(self.rules, manifest.repository)
        if rule is None or rule.untagged is None:
            return Step("untagged", manifest.repository, note="no rule of retention lets untagged manifests go there")
        return Step("untagged", manifest.repository, manifest.used_at + int(rule.untagged * 1000), rule.text)
