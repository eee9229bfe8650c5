"""Faults that are put into Orlop on purpose, each a thing that somebody could have forgotten.

In front of a command: `python tests/torture/bugs/planted.py BUG PYTHON -m orlop serve …`.
"""

import os
import runpy
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Plant = Callable[[], None]


class Bug(NamedTuple):
    key: str
    title: str
    row: str
    """The row that is expected to catch it."""
    plant: Plant


def _drop_file_syncs() -> None:
    _sync_only(lambda mode: not stat.S_ISREG(mode))


def _drop_folder_syncs() -> None:
    _sync_only(lambda mode: not stat.S_ISDIR(mode))


def _sync_only(wanted: Callable[[int], bool]) -> None:
    from orlop.storage import kernel

    for name in ("fsync", "fdatasync"):
        original = getattr(os, name)
        setattr(os, name, lambda fd, original=original: original(fd) if wanted(os.fstat(fd).st_mode) else None)
    kernel.sync_file_system = lambda descriptor: None


def _synchronous(level: str) -> Plant:
    def plant() -> None:
        from orlop.database.engine import Database

        connect = Database._connect

        def connect_so(self: Any, *, busy: int, cache: int) -> Any:
            connection = connect(self, busy=busy, cache=cache)
            connection.driver.execute(f"PRAGMA synchronous={level}")
            return connection

        Database._connect = connect_so  # type: ignore[method-assign]

    return plant


def _answer_before_commit() -> None:
    """The group's COMMIT comes when all are answered, 5 ms later."""
    from orlop.database import stores
    from orlop.database.writer import Writer

    shorten = Writer._shorten_log

    def transaction(self: Any, group: Any, answers: list[Any]) -> None:
        self._driver.execute("BEGIN IMMEDIATE")
        if not self._plainly(group, answers):
            self._driver.execute("ROLLBACK")
            if len(group) == 1:
                return
            answers.clear()
            self._driver.execute("BEGIN IMMEDIATE")
            self._in_savepoints(group, answers)
        self._connection.run(stores.RAISE_MARK)

    def commit_late(self: Any) -> None:
        if self._driver.in_transaction:
            time.sleep(0.005)
            self._driver.execute("COMMIT")
        shorten(self)

    Writer._transaction = transaction  # type: ignore[method-assign]
    Writer._shorten_log = commit_late  # type: ignore[method-assign]


def _renew_no_lease() -> None:
    from orlop.registry.blobs import Blobs

    Blobs.lease_due = lambda *_: False  # type: ignore[method-assign]


def _reuse_keys() -> None:
    """A push takes a row over whose key was given up, under that same key."""
    from orlop.database import blobs
    from orlop.database.statement import Insert, Statement, parameters
    from orlop.registry.content import Content

    def record_live(insert: Insert) -> Any:
        statement = insert(blobs.blobs).values(**parameters(blobs.blobs, without=("id", "state")), state="live")
        changes = {name: statement.excluded[name] for name in ("state", "generation", "size", "changed_at")}
        return statement.on_conflict_do_update(index_elements=["digest"], set_=changes)

    def next_generation(self: Any, digest: Any) -> int:
        record = blobs.record(self.database.reader(), digest)
        return 0 if record is None else record.generation

    blobs._RECORD_LIVE = Statement(record_live)
    Content._next_generation = next_generation  # type: ignore[method-assign]


def _forget_names_early() -> None:
    """The outbox forgets a name before its object is synced."""
    from orlop.database import outbox
    from orlop.registry.names import Names

    def finish(self: Any, entries: list[Any]) -> int:
        self._bring({entry: self._current(entry) for entry in entries if entry.id not in self._written})
        written = [entry for entry in entries if entry.id in self._written]
        self._database.write(lambda connection: outbox.done(connection, written))
        self._written.difference_update(entry.id for entry in written)
        return len(written)

    Names._finish = finish  # type: ignore[method-assign]


def _look_once_at_names() -> None:
    from orlop.registry.names import Names

    def bring(self: Any, values: dict[Any, Any]) -> None:
        failed = self._write(values)
        self._written.update(entry.id for entry in values if entry not in failed)

    Names._bring = bring  # type: ignore[method-assign]


def _demand_no_blobs() -> None:
    from orlop.registry import manifests

    manifests._demand_references = lambda *_: None


def _check_no_digest() -> None:
    from orlop.registry.uploads import Uploads

    def finish(self: Any, caller: Any, upload: Any, digest: Any) -> None:
        try:
            upload.writer.sync()
            self._content.commit(
                digest, upload.size, lambda path: self._place(upload, path),
                lambda connection: self._record(connection, caller, upload, digest),
            )  # fmt: skip
        finally:
            self.close(upload)
        self._discard(upload.id)

    Uploads.finish = finish  # type: ignore[method-assign]


def _pass_over_leases() -> None:
    import sqlalchemy

    from orlop.database import garbage

    garbage._leased = lambda: sqlalchemy.false()


def _pass_over(part: str) -> Plant:
    """Collection looks for manifests that nothing keeps, without the condition whose text names the part."""

    def plant() -> None:
        import sqlalchemy

        from orlop.database import garbage

        original = garbage._releasable
        garbage._releasable = lambda: sqlalchemy.and_(
            *[condition for condition in original().clauses if part not in str(condition)]
        )

    return plant


def _skip_second_look() -> None:
    """Collection condemns by what it read before its transaction."""
    from sqlalchemy import bindparam, or_, update

    from orlop.database import garbage

    blobs = garbage.blobs
    garbage._CONDEMN = garbage.Statement(
        lambda _: (
            update(blobs)
            .where(blobs.c.id == bindparam("id_"), or_(blobs.c.state == "live", blobs.c.state == "lost"))
            .values(state="condemned", changed_at=bindparam("now"))
        )
    )


def _remove_before_commit() -> None:
    """The objects go first; that their keys are given up is committed after."""
    from orlop.database import garbage
    from orlop.maintenance.collection import Collection

    delete = Collection._delete

    def remove(self: Any, cursor: Any) -> None:
        for page in self._pages("condemned"):
            for blob in page:
                try:
                    self._storage.remove(self._key(blob, blob.generation))
                except FileNotFoundError:
                    continue
            delete(self, self._write(garbage.hand_over, page, self._now()))

    Collection._remove = remove  # type: ignore[method-assign]


def _keep_leavings() -> None:
    """What could not be finished stays in `.tmp`, and the bytes of uploads that have ended stay, too."""
    from orlop.registry.uploads import Uploads
    from orlop.storage.temporaries import Temporaries

    Temporaries.discard = lambda *_: None  # type: ignore[method-assign]
    Uploads._discard = lambda *_: None  # type: ignore[method-assign]


def _hold_bodies() -> None:
    """An upload's pieces are kept until it ends."""
    from orlop.registry.uploads import OpenUpload

    write = OpenUpload.write

    def hold(self: Any, buffers: Any) -> None:
        self.__dict__.setdefault("_held", []).extend(bytes(buffer) for buffer in buffers)
        write(self, buffers)

    OpenUpload.write = hold  # type: ignore[method-assign]


def _read_numbers_as_python() -> None:
    """Numbers in ranges are what int() takes for one: digits of all scripts, underscores, signs."""
    import re

    from orlop.web import ranges

    ranges._RANGE = re.compile(r"bytes=(\S*?)-(\S*)")


def _move_tags_quietly() -> None:
    """A tag that moves has no outbox entry: the tree hears of it only while the process lives."""
    from orlop.database import outbox

    add = outbox.add

    def add_but(connection: Any, kind: str, repository: str, name: str) -> Any:
        entry = add(connection, kind, repository, name)
        if kind == "tag":
            outbox.done(connection, [entry])
        return entry

    outbox.add = add_but


BUGS: tuple[Bug, ...] = (
    Bug("file-sync", "files are not synced", "power-cuts", _drop_file_syncs),
    Bug("folder-sync", "folders are not synced", "power-cuts", _drop_folder_syncs),
    Bug("sqlite-off", "SQLite with synchronous=OFF", "power-cuts", _synchronous("OFF")),
    Bug("sqlite-normal", "SQLite with synchronous=NORMAL", "power-cuts", _synchronous("NORMAL")),
    Bug("outbox-early", "the outbox forgets a name before its object is synced", "power-cuts", _forget_names_early),
    Bug("answer-early", "answers come before the commit", "kills", _answer_before_commit),
    Bug("no-outbox", "a tag is committed without an outbox entry", "kills", _move_tags_quietly),
    Bug("leavings", "temporary files and ended uploads are left", "kills", _keep_leavings),
    Bug("one-look", "names are not read again after they were written", "one-tag", _look_once_at_names),
    Bug("no-demand", "a manifest is taken whose blobs are not there", "bad-input", _demand_no_blobs),
    Bug("no-digest", "an upload is finished whatever its digest", "bad-input", _check_no_digest),
    Bug("loose-numbers", "ranges are whatever int() takes", "bad-input", _read_numbers_as_python),
    Bug("held-bodies", "uploads are held in memory", "memory", _hold_bodies),
    Bug("no-lease-by-head", "a HEAD renews no lease", "collection", _renew_no_lease),
    Bug("no-leases", "collection passes over leases", "collection", _pass_over_leases),
    Bug("no-parents", "collection passes over indexes: their children go", "collection", _pass_over("parent")),
    Bug("no-subjects", "collection passes over subjects: referrers go", "collection", _pass_over("subject_")),
    Bug("no-second-look", "collection condemns without a look in its transaction", "collection", _skip_second_look),
    Bug("remove-first", "objects are removed before their keys are given up", "collection", _remove_before_commit),
    Bug("keys-again", "a key that was given up is written again", "collection", _reuse_keys),
)


def main() -> None:
    key, words = sys.argv[1], sys.argv[3:]
    (bug,) = (bug for bug in BUGS if bug.key == key)
    bug.plant()
    # What Python would do with the rest of its command line.
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).parent))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main()
