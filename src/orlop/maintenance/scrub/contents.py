"""Looks at content: objects against their digests, rows against objects, references against both.

A look says what is wrong at this moment. What runs beside may explain it: a push places its object before it commits,
collection gives a row up before it deletes. So nothing is believed that a second look, some seconds later, does not see
again; each look reads rows and objects anew, and rows again after the object.
"""

from orlop.database import blobs, manifests, scrubbing
from orlop.database.blobs import GIVEN_UP, Record
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import DigestInvalid
from orlop.domain.name import RepositoryName
from orlop.maintenance.scrub import findings
from orlop.maintenance.scrub.findings import Finding, Sight
from orlop.maintenance.scrub.reading import Content, Reading
from orlop.maintenance.scrub.repairs import Repairs
from orlop.storage.base import Storage
from orlop.storage.layout import BlobKey, split_name

AFFECTED = 5

PUSH_AGAIN = "push it again: clients send it, as the registry answers that it is not there"
REPAIR = "orlop scrub --repair"


class Contents:
    def __init__(self, storage: Storage, database: Database, reading: Reading, repairs: Repairs) -> None:
        self._storage = storage
        self._database = database
        self._reading = reading
        self._repairs = repairs
        self.reached: set[str] = set()
        """Digests that manifests name which only the tree knows: their objects are no strays."""
        self.begun_at = 0
        """What was lost since then, this scrub has told of already."""

    def object(self, path: str) -> Sight | None:
        """Whatever lies below `blobs/`."""
        key = self._storage.blob_of_path(path)
        digest = _digest(key)
        if key is None or digest is None:
            if not self._exists(path):
                return None
            finding = Finding(findings.STRAY_OBJECT, path, path, "no blob has this path", heals=REPAIR)
            return Sight(finding, lambda: self._repairs.take_away(finding))
        row = blobs.record(self._database.reader(), digest)
        if row is None:
            return self._without_row(path, digest, key.generation)
        if key.generation != row.generation or row.state == "removed":
            return self._under_another_key(path, digest, key.generation, row)
        if row.state in ("removing", "lost"):
            return None  # collection is about to delete it; a push that has not committed yet may have written it
        return self._against_row(path, digest, row)

    def blob(self, digest: Digest) -> Sight | None:
        """A blob's row, or that there is none for what is referenced."""
        row = blobs.record(self._database.reader(), digest)
        if row is None:
            return self._nowhere(digest)
        if row.state == "lost":
            return self._lost(digest, row) if row.changed_at < self.begun_at else None
        # What collection has condemned may have been lost before.
        path = self._storage.blob_path(digest, row.generation)
        if row.state != "live" or self._exists(path) or blobs.record(self._database.reader(), digest) != row:
            return None
        finding = self._about(digest, findings.MISSING_OBJECT, path, "the tree does not hold it")
        return Sight(finding, lambda: self._repairs.lose(finding, digest, row))

    def link(self, name: RepositoryName, digest: Digest) -> Sight | None:
        """A blob that a manifest of the repository names and that the repository does not hold."""
        with self._database.snapshot() as connection:
            missing = scrubbing.unmet_in(connection, name, digest)
            row = blobs.record(connection, digest)
        if missing is None or missing.kind == "manifest" or row is None:
            return None
        if row.state in GIVEN_UP:
            return self._lost(digest, row)  # only a push brings it back
        detail = "it is condemned" if row.state == "condemned" else "the repository does not hold it"
        finding = Finding(findings.MISSING_LINK, f"{name}@{digest}", "", detail, heals=REPAIR)
        finding.affects = scrubbing.affected(self._database.reader(), digest, AFFECTED)
        return Sight(finding, lambda: self._repairs.link(finding, name, digest))

    def child(self, name: RepositoryName, digest: Digest) -> Sight | None:
        """A manifest that an index of the repository lists and that the repository does not hold."""
        entry = self._storage.manifest_entry_path(*split_name(name), digest)
        with self._database.snapshot() as connection:
            missing = scrubbing.unmet_in(connection, name, digest)
        if missing is None or self._exists(entry):  # what has an entry is found by that
            return None
        detail = "an index lists it, and the repository does not hold it"
        finding = Finding(findings.MISSING_CHILD, f"{name}@{digest}", "", detail, heals="push that manifest again")
        finding.affects = scrubbing.affected(self._database.reader(), digest, AFFECTED)
        return Sight(finding, lambda: self._repairs.adopt_child(finding, name, digest))

    def unmarked(self, name: RepositoryName, digest: Digest) -> Sight | None:
        """A manifest that is taken for lost although its content has come back."""
        with self._database.snapshot() as connection:
            found = manifests.by_digest(connection, name, digest)
            row = blobs.record(connection, digest)
        if found is None or not found.lost or row is None or row.state != "live":
            return None
        return self._lost(digest, row)

    def is_lost(self, finding: Finding) -> bool:
        """Whether the content that it is about awaits a push by now."""
        if finding.kind not in findings.OF_CONTENT:
            return False
        row = blobs.record(self._database.reader(), Digest(finding.name))
        return row is not None and row.state == "lost"

    def _without_row(self, path: str, digest: Digest, generation: int) -> Sight | None:
        reader = self._database.reader()
        if scrubbing.reference(reader, digest) is None and not scrubbing.is_leased(reader, digest):
            if digest in self.reached or not self._exists(path):
                return None
            finding = Finding(findings.STRAY_OBJECT, path, path, "nothing knows it", heals=REPAIR)
            return Sight(finding, lambda: self._repairs.take_stray(finding, digest, generation))
        content = self._read(path, digest)
        if content is None:
            return None
        if content.digest == digest:
            finding = self._about(digest, findings.MISSING_ROW, path, "its object is in the tree", heals=REPAIR)
            return Sight(finding, lambda: self._repairs.adopt(finding, digest, content.size, generation))
        damaged = self._about(digest, findings.DAMAGED, path, f"it has no row, and {_fault(content)}")
        return Sight(damaged, lambda: self._repairs.lose_without_row(damaged, digest, content.size, generation))

    def _under_another_key(self, path: str, digest: Digest, generation: int, row: Record) -> Sight | None:
        if not self._exists(path):
            return None
        current = "its key was given up" if row.state in GIVEN_UP else f"the registry reads generation {row.generation}"
        finding = Finding(findings.STRAY_OBJECT, path, path, current, heals=REPAIR)
        return Sight(finding, lambda: self._repairs.take_other_key(finding, digest, generation))

    def _against_row(self, path: str, digest: Digest, row: Record) -> Sight | None:
        content = self._read(path, digest)
        if content is None:
            return None  # gone: its row is looked at for itself
        if content.digest != digest:
            detail = _fault(content) if content.size == row.size else _sizes(content, row)
            finding = self._about(digest, findings.DAMAGED, path, detail)
            return Sight(finding, lambda: self._repairs.lose(finding, digest, row))
        if content.size == row.size:
            return None
        wrong = self._about(digest, findings.WRONG_SIZE, path, _sizes(content, row), heals=REPAIR)
        return Sight(wrong, lambda: self._repairs.resize(wrong, digest, row, content.size))

    def _nowhere(self, digest: Digest) -> Sight | None:
        path = self._storage.blob_path(digest)
        reference = scrubbing.reference(self._database.reader(), digest)
        if reference is None or self._exists(path):  # an object is looked at for itself
            return None
        finding = self._about(digest, findings.MISSING_ROW, "", "nor is its object in the tree")
        return Sight(finding, lambda: self._repairs.await_push(finding, digest, reference.size))

    def _lost(self, digest: Digest, row: Record) -> Sight | None:
        if scrubbing.reference(self._database.reader(), digest) is None:
            return None
        path = self._storage.blob_path(digest, row.generation)
        finding = self._about(digest, findings.LOST, path if self._exists(path) else "", "it awaits a push")
        return Sight(finding, lambda: self._repairs.find_again(finding, digest, row, self._read(path, digest)))

    def _about(self, digest: Digest, kind: str, path: str, detail: str, heals: str = PUSH_AGAIN) -> Finding:
        affects = scrubbing.affected(self._database.reader(), digest, AFFECTED)
        return Finding(kind, digest, path, detail, affects, heals=heals)

    def _read(self, path: str, digest: Digest) -> Content | None:
        try:
            return self._reading.content(path, digest.algorithm)
        except FileNotFoundError:
            return None

    def _exists(self, path: str) -> bool:
        """OSError where it cannot be told: that is no fault of the object's."""
        try:
            self._storage.get_size(path)
        except FileNotFoundError:
            return False
        return True


def _digest(key: BlobKey | None) -> Digest | None:
    if key is None:
        return None
    try:
        return Digest.parse(f"{key.algorithm}:{key.hex}")
    except DigestInvalid:
        return None


def _fault(content: Content) -> str:
    return content.fault or "other bytes lie there"


def _sizes(content: Content, row: Record) -> str:
    return content.fault or f"{content.size} bytes lie there, not {row.size}"
