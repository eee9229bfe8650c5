"""One scrub at a time on a data folder, beside a running server, at a pace; a run that was ended goes on where it was.

What a first look finds waits for some seconds and is looked at again; what is still wrong then is a finding. The
document `scrub` in the database remembers how far the run is, what waits, and the findings. A finding is written there
before it is mended: a run that is killed in a repair tells of it all the same.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from orlop.database import scrubbing
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from orlop.domain.errors import Busy
from orlop.domain.name import RepositoryName
from orlop.maintenance.entries import Entries
from orlop.maintenance.pace import Pace
from orlop.maintenance.scrub import findings
from orlop.maintenance.scrub.contents import Contents
from orlop.maintenance.scrub.derived import Derived
from orlop.maintenance.scrub.document import Document, read, save
from orlop.maintenance.scrub.findings import Finding, Report, Sight, Subject
from orlop.maintenance.scrub.images import TreeImages
from orlop.maintenance.scrub.names import TreeNames
from orlop.maintenance.scrub.reading import Reading
from orlop.maintenance.scrub.repairs import Repairs
from orlop.maintenance.scrub.subjects import OBJECTS, PHASES, Subjects
from orlop.maintenance.turn import COLLECTION, SCRUB, turn
from orlop.registry.names import Names
from orlop.storage.base import Storage

CONFIRM_AFTER = 5.0
"""Seconds between the two looks. A push commits within one of placing its object; should one take longer, a repair does
it no harm."""
MOST_WAITING = 1_000
REMEMBER = 5.0
"""Seconds between two notes of how far the run is."""
TURN = 0.2
ATTEMPTS = 3


class Options(NamedTuple):
    folder: Path
    """Where the locks are: the data folder."""
    lease: int
    """Milliseconds, for what is recorded again."""
    rate: float
    """Bytes a second that are read; 0 for any number."""
    sparse: bool = False
    """References need not be met."""
    repair: bool = False
    restart: bool = False
    """Begin anew, also where an earlier run was ended before its end."""
    confirm_after: float = CONFIRM_AFTER
    contents: bool = False
    """Workers make again what is known of the contents of images."""


class State(NamedTuple):
    """How far a run is."""

    phase: str
    objects: int
    bytes: int
    total_bytes: int
    """That the database knows of."""
    found: int
    waits: bool
    """For the second look, or for a collection to end."""


class Waiting(NamedTuple):
    due: float
    subject: Subject


class Scrub:
    def __init__(self, storage: Storage, database: Database, options: Options, pace: Pace | None = None) -> None:
        """`pace`: to stop it by, from any thread."""
        self._database = database
        self._options = options
        self._pace = pace or Pace(options.rate)
        self._reading = Reading(storage, self._pace)
        names = Names(storage, database)
        entries = Entries(storage, database, options.lease)
        self._repairs = Repairs(storage, database, names, entries, contents=options.contents)
        self._contents = Contents(storage, database, self._reading, self._repairs)
        self._derived = Derived(storage, database, self._repairs)
        self._images = TreeImages(storage, database, self._reading, self._repairs, self._derived)
        self._names = TreeNames(storage, database, self._reading, self._repairs, entries, self._contents, self._images)
        self._subjects = Subjects(storage, database, sparse=options.sparse)
        self._document = Document(0)
        self._waiting: deque[Waiting] = deque()
        self._known: set[str] = set()
        self._resumed = False
        self._saved = 0.0
        self._before = (0, 0.0)
        self._total_bytes = 0
        self.on_progress: Callable[[State], None] = lambda state: None

    def run(self) -> Report:
        """Goes through everything, or through the rest. Busy: a scrub runs. Stopped: it goes on another time."""
        with turn(self._options.folder, SCRUB):
            self._begin()
            try:
                self._go_through()
            except BaseException:
                self._save()
                raise
            self._document.ended_at = self._database.reader().now()
            self._save()
        return self._document.report(resumed=self._resumed, repair=self._options.repair)

    def _begin(self) -> None:
        reader = self._database.reader()
        _, self._total_bytes = scrubbing.totals(reader)
        known = None if self._options.restart else read(reader)
        self._resumed = known is not None and not known.ended_at
        self._document = known if known is not None and self._resumed else Document(reader.now())
        self._before = (self._document.bytes, self._document.seconds)
        self._contents.begun_at = self._document.begun_at
        self._known = {finding.key for finding in self._document.findings}
        self._wait_for(*self._document.waiting)
        # Killed between the note of a finding and its repair; or found by a run that did not repair.
        unmended = [finding for finding in self._document.findings if not finding.done]
        if self._options.repair:
            self._mend([(finding, None) for finding in unmended])
        else:
            for finding in unmended:
                if finding.kind == findings.MISSING_MANIFEST:
                    self._look(finding.subject)  # what it names are no strays

    def _go_through(self) -> None:
        document = self._document
        for phase in PHASES[PHASES.index(document.phase) :]:
            document.phase = phase
            for cursor, subject in self._subjects.of(phase, document.cursor):
                if subject is not None:
                    self._first_look(subject)
                document.cursor = cursor
                self._attend()
            while self._waiting:
                self._attend(patiently=True)
            document.cursor = ""
        self._repairs.settle()

    def _first_look(self, subject: Subject) -> None:
        sight = self._look(subject)
        if self._document.phase == OBJECTS:
            self._document.objects += 1
        if sight is None or sight.finding.key in self._known:
            return
        if sight.finding.kind == findings.LOST and not self._options.repair:
            self._take([(subject, sight)])  # nothing that runs beside makes it look so
            return
        self._wait_for(subject)

    def _wait_for(self, *subjects: Subject) -> None:
        due = time.monotonic() + self._options.confirm_after
        self._waiting.extend(Waiting(due, subject) for subject in subjects)

    def _attend(self, *, patiently: bool = False) -> None:
        """Second looks that are due; `patiently`, or where too much waits, after waiting for the oldest."""
        self._pace.spend(0)
        self._tell()
        if self._waiting and (patiently or len(self._waiting) >= MOST_WAITING):
            self._tell(waits=True)
            self._pace.pause(max(0.0, self._waiting[0].due - time.monotonic()))
        due: list[Subject] = []
        while self._waiting and self._waiting[0].due <= time.monotonic() and len(due) < MOST_WAITING:
            due.append(self._waiting.popleft().subject)
        if due:
            try:
                self._take([(subject, self._look(subject)) for subject in due])
            except BaseException:
                self._wait_for(*due)  # so that they are remembered
                raise
        if time.monotonic() - self._saved > REMEMBER:
            self._save()

    def _take(self, looks: list[tuple[Subject, Sight | None]]) -> None:
        """Notes what was seen twice, and mends it."""
        new: list[tuple[Finding, Sight | None]] = []
        for subject, sight in looks:
            if sight is not None and sight.finding.key not in self._known:
                sight.finding.subject = subject
                self._note(sight.finding)
                new.append((sight.finding, sight))
        if self._options.repair and new:
            self._save()
            self._mend(new)

    def _note(self, finding: Finding) -> None:
        document = self._document
        if len(document.findings) < findings.MOST_KEPT:
            self._known.add(finding.key)
            document.findings.append(finding)
        else:
            document.untold[finding.kind] = document.untold.get(finding.kind, 0) + 1

    def _mend(self, unmended: list[tuple[Finding, Sight | None]]) -> None:
        if not unmended:
            return
        with self._turn_of_collection():
            for finding, sight in unmended:
                self._mend_one(finding, sight)
                self._pace.spend(0)
        self._repairs.settle()

    def _mend_one(self, finding: Finding, sight: Sight | None) -> None:
        """Mends it as it was seen; where something came between, or a run before has seen it, it looks again."""
        for _ in range(ATTEMPTS):
            sight = sight or self._look(finding.subject)
            if sight is None:
                self._note_settled(finding)
                break
            if sight.mend():
                finding.done = sight.finding.done
                # What is left of a repair that was ended is another fault: the first one's remedy stays.
                if sight.finding.kind == finding.kind:
                    finding.heals = sight.finding.heals
                break
            sight = None
        self._document.repaired += bool(finding.done)

    def _note_settled(self, finding: Finding) -> None:
        """By whoever came between, or by a repair that was killed before it was noted."""
        if self._contents.is_lost(finding):
            finding.done = "answered as absent"
        else:
            finding.done, finding.heals = "in order by now", ""

    def _look(self, subject: Subject) -> Sight | None:
        what, name = subject.what, subject.name
        if what == findings.OBJECT:
            return self._contents.object(name)
        if what == findings.BLOB:
            return self._contents.blob(Digest(name))
        if what == findings.NAME:
            return self._names.object(name)
        if what == findings.LINKS:
            return self._names.links(RepositoryName(name))
        if what == findings.ROWS:
            return self._names.rows(name)
        if what == findings.TAG:
            repository, _, tag = name.partition(":")
            return self._names.tag(RepositoryName(repository), tag)
        if what in (findings.IMAGE_OBJECT, findings.TABLE, findings.DOCUMENT):
            return self._look_at_object(what, name)
        if what == findings.IMAGES:
            return self._images.images(RepositoryName(name))
        repository, _, digest = name.partition("@")
        if what == findings.IMAGE:
            return self._images.image(RepositoryName(repository), digest)
        looks = {
            findings.MANIFEST: self._names.manifest,
            findings.LINK: self._contents.link,
            findings.CHILD: self._contents.child,
        }
        return looks[what](RepositoryName(repository), Digest(digest))

    def _look_at_object(self, what: str, path: str) -> Sight | None:
        if what == findings.IMAGE_OBJECT:
            return self._images.object(path)
        return self._derived.table(path) if what == findings.TABLE else self._derived.document(path)

    @contextlib.contextmanager
    def _turn_of_collection(self) -> Iterator[None]:
        """Nobody else removes anything from the tree meanwhile. Stopped."""
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(turn(self._options.folder, COLLECTION))
                    break
                except Busy:
                    self._tell(waits=True)
                    self._pace.pause(TURN)
            yield

    def _save(self) -> None:
        document = self._document
        document.waiting = [each.subject for each in self._waiting]
        size, seconds = self._before
        document.bytes, document.seconds = size + self._reading.bytes, seconds + self._reading.seconds
        self._database.write(lambda connection: save(connection, document))
        self._saved = time.monotonic()

    def _tell(self, *, waits: bool = False) -> None:
        document = self._document
        size = self._before[0] + self._reading.bytes
        found = len(document.findings) + sum(document.untold.values())
        self.on_progress(State(document.phase, document.objects, size, self._total_bytes, found, waits))
