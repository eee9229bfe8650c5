"""The tree's names, brought after each commit to what the database says.

Tags and manifest entries are committed first, with an outbox entry in the same commit. Their objects follow before the
answer, and become durable in batches; only then the outbox entry goes. Whatever stops a process in between, the next
one finds the entry and brings the object to its row's current value.

No lock serialises two writers of one name. Each reads the row again after it has written, and writes again when the row
has changed: whoever writes the object last has, after that, seen the row that it wrote.
"""

import itertools
import threading
from collections.abc import Iterable, Sequence

import structlog

from orlop.database import manifests, outbox, tags, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.outbox import Entry
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName, Tag
from orlop.storage.base import Storage
from orlop.storage.layout import split_name

log = structlog.get_logger("orlop.names")

BATCH = 1000

Change = tuple[Entry, str | None]
"""An outbox entry, and the value that its name was committed with: none where it was deleted."""


class Names:
    """Writes tags and manifest entries to the tree."""

    def __init__(self, storage: Storage, database: Database) -> None:
        self._storage = storage
        self._database = database
        # Ids of entries whose object this process has written: all that is left to do is to sync it.
        self._written: set[int] = set()
        # Ids of those that it could not write.
        self._failed: set[int] = set()
        self._drain = threading.Lock()

    def publish(self, changes: Iterable[Change]) -> None:
        """Brings the objects of committed changes to their rows' current value.

        An object that can't be written now is left to `drain`: its name is committed and holds.
        """
        self._bring(dict(changes))

    def publish_all(self, changes: Sequence[Iterable[Change]]) -> list[None]:
        """`publish` for several use cases at once."""
        self._bring(dict(itertools.chain.from_iterable(changes)))
        return [None] * len(changes)

    def drain(self, *, foreign: bool = False) -> int:
        """Makes written objects durable and takes their entries off the outbox; how many.

        `foreign`: deal also with entries that this process has not written itself, as at start-up.
        """
        with self._drain:
            total = 0
            while entries := self._batch(foreign):
                finished = self._finish(entries)
                total += finished
                if finished < BATCH:
                    break
            return total

    def _batch(self, foreign: bool) -> list[Entry]:
        pending = outbox.pending(self._database.reader(), BATCH)
        if foreign:
            return pending
        return [entry for entry in pending if entry.id in self._written or entry.id in self._failed]

    def _finish(self, entries: list[Entry]) -> int:
        self._bring({entry: self._current(entry) for entry in entries if entry.id not in self._written})
        written = [entry for entry in entries if entry.id in self._written]
        if written:
            self._storage.sync({self._path(entry) for entry in written})
            self._database.write(lambda connection: outbox.done(connection, written))
            self._written.difference_update(entry.id for entry in written)
        return len(written)

    def _bring(self, values: dict[Entry, str | None]) -> None:
        """Writes each name's value, then looks whether its row still has it."""
        written: set[Entry] = set()
        while values:
            failed = self._write(values)
            written |= values.keys() - failed
            with self._database.snapshot():
                current = {entry: self._current(entry) for entry in values if entry not in failed}
            values = {entry: value for entry, value in current.items() if value != values[entry]}
            written -= values.keys()
        self._failed.difference_update(entry.id for entry in written)
        self._written.update(entry.id for entry in written)

    def _write(self, values: dict[Entry, str | None]) -> set[Entry]:
        """Puts or removes objects; those that could not be."""
        put = {entry: value.encode() for entry, value in values.items() if value is not None}
        contents = [(self._path(entry), content) for entry, content in put.items()]
        outcomes = dict(zip(put, self._storage.put_contents(contents, durable=False), strict=True))
        # In the order given, tags before their manifest: a kill in between leaves no tag that names nothing.
        outcomes |= {entry: self._remove(self._whole(entry)) for entry in values if entry not in put}
        failed = {entry for entry, error in outcomes.items() if error is not None}
        for entry in failed:
            self._failed.add(entry.id)
            reason = str(outcomes[entry])
            log.error("a name could not be written to the tree yet", path=self._path(entry), reason=reason)
        return failed

    def _remove(self, path: str) -> OSError | None:
        try:
            self._storage.remove(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            return error.with_traceback(None)
        return None

    def _whole(self, entry: Entry) -> str:
        """What goes with a name: of a v1 image, its folder."""
        path = self._path(entry)
        return path.rpartition("/")[0] if entry.kind == "image" else path

    def _current(self, entry: Entry) -> str | None:
        return current(self._database.reader(), entry.kind, entry.repository, entry.name)

    def _path(self, entry: Entry) -> str:
        namespace, repository = split_name(entry.repository)
        if entry.kind == "tag":
            return self._storage.tag_path(namespace, repository, entry.name)
        if entry.kind == "images":
            return self._storage.images_list_path(namespace, repository)
        if entry.kind == "image":
            return self._storage.image_json_path(namespace, repository, entry.name)
        return self._storage.manifest_entry_path(namespace, repository, Digest(entry.name))


def current(connection: Connection, kind: str, repository: str, name: str) -> str | None:
    """What the object of a name must say, by its row; None where it has none."""
    if kind == "tag":
        return tags.current(connection, RepositoryName(repository), Tag(name))
    if kind == "images":
        return v1_images.list_text(connection, repository)
    if kind == "image":
        image = v1_images.find_in(connection, repository, name)
        return image.document if image is not None else None
    found = manifests.by_digest(connection, RepositoryName(repository), Digest(name))
    return found.media_type if found else None
