"""Collection: takes away what nothing keeps, while pushes run.

A blob dies in steps, each committed: condemned (it is absent from then on; a push brings it back by flipping its row),
removing (its key is given up, and its object deleted), removed; after an hour its row goes. What runs beside needs no
lock: a push that meets a condemned row takes it over, one that meets a key that was given up writes the next one.

A run goes through its stages in order and remembers how far it is, so that the next one goes on there.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import structlog

from orlop import telemetry
from orlop.database import garbage, leases, progress
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.retention import Retention
from orlop.maintenance.clock import Clock
from orlop.maintenance.image_sweep import ImageSweep
from orlop.maintenance.pace import Pace, Stopped
from orlop.maintenance.preview import Preview, preview
from orlop.maintenance.releases import Releases
from orlop.maintenance.run import LAST, RUNNING, Run, both, read
from orlop.maintenance.tree import Tree
from orlop.maintenance.turn import COLLECTION, turn
from orlop.registry.names import Names
from orlop.registry.uploads import Uploads
from orlop.storage.base import Storage

if TYPE_CHECKING:
    from orlop.maintenance.contents_sweep import ContentsSweep

log = structlog.get_logger("orlop.collection")

Item = TypeVar("Item")

PAGE = 500
BATCH = 100
"""Rows in one transaction: others wait while it runs."""
LOOKS = 50
"""So many rows are looked at in the time that taking one away is given."""
KEPT_FOR = 3_600_000
"""Milliseconds for which the row of a removed blob stays: whoever was about to write its key has given up by then."""
REMEMBER = 5.0
"""Seconds between two notes of how far a run is, where nothing else is to be committed."""
TREE = 86_400_000
"""Milliseconds between two sweeps of the tree, which reads all of it; a run by command sweeps every time."""


class Options(NamedTuple):
    folder: Path
    """Where the lock is: the data folder."""
    lease: int
    """Milliseconds."""
    rate: float
    """Blobs, manifests and the like that are taken away a second; 0: as many as can be."""
    rules: Sequence[Retention] = ()


class Collection:
    """One at a time on a data folder, in whatever process."""

    def __init__(
        self,
        storage: Storage,
        database: Database,
        names: Names,
        uploads: Uploads,
        clock: Clock,
        options: Options,
        contents: "ContentsSweep | None" = None,
    ) -> None:
        """`contents`: what is known of the contents of images, where it is at hand."""
        self._storage = storage
        self._database = database
        self._names = names
        self._uploads = uploads
        self._now = clock.now
        self._folder = options.folder
        self._lease = options.lease
        self._pace = Pace(options.rate)
        self._tree = Tree(storage, database, options.lease)
        self._images = ImageSweep(storage, database, names, options.lease, clock.now)
        self._contents = contents
        self._releases = Releases(database, names, options.rules, clock.now)
        self._noted = 0.0
        self._run = Run(0)
        self.on_progress: Callable[[Run], None] = lambda run: None

    def use(self, rules: Sequence[Retention]) -> None:
        """From the next run on."""
        self._releases.rules = tuple(rules)

    def stop(self) -> None:
        """Ends a run soon, and keeps later ones from beginning; it goes on there another time."""
        self._pace.stop()

    def continue_(self, *, tree: bool = False, wait: bool = False) -> Run | None:
        """A run, or the rest of one that was stopped. None: it was stopped again.

        `tree`: sweep the tree too, however long ago that was. Busy: another runs, unless `wait`. ClockWasSet.
        """
        with turn(self._folder, COLLECTION, wait=wait):
            self._run = self._begun(tree)
            try:
                for stage, work in self._stages():
                    work(self._run.cursor)
                    self._next_stage(stage)
            except Stopped:
                self._save()
                return None
            return self._end()

    def whole(self, *, wait: bool = False) -> Run | None:
        """A run over everything as it is now, after the rest of one that was stopped; totals are of both."""
        begun = read(self._database.reader(), RUNNING)
        run = self.continue_(tree=True, wait=wait)
        if begun is None or run is None:
            return run
        again = self.continue_(tree=True, wait=wait)
        if again is not None:
            again.totals = both(run.totals, again.totals)
        return again

    def preview(self) -> Preview:
        """What a run would take away now. ClockWasSet."""
        return preview(self._database, self._releases, self._now, self._lease)

    def _begun(self, tree: bool) -> Run:
        run = read(self._database.reader(), RUNNING)
        if run is not None and run.stage in self._names_of_stages():
            run.tree = run.tree or tree
            return run
        last = read(self._database.reader(), LAST)
        now = self._now()
        swept_at = last.swept_at if last is not None else 0
        return Run(now, self._names_of_stages()[0], tree=tree or now - swept_at >= TREE, swept_at=swept_at)

    def _end(self) -> Run:
        run = self._run
        run.ended_at = self._now()
        if run.tree:
            run.swept_at = run.started_at

        def unit(connection: Connection) -> None:
            progress.drop(connection, RUNNING)
            progress.save(connection, LAST, run)

        self._database.write(unit)
        self._names.drain()
        telemetry.COLLECTIONS.inc()
        return run

    def _all_stages(self) -> tuple[tuple[str, Callable[[list[str | int]], None]], ...]:
        return (
            ("unfinished", self._finish_removals),
            ("uploads", self._expire),
            ("tree", self._sweep),
            ("manifests", self._release),
            ("images", self._sweep_images),
            ("image folders", self._sweep_folders),
            ("links", self._unlink),
            ("blobs", self._condemn),
            ("objects", self._remove),
            ("rows", self._forget),
            ("repositories", self._drop_repositories),
            ("contents", self._sweep_contents),
        )

    def _names_of_stages(self) -> list[str]:
        return [name for name, _ in self._all_stages()]

    def _stages(self) -> Iterator[tuple[str, Callable[[list[str | int]], None]]]:
        """From the run's on."""
        begin = self._names_of_stages().index(self._run.stage)
        yield from self._all_stages()[begin:]

    def _next_stage(self, stage: str) -> None:
        names = self._names_of_stages()
        following = names.index(stage) + 1
        if following < len(names):
            self._run.stage, self._run.cursor = names[following], []
            self._note()

    def _note(self, *cursor: str | int) -> None:
        """How far the stage is."""
        if cursor:
            self._run.cursor = list(cursor)
        self.on_progress(self._run)
        if time.monotonic() - self._noted > REMEMBER:
            self._save()

    def _save(self) -> None:
        run = self._run
        self._database.write(lambda connection: progress.save(connection, RUNNING, run))
        self._noted = time.monotonic()

    def _finish_removals(self, cursor: list[str | int]) -> None:
        """Of a run that was killed between giving up keys and deleting the objects."""
        for page in self._pages("removing"):
            self._delete(page)

    def _expire(self, cursor: list[str | int]) -> None:
        self._now()
        self._run.totals.uploads += self._uploads.expire()
        self._database.write(leases.expire)

    def _sweep(self, cursor: list[str | int]) -> None:
        if not self._run.tree:
            return
        for folder in self._tree.folders(str(cursor[0]) if cursor else ""):
            for changed in self._tree.sweep(folder, self._now()):
                self._run.totals.swept += changed
                self._pace.spend(changed or 1 / LOOKS)
            self._note(folder)

    def _release(self, cursor: list[str | int]) -> None:
        for repository_id, name, rule in self._releases.repositories(str(cursor[0]) if cursor else ""):
            for gone in self._releases.release(repository_id, name, rule):
                self._run.totals.manifests += len(gone)
                telemetry.COLLECTED.labels("manifest").inc(len(gone))
                self._pace.spend(len(gone) + 1 / LOOKS)
            self._note(name)

    def _sweep_images(self, cursor: list[str | int]) -> None:
        for repository_id, name in self._images.repositories(str(cursor[0]) if cursor else ""):
            for gone in self._images.sweep(repository_id, name):
                self._run.totals.images += gone
                telemetry.COLLECTED.labels("image").inc(gone)
                self._pace.spend(gone)
            self._note(name)
            self._pace.spend(1 / LOOKS)

    def _sweep_folders(self, cursor: list[str | int]) -> None:
        if not self._run.tree:
            return
        for folder in self._images.folders(str(cursor[0]) if cursor else ""):
            changed = self._images.sweep_folder(folder)
            self._run.totals.swept += changed
            self._note(folder)
            self._pace.spend(changed or 1 / LOOKS)

    def _unlink(self, cursor: list[str | int]) -> None:
        after = (int(cursor[0]), int(cursor[1])) if cursor else (0, 0)
        while page := garbage.page_of_links(self._database.reader(), after, PAGE, self._now()):
            for batch in _batches([link for link in page if not link.kept]):
                self._run.totals.links += len(self._write(garbage.unlink, batch, self._now()))
                self._pace.spend(len(batch))
            after = (page[-1].repository_id, page[-1].blob_id)
            self._note(*after)
            self._pace.spend(len(page) / LOOKS)

    def _condemn(self, cursor: list[str | int]) -> None:
        after = int(cursor[0]) if cursor else 0
        totals = self._run.totals
        while page := garbage.page_of_blobs(self._database.reader(), after, PAGE, self._now()):
            waiting = [blob for blob in page if blob.leased and not blob.named]
            totals.leased_blobs += len(waiting)
            totals.leased_bytes += sum(blob.size for blob in waiting)
            for batch in _batches([blob for blob in page if not blob.named and not blob.leased]):
                totals.condemned += len(self._write(garbage.condemn, batch, self._now()))
                self._pace.spend(len(batch))
            after = page[-1].id
            self._note(after)
            self._pace.spend(len(page) / LOOKS)

    def _remove(self, cursor: list[str | int]) -> None:
        for page in self._pages("condemned"):
            self._delete(self._write(garbage.hand_over, page, self._now()))

    def _delete(self, page: Sequence[garbage.Blob]) -> None:
        """The objects of blobs whose keys were given up, whatever may have been written there since."""
        gone = []
        for blob in page:
            try:
                self._storage.remove(self._key(blob, blob.generation))
            except FileNotFoundError:
                pass
            except OSError as error:
                log.error("an object cannot be removed yet", digest=blob.digest, reason=str(error))
                continue
            gone.append(blob)
        self._write(garbage.note_removed, gone, self._now())
        size = sum(blob.size for blob in gone)
        self._run.totals.blobs += len(gone)
        self._run.totals.bytes += size
        telemetry.COLLECTED.labels("blob").inc(len(gone))
        telemetry.COLLECTED_BYTES.inc(size)
        self._note()
        self._pace.spend(len(page))

    def _forget(self, cursor: list[str | int]) -> None:
        for page in self._pages("removed", age=KEPT_FOR):
            # A push that wrote the next key and did not come to its commit left an object there.
            later = {blob.id for blob in page if self._storage.exists(self._key(blob, blob.generation + 1))}
            self._write(garbage.forget, [blob for blob in page if blob.id not in later])
            self._write(garbage.raise_generation, [blob for blob in page if blob.id in later], self._now())
            self._pace.spend(len(page) / LOOKS)

    def _drop_repositories(self, cursor: list[str | int]) -> None:
        after = ""
        while page := garbage.empty_repositories(self._database.reader(), after, BATCH):
            self._run.totals.repositories += len(self._write(garbage.drop_empty, page))
            after = page[-1][1]
            self._pace.spend(len(page))

    def _sweep_contents(self, cursor: list[str | int]) -> None:
        if self._contents is None:
            return
        for digest, gone in self._contents.layers(str(cursor[0]) if cursor else ""):
            self._run.totals.contents += gone
            self._note(digest)
            self._pace.spend(gone or 1 / LOOKS)
        if not self._run.tree:
            return
        self._contents.labels()
        before = (self._now() - self._lease) / 1000
        for gone in itertools.chain(self._contents.tree(), self._contents.documents(before)):
            self._run.totals.contents += gone
            self._note()
            self._pace.spend(gone or 1 / LOOKS)

    def _write(self, step: Callable[..., bool], items: Sequence[Item], *arguments: int) -> list[Item]:
        """Takes a step for each item, in one transaction; those for which it was taken."""
        if not items:
            return []
        return self._database.write(lambda connection: [item for item in items if step(connection, item, *arguments)])

    def _key(self, blob: garbage.Blob, generation: int) -> str:
        return self._storage.blob_path(Digest(blob.digest), generation)

    def _pages(self, state: str, age: int = 0) -> Iterator[list[garbage.Blob]]:
        after = 0
        while page := garbage.page_in(self._database.reader(), state, after, BATCH, self._now() - age):
            yield page
            after = page[-1].id


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
