"""Looks at names: tags and manifest entries of the tree against their rows, both ways.

A name is committed first and written to the tree then; in between it stands in the outbox. So a difference counts only
where the outbox does not hold the name, the row is the same before and after its object was read, and a second look,
some seconds later, sees it too.
"""

from typing import NamedTuple

from orlop.database import manifests, outbox, scrubbing
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import DigestInvalid, NameInvalid, TagInvalid
from orlop.domain.name import RepositoryName, Tag
from orlop.maintenance.entries import UNREADABLE, Entries, Found
from orlop.maintenance.scrub import findings
from orlop.maintenance.scrub.contents import REPAIR, Contents
from orlop.maintenance.scrub.findings import Finding, Sight
from orlop.maintenance.scrub.images import TreeImages
from orlop.maintenance.scrub.reading import Reading
from orlop.maintenance.scrub.repairs import Repairs
from orlop.registry.names import current
from orlop.storage.base import Storage
from orlop.storage.layout import join_name, split_name, tag_from_segment


class Named(NamedTuple):
    """What a path below `repositories/` stands for."""

    kind: str
    repository: RepositoryName
    name: str
    """A tag, or a manifest's digest."""


class TreeNames:
    def __init__(
        self,
        storage: Storage,
        database: Database,
        reading: Reading,
        repairs: Repairs,
        entries: Entries,
        contents: Contents,
        images: TreeImages,
    ) -> None:
        self._storage = storage
        self._database = database
        self._reading = reading
        self._repairs = repairs
        self._entries = entries
        self._contents = contents
        self._images = images
        self._unrecorded: set[str] = set()
        """Repositories with manifests that only the tree knows: blobs of those may have lost their rows, too."""

    def object(self, path: str) -> Sight | None:
        """Whatever lies below `repositories/`, for what has no row."""
        listed = self._listed(path)
        if listed is not None:
            return self._images.images(listed)
        if self._is_reserved(path):
            return None
        named = self._named(path)
        if named is None:
            if self._reading.name(path) is None:
                return None
            finding = Finding(findings.STRAY_OBJECT, path, path, "no name has this path", heals=REPAIR)
            return Sight(finding, lambda: self._repairs.take_away(finding))
        if self._is_known(named):
            return None
        content = self._reading.name(path)
        if content is None or self._is_known(named):
            return None
        return self._entry(path, named, content) if named.kind == "manifest" else self._stray_tag(path, named, content)

    def manifest(self, name: RepositoryName, digest: Digest) -> Sight | None:
        """A manifest's row against its entry."""
        path = self._storage.manifest_entry_path(*split_name(name), digest)
        found = self._differs(Named("manifest", name, digest), path)
        if found is None:
            return self._contents.unmarked(name, digest)
        finding = Finding(findings.MISSING_ENTRY, f"{name}@{digest}", path, found, [name], heals=REPAIR)
        return Sight(finding, lambda: self._repairs.rewrite(finding, "manifest", name, digest))

    def tag(self, name: RepositoryName, tag: str) -> Sight | None:
        """A tag's row against its object."""
        row = scrubbing.tag(self._database.reader(), name, tag)
        if row is None:
            return None
        path = self._storage.tag_path(*split_name(name), tag)
        if row.digest is None:
            detail = "its row names a manifest that is not there"
            dangling = Finding(findings.DANGLING_ROWS, f"{name}:{tag}", path, detail, heals=REPAIR)
            return Sight(dangling, lambda: self._mend_dangling(dangling, row))
        found = self._differs(Named("tag", name, tag), path)
        if found is None:
            return None
        finding = Finding(findings.MISSING_TAG, f"{name}:{tag}", path, found, [f"{name}:{tag}"], heals=REPAIR)
        return Sight(finding, lambda: self._repairs.rewrite(finding, "tag", name, tag))

    def links(self, name: RepositoryName) -> Sight | None:
        """Links of a repository to blobs whose row is gone, but for what is found by another fault already."""
        reader = self._database.reader()
        count = scrubbing.dangling_links(reader, name)
        if not count or name in self._unrecorded or scrubbing.lacks_a_row(reader, name):
            return None
        detail = f"{count} of repository_blobs name no blob"
        finding = Finding(findings.DANGLING_ROWS, name, "", detail, [name], heals=REPAIR)
        return Sight(finding, lambda: self._repairs.drop(finding, lambda c: scrubbing.drop_dangling_links(c, name)))

    def rows(self, relation: str) -> Sight | None:
        """Rows of a table whose parent is gone."""
        count = scrubbing.dangling(self._database.reader(), relation)
        if not count:
            return None
        finding = Finding(
            findings.DANGLING_ROWS, relation, "", f"{count} rows name a row that is not there", heals=REPAIR
        )
        return Sight(finding, lambda: self._repairs.drop(finding, lambda c: scrubbing.drop_dangling(c, relation)))

    def _differs(self, named: Named, path: str) -> str | None:
        """How the object differs from its row; None where it does not, or where that is explained."""
        before = self._value(named)
        if before is None:
            return None
        content = self._reading.name(path)
        if content == before.encode() or self._value(named) != before:
            return None
        return "it is not in the tree" if content is None else f"the tree has {_shown(content)} instead of {before}"

    def _value(self, named: Named) -> str | None:
        """What the row says; None too where the object may not have followed yet."""
        with self._database.snapshot() as connection:
            if outbox.holds(connection, named.kind, named.repository, named.name):
                return None
            return current(connection, named.kind, named.repository, named.name)

    def _is_known(self, named: Named) -> bool:
        with self._database.snapshot() as connection:
            if outbox.holds(connection, named.kind, named.repository, named.name):
                return True
            if named.kind == "tag":
                return scrubbing.tag(connection, named.repository, named.name) is not None
            return manifests.by_digest(connection, named.repository, Digest(named.name)) is not None

    def _entry(self, path: str, named: Named, content: bytes) -> Sight:
        """An entry without a row."""
        digest = Digest(named.name)
        what = f"{named.repository}@{digest}"
        finding = Finding(findings.MISSING_MANIFEST, what, path, "it has no row", [named.repository], heals=REPAIR)
        try:
            found = self._repairs.manifest(named.repository, digest, content.decode())
        except UNREADABLE as error:
            finding.detail = f"it has no row, and cannot get one: {error}"
            return Sight(finding, lambda: self._repairs.take_name(finding, "manifest", named.repository, digest))
        self._unrecorded.add(named.repository)
        self._contents.reached.add(digest)
        self._contents.reached.update(descriptor.digest for _, descriptor in found.manifest.references())
        return Sight(finding, lambda: self._adopt(finding, found))

    def _adopt(self, finding: Finding, found: Found) -> bool:
        adopted = self._repairs.adopt_manifest(finding, found)
        if adopted:
            self._unrecorded.discard(found.name)
        return adopted

    def _stray_tag(self, path: str, named: Named, content: bytes) -> Sight:
        what = f"{named.repository}:{named.name}"
        finding = Finding(
            findings.STRAY_TAG, what, path, f"it has no row; the tree has {_shown(content)}", heals=REPAIR
        )
        return Sight(finding, lambda: self._mend_stray_tag(finding, named, content))

    def _mend_stray_tag(self, finding: Finding, named: Named, content: bytes) -> bool:
        digest = _digest(content)
        if digest is not None and self._repairs.adopt_tag(finding, named.repository, Tag(named.name), digest):
            return True
        return self._repairs.take_name(finding, "tag", named.repository, named.name)

    def _mend_dangling(self, finding: Finding, row: scrubbing.TagRow) -> bool:
        """Points the tag at what its object names, where the repository holds that, else drops it."""
        name = RepositoryName(row.repository)
        digest = _digest(self._reading.name(finding.path) or b"")
        if digest is not None and self._repairs.adopt_tag(finding, name, Tag(row.name), digest):
            return True
        return self._repairs.drop_tag(finding, row)

    def _named(self, path: str) -> Named | None:
        try:
            entry = self._entries.name_of(path)
            if entry is not None:
                named = Named("manifest", *entry)
                right = self._storage.manifest_entry_path(*split_name(named.repository), entry[1])
            else:
                _, namespace, repository, segment = path.split("/")
                tag = tag_from_segment(segment)
                if tag is None:
                    return None
                name = RepositoryName.parse(join_name(namespace, repository))
                named = Named("tag", name, Tag.parse(tag))
                right = self._storage.tag_path(*split_name(name), tag)
        except (NameInvalid, DigestInvalid, TagInvalid, ValueError):
            return None
        return named if path == right else None

    def _listed(self, path: str) -> RepositoryName | None:
        """The repository whose list of v1 images has this path."""
        try:
            _, namespace, repository, segment = path.split("/")
            name = RepositoryName.parse(join_name(namespace, repository))
        except (NameInvalid, ValueError):
            return None
        return name if segment == self._storage.images_list else None

    def _is_reserved(self, path: str) -> bool:
        """Beside tags and entries lies what other versions may have written."""
        segments = path.split("/")
        return len(segments) > 3 and segments[3].startswith("_") and segments[3] != "_manifests"


def _digest(content: bytes) -> Digest | None:
    try:
        return Digest.parse(content.decode())
    except (DigestInvalid, UnicodeDecodeError):
        return None


def _shown(content: bytes) -> str:
    return ascii(content[:80].decode("latin-1"))
