"""Mends what a scrub has seen. Each step is one commit or one rename, in an order in which a process that is killed
between two leaves what the next scrub finds and finishes, and nothing that is worse than before.

Each says False where what was seen has changed meanwhile, and does nothing then. Whoever calls has the turn of
collection: nobody else takes objects from the tree, and no row of a given-up key is dropped.
"""

from collections.abc import Callable

from orlop.database import blobs, manifests, outbox, scrubbing, tags, v1_images
from orlop.database.blobs import GIVEN_UP, Record
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.v1_images import Image
from orlop.domain.caller import SYSTEM
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName, Tag
from orlop.domain.v1.ids import ImageId
from orlop.maintenance.entries import UNREADABLE, Entries, Found
from orlop.maintenance.scrub.findings import Finding
from orlop.maintenance.scrub.reading import Content
from orlop.registry.names import Names, current
from orlop.registry.v1 import objects
from orlop.registry.v1.objects import Paths
from orlop.storage.base import Storage


class Repairs:
    def __init__(
        self, storage: Storage, database: Database, names: Names, entries: Entries, *, contents: bool = False
    ) -> None:
        """`contents`: somebody makes again what is known of the contents of images."""
        self._contents = contents
        self._storage = storage
        self._database = database
        self._names = names
        self._entries = entries

    def lose(self, finding: Finding, digest: Digest, row: Record) -> bool:
        """Of a damaged or missing object: its row says so and names the next key, then what lies there goes.

        No push that heals it is undone, wherever it is. `row` was read before the object. A push places its object
        first and commits then, and each commit of one moves `changed_at`:
        - It had committed before this commit: the row is not as it was seen, and nothing happens.
        - It has placed its object and commits after this: it finds that the row names another key than the one it
          wrote, which `record_live` refuses, and writes again, at that other key. What it had placed is taken away
          below, and nothing knows it.
        - It looks at the row after this commit: it writes the next key, which this does not touch.
        So what is taken away lies at a key below its row's generation, and no commit can come to name that again.
        A process that ends between the two leaves that object as a stray under an old key.
        """

        def unit(connection: Connection) -> bool:
            if not scrubbing.lose(connection, digest, row.generation, row.changed_at):
                return False
            manifests.lose(connection, digest)
            return True

        if not self._database.write(unit):
            return False
        moved = self._quarantine(self._storage.blob_path(digest, row.generation))
        finding.done = "moved to quarantine, and answered as absent" if moved else "answered as absent"
        return True

    def lose_without_row(self, finding: Finding, digest: Digest, size: int, generation: int) -> bool:
        """Of a damaged object that is referenced: the row that it lacks names the next key, then it goes."""

        def unit(connection: Connection) -> bool:
            if not scrubbing.record(connection, digest, size, "lost", generation + 1):
                return False
            manifests.lose(connection, digest)
            return True

        if not self._database.write(unit):
            return False
        self._quarantine(self._storage.blob_path(digest, generation))
        finding.done = "moved to quarantine, and answered as absent"
        return True

    def await_push(self, finding: Finding, digest: Digest, size: int) -> bool:
        """Of what is referenced and nowhere: a row that awaits a push."""

        def unit(connection: Connection) -> bool:
            if not scrubbing.record(connection, digest, size, "lost", 0):
                return False
            manifests.lose(connection, digest)
            return True

        return finding.note(self._database.write(unit), "recorded as lost", finding.heals)

    def adopt(self, finding: Finding, digest: Digest, size: int, generation: int) -> bool:
        """Of an object that is good and referenced: its row, and the repositories that hold it."""

        def unit(connection: Connection) -> bool:
            # Whoever has made a row meanwhile knows better: a push that has committed, or collection.
            if not scrubbing.record(connection, digest, size, "live", generation):
                return False
            manifests.heal(connection, digest)
            return True

        return finding.note(self._database.write(unit), "recorded again")

    def find_again(self, finding: Finding, digest: Digest, row: Record, content: Content | None) -> bool:
        """Of a lost blob: live again where its bytes are there after all, as a push leaves them that was cut."""
        good = content is not None and content.digest == digest and row.state in ("live", "lost")
        size = content.size if content is not None else 0
        if not good and not manifests.is_shown(self._database.reader(), digest):
            return True

        def unit(connection: Connection) -> bool:
            if not good or row.state == "live":
                (manifests.heal if good else manifests.lose)(connection, digest)
                return good
            # Refused where the row names another key by now.
            if blobs.record_live(connection, digest, size, row.generation):
                manifests.heal(connection, digest)
                return True
            return False

        finding.note(self._database.write(unit), "found again")
        return True

    def resize(self, finding: Finding, digest: Digest, row: Record, size: int) -> bool:
        resized = self._database.write(
            lambda connection: scrubbing.resize(connection, digest, row.generation, row.changed_at, size)
        )
        return finding.note(resized, "corrected")

    def link(self, finding: Finding, name: RepositoryName, digest: Digest) -> bool:
        """Puts a blob back into a repository. A condemned one has its object, or awaits a push from then on."""
        row = blobs.record(self._database.reader(), digest)
        if row is None or row.state in GIVEN_UP:
            return False
        there = self._storage.exists(self._storage.blob_path(digest, row.generation))

        def unit(connection: Connection) -> bool:
            if scrubbing.unmet_in(connection, name, digest) is None or blobs.record(connection, digest) != row:
                return False
            if row.state == "condemned" and there:
                scrubbing.revive(connection, digest)
            elif row.state == "condemned":
                scrubbing.lose(connection, digest, row.generation, row.changed_at)
            scrubbing.restore_links(connection, digest)
            return True

        return finding.note(self._database.write(unit), "linked")

    def adopt_child(self, finding: Finding, name: RepositoryName, digest: Digest) -> bool:
        """Gives the repository a manifest that its index lists, where the content is there."""
        reference = scrubbing.reference(self._database.reader(), digest)
        if reference is None:
            return False
        try:
            found = self.manifest(name, digest, reference.media_type)
        except UNREADABLE:
            return True  # only a push brings it
        return self.adopt_manifest(finding, found)

    def manifest(self, name: RepositoryName, digest: Digest, media_type: str) -> Found:
        """What the tree has under that digest, with or without a row, as a manifest of the repository. UNREADABLE."""
        reader = self._database.reader()
        row = blobs.record(reader, digest)
        return self._entries.parse(name, digest, media_type, row.generation if row else 0, reader.now())

    def adopt_manifest(self, finding: Finding, found: Found) -> bool:
        """Records a manifest that the tree knows, with what it names of what there is."""

        def unit(connection: Connection) -> bool:
            if self._is_named(connection, "manifest", found.name, found.digest):
                return False  # it was pushed, or pushed and deleted, just now
            row = blobs.record(connection, found.digest)
            if row is None:
                scrubbing.record(connection, found.digest, found.size, "live", 0)
            elif row.state not in ("live", "condemned"):
                return False
            self._entries.record(connection, found)
            for digest in (found.digest, *[descriptor.digest for _, descriptor in found.manifest.references()]):
                scrubbing.revive(connection, digest)
            return True

        if not self._database.write(unit):
            return False
        self.publish("manifest", found.name, found.digest)
        return finding.note(True, "recorded again")

    def adopt_tag(self, finding: Finding, name: RepositoryName, tag: Tag, digest: Digest) -> bool:
        """Of a tag that the tree alone has, or whose row names nothing. False too where it names no manifest of the
        repository."""

        def unit(connection: Connection) -> bool:
            row = scrubbing.tag(connection, name, tag)
            found = manifests.by_digest(connection, name, digest)
            if outbox.holds(connection, "tag", name, tag) or (row and row.digest) or found is None:
                return False
            tags.point(connection, SYSTEM, found.repository_id, tag, found.id, digest)
            return True

        if not self._database.write(unit):
            return False
        self.publish("tag", name, tag)
        return finding.note(True, "recorded again")

    def rewrite(self, finding: Finding, kind: str, name: RepositoryName, of: str) -> bool:
        """Of a name whose object differs from its row."""
        self.publish(kind, name, of)
        return finding.note(True, "written again, from its row")

    def drop(self, finding: Finding, unit: Callable[[Connection], int]) -> bool:
        """Of rows that name what is not there."""
        return finding.note(True, f"{self._database.write(unit)} dropped")

    def drop_tag(self, finding: Finding, row: scrubbing.TagRow) -> bool:
        """Of a tag's row that names nothing; then its object goes, which the next scrub finds where this is killed."""
        if not self._database.write(lambda connection: scrubbing.drop_tag(connection, row)):
            return False
        taken = self.take_name(finding, "tag", RepositoryName(row.repository), row.name)
        return finding.note(taken, "dropped")

    def take_away(self, finding: Finding) -> bool:
        """Of an object that no row can come to name."""
        return finding.note(self._quarantine(finding.path), "moved to quarantine")

    def make_again(self, finding: Finding, ask: Callable[[Connection], None]) -> bool:
        """Of something that workers make: `ask` for it once it is away. Killed between the two, the next look at it by
        a worker finds it missing."""
        try:
            self._storage.remove(finding.path)
        except FileNotFoundError:
            return False
        self._storage.sync([finding.path])
        if self._contents:
            self._database.write(ask)
        return finding.note(True, "removed, to be made again by a worker" if self._contents else "removed")

    def take_stray(self, finding: Finding, digest: Digest, generation: int) -> bool:
        """Of an object without a row. Its key is given up first: a push that has placed it and not committed yet is
        refused by `record_live`, and writes the key after it. Killed between the two, collection finishes."""
        if not self._database.write(lambda connection: scrubbing.record(connection, digest, 0, "removing", generation)):
            return False
        return self.take_away(finding)

    def take_other_key(self, finding: Finding, digest: Digest, generation: int) -> bool:
        """Of an object under another key than its row's.

        Below its row's generation nothing is ever recorded again, and while this has collection's turn no row goes. A
        key beyond that of a row that was given up is the next that a push writes: it is given up too, first. Beyond
        that of any other row no push writes.
        """
        row = blobs.record(self._database.reader(), digest)
        if row is None or (row.generation == generation and row.state != "removed"):
            return False
        beyond = generation > row.generation and row.state in GIVEN_UP
        if beyond and not self._database.write(lambda connection: scrubbing.give_up(connection, digest, generation)):
            return False
        if beyond and row.state == "removing":
            self._quarantine(self._storage.blob_path(digest, row.generation))
        return self.take_away(finding)

    def take_name(self, finding: Finding, kind: str, name: RepositoryName, of: str) -> bool:
        """Of a tag's or an entry's object that has no row. It is written to the outbox before, and brought to its row's
        value after: a push of that name that comes between is not undone, nor if the process ends there."""

        def unit(connection: Connection) -> outbox.Entry | None:
            if self._is_named(connection, kind, name, of):
                return None
            return outbox.add(connection, kind, name, of)

        entry = self._database.write(unit)
        if entry is None:
            return False
        self._quarantine(finding.path)
        self._names.publish([(entry, None)])
        return finding.note(True, "moved to quarantine")

    def write_image(self, finding: Finding, name: RepositoryName, image: Image) -> bool:
        """Of an image of v1 whose objects differ from its row. Its layer becomes its blob, which was read before."""
        reader = self._database.reader()
        if v1_images.find_in(reader, name, image.image_id) != image:
            return False
        blob = objects.layer(self._storage, reader, image)
        there = blob is not None and self._storage.exists(blob)
        objects.write(self._storage, reader, name, image if there else image._replace(layer_digest=None))
        return finding.note(True, "written again, from its row")

    def take_image(self, finding: Finding, name: RepositoryName, image_id: ImageId) -> bool:
        """Of an image's objects without a row, as `take_name` does."""

        def unit(connection: Connection) -> outbox.Entry | None:
            if self._is_named(connection, "image", name, image_id):
                return None
            return outbox.add(connection, "image", name, image_id)

        entry = self._database.write(unit)
        if entry is None:
            return False
        for path in Paths.of(self._storage, name, image_id):
            self._quarantine(path)
        self._names.publish([(entry, None)])
        return finding.note(True, "moved to quarantine")

    def publish(self, kind: str, name: RepositoryName, of: str) -> None:
        """Brings a name's object to what its row says."""

        def unit(connection: Connection) -> tuple[outbox.Entry, str | None]:
            return outbox.add(connection, kind, name, of), current(connection, kind, name, of)

        self._names.publish([self._database.write(unit)])

    def settle(self) -> None:
        """Makes the names durable that were written."""
        self._names.drain()

    def _is_named(self, connection: Connection, kind: str, name: RepositoryName, of: str) -> bool:
        if outbox.holds(connection, kind, name, of):
            return True
        if kind == "tag":
            return scrubbing.tag(connection, name, of) is not None
        if kind == "image":
            return v1_images.find_in(connection, name, of) is not None
        return manifests.by_digest(connection, name, Digest(of)) is not None

    def _quarantine(self, path: str) -> bool:
        try:
            self._storage.move(path, self._storage.quarantine_path(path))
        except FileNotFoundError:
            return False
        return True
