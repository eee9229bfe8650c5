"""What a scrub finds and what it leaves alone, beside what may happen at the same time."""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from orlop.database import blobs, manifests, outbox, repositories, tags
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, Busy, ManifestUnknown
from orlop.domain.name import Tag
from orlop.maintenance.pace import Pace, Stopped
from orlop.maintenance.scrub import document, findings
from orlop.maintenance.scrub.subjects import PHASES, Subjects
from orlop.maintenance.turn import COLLECTION, SCRUB, turn
from orlop.steps import Steps, perform
from orlop.storage.local import LocalStorage
from tests.faults.scrubbing import file_of, flip, push_images, statement
from tests.protocol.content import OCI_CONFIG, OCI_INDEX, OCI_LAYER, descriptor, encode, image, index
from tests.unit.maintenance.scrubbing import new_scrub, scrub, told
from tests.unit.registry.house import CALLER, NAME, OTHER, House

CONTENT = b"content of a layer"


class Meddling(LocalStorage):
    """A store in which something happens at a certain moment."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.after_read: Callable[[int], None] = lambda number: None
        """Told how often a blob was read."""
        self.before_move: Callable[[], None] = lambda: None
        self._reads = 0

    def stream_read(self, path: str, bytes_range: tuple[int, int] | None = None) -> Iterator[bytes]:
        yield from super().stream_read(path, bytes_range)
        if path.startswith("blobs/"):
            self._reads += 1
            self.after_read(self._reads)

    def move(self, source: str, target: str) -> None:
        if target.startswith("quarantine/"):
            self.before_move()
        super().move(source, target)


@pytest.fixture
def meddled(tmp_path: Path) -> Iterator[tuple[House, Meddling]]:
    storage = Meddling(tmp_path / "store")
    with House(tmp_path / "orlop.db", storage) as house:
        yield house, storage


def row(house: House, digest: Digest) -> blobs.Record:
    found = blobs.record(house.database.reader(), digest)
    assert found is not None
    return found


def set_state(house: House, tmp_path: Path, digest: Digest, state: str) -> None:
    statement(tmp_path, "UPDATE blobs SET state = ? WHERE digest = ?", state, digest)


def read(house: House, digest: Digest) -> bytes:
    """As a client gets it."""
    held = house.blobs.find(CALLER, NAME, digest)
    return house.storage.get_content(house.storage.blob_path(digest, held.generation))


def go_on(steps: Steps[None], outcome: object) -> None:
    """The rest of a use case that has stopped after a step."""
    with suppress(StopIteration):
        while True:
            step = steps.throw(outcome) if isinstance(outcome, BaseException) else steps.send(outcome)
            (outcome,) = step.do([step.argument])


def test_a_push_that_heals_it_meanwhile_is_not_undone(meddled: tuple[House, Meddling], tmp_path: Path) -> None:
    """It commits between the second look and the repair."""
    house, storage = meddled
    digest = house.push_blob(CONTENT)
    flip(file_of(tmp_path, digest))
    storage.after_read = lambda number: house.push_blob(CONTENT) and None if number == 2 else None
    report = scrub(house, tmp_path, repair=True)
    assert [(each.kind, each.done) for each in report.findings] == [("damaged", "in order by now")]
    assert row(house, digest).state == "live"
    assert read(house, digest) == CONTENT
    assert not list(tmp_path.glob("store/quarantine/*"))


def test_a_push_that_has_placed_its_object_writes_the_next_key(meddled: tuple[House, Meddling], tmp_path: Path) -> None:
    """It places it between the second look and the repair, and commits after that."""
    house, storage = meddled
    digest = house.push_blob(CONTENT)
    flip(file_of(tmp_path, digest))
    push = house.uploads.create(CALLER, NAME, CONTENT, digest)
    outcomes = []

    def place(number: int) -> None:
        if number == 2:
            step = next(push)
            outcomes.extend(step.do([step.argument]))

    storage.after_read = place
    report = scrub(house, tmp_path, repair=True)
    assert [each.done for each in report.findings] == ["moved to quarantine, and answered as absent"]
    assert row(house, digest).state == "lost"
    go_on(push, outcomes[0])
    assert row(house, digest)[2:4] == ("live", 1)
    assert read(house, digest) == CONTENT
    storage.after_read = lambda number: None
    assert scrub(house, tmp_path).findings == []


def test_a_push_whose_object_was_taken_for_a_stray_writes_the_next_key(house: House, tmp_path: Path) -> None:
    """However long it takes to commit."""
    digest = Digest.of(CONTENT)
    push = house.uploads.create(CALLER, NAME, CONTENT, digest)
    step = next(push)
    (outcome,) = step.do([step.argument])
    report = scrub(house, tmp_path, repair=True)
    assert [each.kind for each in report.findings] == ["stray object"]
    go_on(push, outcome)
    assert row(house, digest)[2:4] == ("live", 1)
    assert read(house, digest) == CONTENT


def test_a_repair_that_ends_in_its_middle_is_finished_by_the_next(
    meddled: tuple[House, Meddling], tmp_path: Path
) -> None:
    house, storage = meddled
    digest = house.push_blob(CONTENT)
    flip(file_of(tmp_path, digest))

    def fail() -> None:
        raise OSError(errno.EIO, "the machine stops here")

    storage.before_move = fail
    with pytest.raises(OSError, match="stops here"):
        scrub(house, tmp_path, repair=True)
    assert row(house, digest)[2:4] == ("lost", 1)
    assert file_of(tmp_path, digest).exists()
    storage.before_move = lambda: None
    report = scrub(house, tmp_path, repair=True)
    assert report.left == 0
    assert [(each.kind, each.name, each.done) for each in report.findings] == [
        ("damaged", digest, "moved to quarantine")
    ]
    assert "push it again" in report.findings[0].heals
    assert not file_of(tmp_path, digest).exists()
    house.push_blob(CONTENT)
    assert read(house, digest) == CONTENT
    assert scrub(house, tmp_path).findings == []


def test_a_tag_that_is_pushed_while_its_stray_object_is_taken_stays(
    meddled: tuple[House, Meddling], tmp_path: Path
) -> None:
    house, storage = meddled
    content = house.new_image()
    digest = house.push(content, "v1").digest
    path = storage.tag_path("team", "app", "v2")
    storage.put_content(path, b"nonsense")
    storage.before_move = lambda: house.push(content, "v2") and None
    assert scrub(house, tmp_path, repair=True).left == 0
    assert storage.get_content(path) == digest.encode()
    storage.before_move = lambda: None
    assert scrub(house, tmp_path).findings == []


def test_a_name_in_the_outbox_is_no_fault(house: House, tmp_path: Path) -> None:
    """A server that was killed left it there: the next start brings it in order."""
    digest = house.push_image("v1", "v2")

    def unit(connection: blobs.Connection) -> None:
        repository_id = repositories.find(connection, NAME)
        assert repository_id is not None
        tags.remove(connection, CALLER, repository_id, "v1")
        outbox.add(connection, "tag", NAME, "v1")

    house.database.write(unit)
    house.storage.remove(house.storage.tag_path("team", "app", "v2"))
    house.database.write(lambda connection: outbox.add(connection, "tag", NAME, "v2"))
    assert scrub(house, tmp_path, repair=True).findings == []
    house.names.drain(foreign=True)
    assert scrub(house, tmp_path).findings == []
    assert house.tag("v2") == digest


@pytest.mark.parametrize("state", ["condemned", "removing", "removed", "lost"])
def test_what_may_be_absent_is_no_fault(house: House, tmp_path: Path, state: str) -> None:
    digest = house.push_blob(CONTENT)
    set_state(house, tmp_path, digest, state)
    file_of(tmp_path, digest).unlink()
    assert scrub(house, tmp_path).findings == []


def test_an_object_that_is_about_to_be_removed_is_no_fault(house: House, tmp_path: Path) -> None:
    digest = house.push_blob(CONTENT)
    set_state(house, tmp_path, digest, "removing")
    assert scrub(house, tmp_path).findings == []
    # Nothing is recorded under that key again.
    set_state(house, tmp_path, digest, "removed")
    assert told(scrub(house, tmp_path, repair=True)) == {("stray object", house.storage.blob_path(digest))}
    assert not file_of(tmp_path, digest).exists()


def test_an_object_beyond_a_key_that_was_given_up_is_taken_with_its_key(house: House, tmp_path: Path) -> None:
    """Left by a push that ended between the two. One that has not ended is refused."""
    digest = house.push_blob(CONTENT)
    set_state(house, tmp_path, digest, "removed")
    file_of(tmp_path, digest).rename(file_of(tmp_path, digest, 1))
    assert scrub(house, tmp_path, repair=True).repaired == 1
    assert row(house, digest)[2:4] == ("removing", 1)
    assert not house.database.write(lambda connection: blobs.record_live(connection, digest, len(CONTENT), 1))
    house.push_blob(CONTENT)
    assert row(house, digest)[2:4] == ("live", 2)
    assert scrub(house, tmp_path).findings == []


def test_a_lost_manifest_is_told_and_not_counted(house: House, tmp_path: Path) -> None:
    content = house.new_image()
    digest = house.push(content, "v1").digest
    file_of(tmp_path, digest).unlink()
    report = scrub(house, tmp_path, repair=True)
    assert (told(report), report.left) == ({("missing object", digest)}, 0)
    with pytest.raises(ManifestUnknown):
        house.tag("v1")
    report = scrub(house, tmp_path)
    assert (told(report), report.left, report.lost, report.found) == ({("lost", digest)}, 0, 1, {})
    assert report.findings[0].affects == ["team/app:v1"]
    house.push(content, "v1")
    assert house.tag("v1") == digest
    assert scrub(house, tmp_path).findings == []


def test_what_is_lost_is_found_again_where_its_bytes_are(house: House, tmp_path: Path) -> None:
    """As a push leaves them that was cut before its commit, or a person who has a copy."""
    content = house.new_image()
    digest = house.push(content, "v1").digest
    file_of(tmp_path, digest).unlink()
    scrub(house, tmp_path, repair=True)
    file_of(tmp_path, digest, 1).write_bytes(b"not this")
    assert scrub(house, tmp_path, repair=True).lost == 1
    file_of(tmp_path, digest, 1).write_bytes(content)
    report = scrub(house, tmp_path, repair=True)
    assert [each.done for each in report.findings] == ["found again"]
    assert (report.lost, report.left) == (0, 0)
    assert house.tag("v1") == digest
    assert scrub(house, tmp_path).findings == []


def test_what_is_referenced_and_nowhere_awaits_a_push(house: House, tmp_path: Path) -> None:
    (pushed,) = push_images(house, 1, 1)
    ((digest, content),) = pushed.layers.items()
    statement(tmp_path, "DELETE FROM blobs WHERE digest = ?", digest)
    file_of(tmp_path, digest).unlink()
    report = scrub(house, tmp_path, repair=True)
    assert (told(report), report.left) == ({("missing row", digest)}, 0)
    assert scrub(house, tmp_path).lost == 1
    house.push_blob(content, OTHER)
    house.blobs.find(CALLER, pushed.name, digest)  # it is there again, too
    assert scrub(house, tmp_path).findings == []


def test_a_damaged_object_without_a_row_is_one_finding(house: House, tmp_path: Path) -> None:
    (pushed,) = push_images(house, 1, 1)
    (digest,) = pushed.layers
    statement(tmp_path, "DELETE FROM blobs WHERE digest = ?", digest)
    flip(file_of(tmp_path, digest))
    report = scrub(house, tmp_path)
    assert (told(report), report.left) == ({("damaged", digest)}, 1)
    assert scrub(house, tmp_path, repair=True).left == 0
    assert told(scrub(house, tmp_path)) == {("lost", digest)}


def test_a_condemned_blob_that_is_referenced_is_live_again(house: House, tmp_path: Path) -> None:
    (pushed,) = push_images(house, 1, 1)
    (digest,) = pushed.layers
    set_state(house, tmp_path, digest, "condemned")
    assert told(scrub(house, tmp_path, repair=True)) == {("missing link", f"{pushed.name}@{digest}")}
    house.blobs.find(CALLER, pushed.name, digest)
    assert scrub(house, tmp_path).findings == []


def test_a_child_comes_back_where_its_content_is(house: House, tmp_path: Path) -> None:
    child = house.new_image()
    digest = house.push(child).digest
    house.push(
        encode(index([descriptor(child, "application/vnd.oci.image.manifest.v1+json")])), "v1", media_type=OCI_INDEX
    )
    house.names.drain()
    statement(tmp_path, "DELETE FROM manifests WHERE digest = ?", digest)
    house.storage.remove(house.storage.manifest_entry_path("team", "app", digest))
    report = scrub(house, tmp_path, repair=True)
    assert ("missing child", f"{NAME}@{digest}") in told(report)
    assert report.left == 0
    assert house.manifests.find(CALLER, NAME, digest).size == len(child)
    assert scrub(house, tmp_path).findings == []


def test_an_entry_without_content_goes_to_quarantine(house: House, tmp_path: Path) -> None:
    path = house.storage.manifest_entry_path("team", "app", Digest.of(b"never pushed"))
    house.storage.put_content(path, b"application/vnd.oci.image.manifest.v1+json")
    report = scrub(house, tmp_path, repair=True)
    assert (report.found, report.left) == ({"missing manifest": 1}, 0)
    assert house.storage.exists(house.storage.quarantine_path(path))
    assert scrub(house, tmp_path).findings == []


def test_references_need_not_be_met_in_a_sparse_registry(tmp_path: Path) -> None:
    absent = encode(image(descriptor(b"{}", OCI_CONFIG), [descriptor(b"absent", OCI_LAYER)]))
    with House(tmp_path / "orlop.db", LocalStorage(tmp_path / "store"), sparse=True) as house:
        house.push(absent, "v1")
        assert scrub(house, tmp_path, sparse=True).findings == []
        assert scrub(house, tmp_path).found == {"missing row": 2}


def test_foreign_layers_are_elsewhere(house: House, tmp_path: Path) -> None:
    house.push_blob(b"{}")
    foreign = descriptor(b"windows", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    house.push(encode(image(descriptor(b"{}", OCI_CONFIG), [foreign])), "v1")
    assert scrub(house, tmp_path).findings == []


def test_what_the_disk_does_not_give_back_is_damaged(meddled: tuple[House, Meddling], tmp_path: Path) -> None:
    house, storage = meddled
    digest = house.push_blob(CONTENT)
    error = OSError(errno.EIO, "Input/output error")

    def fail(number: int) -> None:
        raise error

    storage.after_read = fail
    report = scrub(house, tmp_path, repair=True)
    assert told(report) == {("damaged", digest)}
    assert "cannot be read" in report.findings[0].detail
    with pytest.raises(BlobUnknown):
        read(house, digest)
    house.push_blob(CONTENT)
    # Of any other error nothing follows for the object.
    error = OSError(errno.EMFILE, "Too many open files")
    with pytest.raises(OSError, match="Too many"):
        scrub(house, tmp_path, repair=True, restart=True)
    assert row(house, digest).state == "live"


def test_of_many_findings_all_are_repaired_and_some_are_told(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "MOST_KEPT", 5)
    images = push_images(house, 4, 3)
    for each in images:
        for digest in each.layers:
            flip(file_of(tmp_path, digest))
    report = scrub(house, tmp_path)
    assert (len(report.findings), report.untold, report.found, report.left) == (5, 7, {"damaged": 12}, 12)
    report = scrub(house, tmp_path, repair=True)
    assert (len(report.findings), report.found, report.repaired, report.left) == (5, {"damaged": 12}, 12, 0)
    assert report.lost == 0  # what this run has lost, it has told of
    report = scrub(house, tmp_path)
    assert (report.found, report.lost) == ({}, 12)


def test_a_run_without_repair_that_was_ended_goes_on_with_it(house: House, tmp_path: Path) -> None:
    (pushed,) = push_images(house, 1, 3)
    for digest in pushed.layers:
        flip(file_of(tmp_path, digest))
    pace = Pace(0)
    begun = new_scrub(house, tmp_path, pace)
    begun.on_progress = lambda state: pace.stop() if state.phase == "references" else None
    with pytest.raises(Stopped):
        begun.run()
    report = scrub(house, tmp_path, repair=True)
    assert (report.resumed, report.repaired, report.left) == (True, 3, 0)
    assert scrub(house, tmp_path).lost == 3


def test_what_a_killed_repair_did_is_told_by_the_next(house: House, tmp_path: Path) -> None:
    digest = house.push_blob(CONTENT)
    flip(file_of(tmp_path, digest))
    scrub(house, tmp_path, repair=True)
    # As it was noted before the repair.
    noted = document.read(house.database.reader())
    assert noted is not None
    noted.ended_at, noted.repaired, noted.findings[0].done = 0, 0, ""
    house.database.write(lambda connection: document.save(connection, noted))
    report = scrub(house, tmp_path, repair=True)
    assert [(each.kind, each.done) for each in report.findings] == [("damaged", "answered as absent")]
    assert "push it again" in report.findings[0].heals
    assert (report.resumed, report.left) == (True, 0)


def test_what_waits_for_its_second_look_is_remembered(house: House, tmp_path: Path) -> None:
    digest = house.push_blob(CONTENT)
    flip(file_of(tmp_path, digest))
    pace = Pace(0)
    begun = new_scrub(house, tmp_path, pace, confirm_after=60)
    begun.on_progress = lambda state: pace.stop() if state.waits else None
    with pytest.raises(Stopped):
        begun.run()
    noted = document.read(house.database.reader())
    assert noted is not None
    assert [subject.name for subject in noted.waiting] == [house.storage.blob_path(digest)]
    assert told(scrub(house, tmp_path)) == {("damaged", digest)}


def test_one_at_a_time_and_beside_no_collection(house: House, tmp_path: Path) -> None:
    digest = house.push_blob(CONTENT)
    flip(file_of(tmp_path, digest))
    with turn(tmp_path, SCRUB), pytest.raises(Busy, match="a scrub is running already"):
        scrub(house, tmp_path)
    waits = threading.Event()
    run = new_scrub(house, tmp_path, repair=True)
    run.on_progress = lambda state: waits.set() if state.waits and state.found else None
    thread = threading.Thread(target=run.run)
    with turn(tmp_path, COLLECTION):
        thread.start()
        assert waits.wait(10)
        time.sleep(0.3)
        assert file_of(tmp_path, digest).exists()
    thread.join(10)
    assert not file_of(tmp_path, digest).exists()


def test_a_document_of_another_version_is_no_hindrance(house: House, tmp_path: Path) -> None:
    for text in ({"phase": 7}, {"phase": "dreams", "begun_at": 1}):
        house.database.write(lambda connection, text=text: document.progress.save(connection, "scrub", text))
        assert scrub(house, tmp_path).resumed is False


def test_every_phase_goes_on_after_any_of_its_subjects(house: House, tmp_path: Path) -> None:
    push_images(house, 6, 2)
    for path in ("blobs/note", "blobs/sha256/note", "blobs/sha256/ab/x", "blobs/sha256/ab.x/y", "repositories/a"):
        house.storage.put_content(path, b"")
    statement(tmp_path, "DELETE FROM repository_blobs")
    subjects = Subjects(house.storage, house.database, sparse=False)
    for phase in PHASES:
        steps = list(subjects.of(phase, ""))
        whole = [subject for _, subject in steps]
        for number, (cursor, _) in enumerate(steps):
            rest = [subject for _, subject in subjects.of(phase, cursor)]
            # Some are looked at twice; none is left out.
            assert rest == whole[len(whole) - len(rest) :]
            assert len(rest) >= len(whole) - number - 1
    objects = [subject.name for _, subject in subjects.of("objects", "") if subject is not None]
    assert sorted(objects) == sorted(entry.path for entry in house.storage.walk("blobs"))


def test_what_the_repairs_record_is_what_a_push_records(house: House, tmp_path: Path) -> None:
    """A manifest that the tree alone knows, with its content's row, its tag and its links."""
    content = house.new_image()
    digest = house.push(content, "v1").digest
    house.names.drain()
    before = manifests.by_digest(house.database.reader(), NAME, digest)
    assert before is not None
    for query in (
        "DELETE FROM tags", "DELETE FROM manifest_references", "DELETE FROM manifests", "DELETE FROM blobs",
        "DELETE FROM repository_blobs", "DELETE FROM leases", "DELETE FROM repositories",
        "DELETE FROM tag_history",
    ):  # fmt: skip
        statement(tmp_path, query)
    report = scrub(house, tmp_path, repair=True)
    assert (report.found, report.left) == ({"missing row": 2, "missing manifest": 1, "stray tag": 1}, 0)
    assert house.tag("v1") == digest
    after = manifests.by_digest(house.database.reader(), NAME, digest)
    assert after is not None
    assert after[2:] == before[2:]
    assert scrub(house, tmp_path).findings == []
    perform(house.manifests.push(CALLER, NAME, Tag.parse("v2"), (), "", content))
