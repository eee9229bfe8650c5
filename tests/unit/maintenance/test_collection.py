"""Collection takes what nothing keeps, all of it and nothing else, at whatever point it or a push is stopped."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from orlop.database import garbage, leases, repositories
from orlop.database.connection import Connection
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, Busy, ManifestBlobUnknown
from orlop.domain.manifest import OCI_INDEX
from orlop.domain.name import RepositoryName, Tag
from orlop.maintenance.clock import ClockWasSet
from orlop.maintenance.pace import Stopped
from orlop.maintenance.run import LAST, RUNNING, read
from orlop.maintenance.turn import COLLECTION, turn
from orlop.steps import perform
from tests.protocol.content import OCI_CONFIG, OCI_IMAGE, OCI_LAYER, descriptor, encode, image, index
from tests.unit.maintenance.upkeep import DAY, Upkeep
from tests.unit.registry.house import CALLER, HOUR, NAME, OTHER


def layers_of(upkeep: Upkeep, manifest: Digest, name: RepositoryName = NAME) -> list[Digest]:
    document = json.loads(upkeep.manifests.read(upkeep.manifests.find(CALLER, name, manifest)))
    return [Digest(layer["digest"]) for layer in document["layers"]]


def assert_whole(upkeep: Upkeep, manifest: Digest, name: RepositoryName = NAME) -> None:
    for layer in layers_of(upkeep, manifest, name):
        assert upkeep.content.read(layer)
        assert upkeep.blobs.find(CALLER, name, layer)


def test_nothing_is_taken_that_a_tag_keeps(upkeep: Upkeep) -> None:
    kept = upkeep.push_image("latest")
    before = upkeep.objects()
    upkeep.wait(DAY)
    totals = upkeep.collect()
    assert (totals.blobs, totals.links, totals.manifests, totals.swept) == (0, 0, 0, 0)
    assert upkeep.objects() == before
    assert_whole(upkeep, kept)


def test_untagged_manifests_stay_without_a_rule(upkeep: Upkeep) -> None:
    first = upkeep.push_image("latest")
    upkeep.push_image("latest")
    upkeep.wait(400 * DAY)
    assert upkeep.collect().blobs == 0
    assert_whole(upkeep, first)


def test_a_deleted_image_goes_once_its_leases_are_over(upkeep: Upkeep) -> None:
    gone = upkeep.push_image("latest")
    layers = layers_of(upkeep, gone)
    upkeep.manifests.delete(CALLER, NAME, gone)
    totals = upkeep.collect()
    # The manifest itself had none: a tag kept it.
    assert (totals.blobs, totals.leased_blobs) == (1, 2)
    assert upkeep.state(layers[0]) == "live"
    upkeep.wait(HOUR + 1)
    totals = upkeep.collect()
    assert (totals.blobs, totals.links, totals.leased_blobs) == (2, 2, 0)
    assert upkeep.objects() == set()
    assert upkeep.state(layers[0]) == "removed"
    with pytest.raises(BlobUnknown):
        upkeep.blobs.find(CALLER, NAME, layers[0])


def test_a_row_stays_an_hour_after_its_object(upkeep: Upkeep) -> None:
    digest = upkeep.push_blob(b"nobody's")
    upkeep.wait(HOUR + 1)
    upkeep.collect()
    upkeep.wait(HOUR // 2)
    upkeep.collect()
    assert upkeep.state(digest) == "removed"
    upkeep.wait(HOUR // 2 + 1)
    upkeep.collect()
    assert upkeep.state(digest) == ""


def test_bytes_are_counted(upkeep: Upkeep) -> None:
    upkeep.push_blob(bytes(1000))
    upkeep.push_blob(bytes(500))
    assert upkeep.collect().leased_bytes == 1500
    upkeep.wait(HOUR + 1)
    assert upkeep.collect().bytes == 1500


def test_a_repository_loses_what_it_does_not_need_and_others_keep_it(upkeep: Upkeep) -> None:
    layer = b"shared by two"
    digest = upkeep.push_blob(layer, NAME)
    upkeep.push_blob(layer, OTHER)
    upkeep.push_blob(b"{}", OTHER)
    kept = upkeep.push(
        encode(image(descriptor(b"{}", OCI_CONFIG), [descriptor(layer, OCI_LAYER)])), "latest", name=OTHER
    ).digest
    upkeep.wait(HOUR + 1)
    totals = upkeep.collect()
    assert (totals.links, totals.blobs) == (1, 0)
    with pytest.raises(BlobUnknown):
        upkeep.blobs.find(CALLER, NAME, digest)
    assert_whole(upkeep, kept, OTHER)


def test_a_lease_that_is_renewed_keeps(upkeep: Upkeep) -> None:
    digest = upkeep.push_blob(b"asked for")
    upkeep.wait(HOUR - 1000)
    perform(upkeep.blobs.renew(CALLER, NAME, digest))
    upkeep.wait(HOUR - 1000)
    assert upkeep.collect().blobs == 0
    assert upkeep.blobs.find(CALLER, NAME, digest)


def test_a_lease_in_one_repository_keeps_nothing_for_another(upkeep: Upkeep) -> None:
    digest = upkeep.push_blob(b"both", NAME)
    upkeep.wait(HOUR - 1000)
    upkeep.push_blob(b"both", OTHER)
    upkeep.wait(2000)
    upkeep.collect()
    assert upkeep.blobs.find(CALLER, OTHER, digest)
    with pytest.raises(BlobUnknown):
        upkeep.blobs.find(CALLER, NAME, digest)
    # A manifest that counted on it is refused, and says what to push.
    with pytest.raises(ManifestBlobUnknown):
        upkeep.push(encode(image(descriptor(b"both", OCI_CONFIG), [])), "latest")


def nested(upkeep: Upkeep, depth: int, *tags: str) -> list[bytes]:
    """An index in an index, `depth` deep, of which only the outermost is tagged; the outermost first."""
    found = [upkeep.new_image()]
    upkeep.push(found[0])
    for number in range(depth):
        media_type = OCI_INDEX if number else OCI_IMAGE
        content = encode(index([descriptor(found[0], media_type)], annotations={"depth": str(number)}))
        upkeep.push(content, *(tags if number == depth - 1 else ()), media_type=OCI_INDEX)
        found.insert(0, content)
    return found


def test_nested_indexes_keep_their_children(tmp_path: Path) -> None:
    """B09: delete-untagged with untagged children, three deep; with the index all go."""
    with Upkeep(tmp_path / "data", rules=["** untagged 1h"]) as upkeep:
        contents = nested(upkeep, 3, "latest")
        upkeep.wait(DAY)
        assert upkeep.collect().manifests == 0
        for content in contents:
            assert upkeep.manifests.find(CALLER, NAME, Digest.of(content))
        upkeep.manifests.delete(CALLER, NAME, Digest.of(contents[0]))
        # What was let go of now is kept for as long as the rule says.
        assert upkeep.collect().manifests == 0
        upkeep.wait(HOUR + 1)
        totals = upkeep.collect()
        assert totals.manifests == 3
        assert upkeep.objects() == set()


def test_an_index_that_a_rule_lets_go_takes_its_children_along(tmp_path: Path) -> None:
    with Upkeep(tmp_path / "data", rules=["** untagged 1h"]) as upkeep:
        nested(upkeep, 3, "latest")
        upkeep.manifests.delete_tag(CALLER, NAME, Tag("latest"))
        upkeep.wait(HOUR + 1)
        assert upkeep.collect().manifests == 4
        assert upkeep.objects() == set()
        assert list(upkeep.storage.walk("repositories")) == []


def test_a_referrer_stays_with_its_subject_and_goes_after_it(tmp_path: Path) -> None:
    with Upkeep(tmp_path / "data", rules=["** untagged 1h"]) as upkeep:
        content = upkeep.new_image()
        subject = upkeep.push(content, "latest").digest
        referrer = upkeep.push(upkeep.new_image(subject=descriptor(content, OCI_IMAGE))).digest
        upkeep.wait(DAY)
        assert upkeep.collect().manifests == 0
        assert upkeep.manifests.find(CALLER, NAME, referrer)
        upkeep.manifests.delete(CALLER, NAME, subject)
        assert upkeep.collect().manifests == 0
        upkeep.wait(HOUR + 1)
        assert upkeep.collect().manifests == 1
        assert upkeep.objects() == set()


def test_the_index_under_a_fallback_tag_keeps_what_it_lists(tmp_path: Path) -> None:
    with Upkeep(tmp_path / "data", rules=["** untagged 1h"]) as upkeep:
        subject = Digest.of(b"elsewhere")
        listed = upkeep.new_image()
        upkeep.push(listed)
        upkeep.push(encode(index([descriptor(listed, OCI_IMAGE)])), f"sha256-{subject.hex}", media_type=OCI_INDEX)
        upkeep.wait(DAY)
        assert upkeep.collect().manifests == 0
        assert upkeep.manifests.find(CALLER, NAME, Digest.of(listed))


@pytest.mark.parametrize("use", ["push", "pull", "tag"])
def test_a_rule_counts_from_the_last_use(tmp_path: Path, use: str) -> None:
    with Upkeep(tmp_path / "data", rules=["** untagged 2h"]) as upkeep:
        content = upkeep.new_image()
        digest = upkeep.push(content, "latest").digest
        upkeep.manifests.delete_tag(CALLER, NAME, Tag("latest"))
        upkeep.wait(2 * HOUR - 1000)
        if use == "push":
            upkeep.push(content)  # by digest: it has a lease of an hour
            upkeep.wait(HOUR - 2000)
        elif use == "pull":
            found = upkeep.manifests.find(CALLER, NAME, digest)
            now = upkeep.clocks.wall()
            upkeep.database.write(
                lambda c: c.driver.execute("UPDATE manifests SET last_pulled_at = ? WHERE id = ?", (now, found.id))
            )
            upkeep.wait(2 * HOUR - 1000)
        else:
            upkeep.push(content, "again")
            upkeep.manifests.delete_tag(CALLER, NAME, Tag("again"))
            upkeep.wait(2 * HOUR - 1000)
        assert upkeep.collect().manifests == 0
        upkeep.wait(2 * HOUR)
        assert upkeep.collect().manifests == 1


def test_the_first_rule_that_matches_counts(tmp_path: Path) -> None:
    with Upkeep(tmp_path / "data", rules=["team/app untagged never", "team/* untagged 1h"]) as upkeep:
        for name in (NAME, OTHER, RepositoryName.parse("team/b")):
            upkeep.push_image("latest", name=name)
            upkeep.manifests.delete_tag(CALLER, name, Tag("latest"))
        upkeep.wait(DAY)
        assert upkeep.collect().manifests == 1
        assert repositories.names(upkeep.database.reader(), last="", count=10) == [OTHER, NAME]


def test_what_a_rule_lets_go_is_in_the_audit_log_and_leaves_the_tree(tmp_path: Path) -> None:
    with Upkeep(tmp_path / "data", rules=["** untagged 1h"]) as upkeep:
        digest = upkeep.push_image("latest")
        upkeep.manifests.delete_tag(CALLER, NAME, Tag("latest"))
        upkeep.wait(DAY)
        upkeep.collect()
        row = (
            upkeep.database.reader()
            .driver.execute("SELECT address, object, detail FROM audit WHERE action = 'manifest.delete'")
            .fetchone()
        )
        assert row == ("retention", digest, '{"rule":"** untagged 1h"}')
        assert not upkeep.storage.exists("repositories/team/app/_manifests")


def test_a_push_brings_a_condemned_blob_back(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = upkeep.push_blob(b"wanted again")
    upkeep.wait(HOUR + 1)
    monkeypatch.setattr(upkeep.collection, "_remove", lambda cursor: None)
    assert upkeep.collect().condemned == 1
    assert upkeep.state(digest) == "condemned"
    with pytest.raises(BlobUnknown):
        upkeep.blobs.find(CALLER, NAME, digest)
    upkeep.push_blob(b"wanted again")
    monkeypatch.undo()
    assert upkeep.collect().blobs == 0
    assert upkeep.content.read(digest) == b"wanted again"
    assert upkeep.objects() == {digest.hex}


def test_a_push_after_removal_takes_the_next_key(upkeep: Upkeep) -> None:
    digest = upkeep.push_blob(b"comes and goes")
    for generation in ("", ".1", ".2"):
        assert upkeep.objects() == {f"{digest.hex}{generation}"}
        upkeep.wait(HOUR + 1)
        upkeep.collect()
        assert upkeep.state(digest) == "removed"
        upkeep.push_blob(b"comes and goes")
        upkeep.content.cache._entries.clear()
        assert upkeep.content.read(digest) == b"comes and goes"


@pytest.mark.parametrize("stage", ["place", "commit"])
def test_a_push_in_the_middle_of_a_collection_is_not_lost(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    """Its key is given up between its look and its commit: it writes the next one, and nobody is refused."""
    digest = upkeep.push_blob(b"contended")
    upkeep.wait(HOUR + 1)
    put = upkeep.storage.put_contents
    met: list[str] = []

    def put_contents(contents: Any, **more: Any) -> Any:
        if not met:
            met.append(contents[0][0])
            if stage == "place":
                upkeep.collect()
                return put(contents, **more)
            placed = put(contents, **more)
            upkeep.collect()
            return placed
        met.append(contents[0][0])
        return put(contents, **more)

    monkeypatch.setattr(upkeep.storage, "put_contents", put_contents)
    upkeep.push_blob(b"contended")
    assert [path.rpartition(".")[2] for path in met[1:]] == ["1"]
    upkeep.content.cache._entries.clear()
    assert upkeep.content.read(digest) == b"contended"
    # What was written under the key that was given up is nobody's, and goes.
    upkeep.collect()
    assert upkeep.objects() == {f"{digest.hex}.1"}


def test_a_push_that_slept_over_its_objects_collection_writes_it_again(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its object was an orphan, and even the row that said so is forgotten."""
    now = 0.0
    monkeypatch.setattr("orlop.registry.content.time.clock_gettime", lambda clock: now)
    write_all = upkeep.database.write_all
    slept: list[bool] = []

    def sleep_first(units: Any) -> Any:
        nonlocal now
        if not slept:
            slept.append(True)
            upkeep.collect()
            upkeep.wait(HOUR + 1)
            upkeep.collect()
            now += 2 * HOUR / 1000
            assert upkeep.objects() == set()
        return write_all(units)

    monkeypatch.setattr(upkeep.database, "write_all", sleep_first)
    digest = upkeep.push_blob(b"slept")
    upkeep.content.cache._entries.clear()
    assert upkeep.content.read(digest) == b"slept"


def test_an_object_without_a_row_goes_and_is_counted(upkeep: Upkeep) -> None:
    digest = Digest.of(b"a push was cut")
    upkeep.storage.put_content(upkeep.storage.blob_path(digest), b"a push was cut")
    totals = upkeep.collect()
    assert (totals.swept, totals.blobs, totals.bytes) == (1, 1, len(b"a push was cut"))
    assert upkeep.objects() == set()


def test_objects_that_are_no_blobs_are_left_alone(upkeep: Upkeep) -> None:
    upkeep.storage.put_content("blobs/sha256/ab/notes.txt", b"somebody's")
    upkeep.storage.put_content(f"blobs/sha256/ab/ab{'0' * 10}", b"short")
    assert upkeep.collect().swept == 0
    assert "notes.txt" in upkeep.objects()


def test_an_older_key_than_the_row_says_goes(upkeep: Upkeep) -> None:
    digest = upkeep.push_blob(b"twice")
    upkeep.wait(HOUR + 1)
    upkeep.collect()
    upkeep.push_blob(b"twice")
    upkeep.storage.put_content(upkeep.storage.blob_path(digest, 0), b"twice")  # by one who slept over the removal
    upkeep.collect()
    assert upkeep.objects() == {f"{digest.hex}.1"}
    assert upkeep.content.read(digest) == b"twice"


@pytest.mark.parametrize("later", [0, 2 * HOUR])
def test_the_next_key_that_a_cut_push_left_goes(upkeep: Upkeep, later: int) -> None:
    digest = upkeep.push_blob(b"cut")
    upkeep.wait(HOUR + 1)
    upkeep.collect()
    upkeep.storage.put_content(upkeep.storage.blob_path(digest, 1), b"cut")
    upkeep.wait(later)
    upkeep.collect()
    upkeep.collect()
    assert upkeep.objects() == set()


def test_a_manifest_that_only_the_tree_knows_is_recorded_again_with_what_it_names(upkeep: Upkeep) -> None:
    digest = upkeep.push_image("latest")
    layers = layers_of(upkeep, digest)
    upkeep.names.drain()

    def lose(connection: Connection) -> None:
        driver = connection.driver  # type: ignore[attr-defined]
        for statement in (
            "DELETE FROM tags", "DELETE FROM manifests", "DELETE FROM repository_blobs", "DELETE FROM blobs",
        ):  # fmt: skip
            driver.execute(statement)

    upkeep.database.write(lose)
    upkeep.content.cache._entries.clear()
    totals = upkeep.collect()
    assert totals.blobs == 0
    assert upkeep.manifests.find(CALLER, NAME, digest)
    assert_whole(upkeep, digest)
    assert layers


def test_an_entry_that_is_about_to_go_is_not_taken_for_a_manifest(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = upkeep.push_image("latest")
    monkeypatch.setattr(upkeep.names, "_remove", lambda path: OSError("not now"))
    upkeep.manifests.delete(CALLER, NAME, digest)
    upkeep.collect()
    found = upkeep.database.reader().driver.execute("SELECT count(*) FROM manifests").fetchone()
    assert found == (0,)


def test_a_run_that_is_stopped_goes_on_where_it_was(upkeep: Upkeep) -> None:
    for number in range(700):
        upkeep.database.write(
            lambda connection, number=number: garbage.adopt(connection, Digest.of(b"%d" % number), 1, 0)  # type: ignore[misc]
        )
    spent = 0
    pace = upkeep.collection._pace

    def spend(units: float) -> None:
        nonlocal spent
        spent += units >= 1
        if spent == 4:
            raise Stopped

    pace.spend = spend  # type: ignore[method-assign]
    assert upkeep.collection.continue_() is None
    begun = read(upkeep.database.reader(), RUNNING)
    assert begun is not None
    assert begun.stage == "blobs"
    assert 0 < begun.totals.condemned < 700
    run = upkeep.new_collection().continue_()
    assert run is not None
    assert (run.totals.condemned, run.totals.blobs) == (700, 700)
    assert read(upkeep.database.reader(), RUNNING) is None
    last = read(upkeep.database.reader(), LAST)
    assert last is not None
    assert last.ended_at is not None


def test_a_run_that_was_killed_between_giving_up_keys_and_removing_is_finished(
    upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = upkeep.push_blob(b"half removed")
    upkeep.wait(HOUR + 1)
    monkeypatch.setattr(upkeep.collection, "_delete", lambda page: None)
    upkeep.collect()
    assert upkeep.state(digest) == "removing"
    assert upkeep.objects() == {digest.hex}
    run = upkeep.new_collection().whole()
    assert run is not None
    assert run.totals.blobs == 1
    assert upkeep.objects() == set()


def test_an_object_that_cannot_be_removed_is_tried_again(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = upkeep.push_blob(b"stuck")
    other = upkeep.push_blob(b"loose")
    upkeep.wait(HOUR + 1)
    remove = upkeep.storage.remove

    def failing(path: str) -> None:
        if digest.hex in path:
            raise OSError(5, "Input/output error")
        remove(path)

    monkeypatch.setattr(upkeep.storage, "remove", failing)
    assert upkeep.collect().blobs == 1
    assert (upkeep.state(digest), upkeep.state(other)) == ("removing", "removed")
    monkeypatch.undo()
    assert upkeep.collect().blobs == 1


def test_only_one_collects_at_a_time(upkeep: Upkeep) -> None:
    with turn(upkeep.folder, COLLECTION), pytest.raises(Busy, match=r"running already \(process [0-9]+\)"):
        upkeep.collect()
    ended = threading.Event()
    with turn(upkeep.folder, COLLECTION):
        waiting = threading.Thread(target=lambda: (upkeep.new_collection().whole(wait=True), ended.set()))
        waiting.start()
        assert not ended.wait(0.1)
    waiting.join(10)
    assert ended.is_set()


def test_nothing_is_taken_while_the_clock_is_not_trusted(upkeep: Upkeep) -> None:
    """B46: the clock is set forward by two days; what clients were told is there stays there for a lease."""
    digest = upkeep.push_blob(b"promised")
    upkeep.clocks.ahead += 2 * DAY
    with pytest.raises(ClockWasSet, match="clock was set"):
        upkeep.collect()
    upkeep.wait(HOUR - 1000)
    with pytest.raises(ClockWasSet):
        upkeep.collect()
    assert upkeep.blobs.find(CALLER, NAME, digest)
    upkeep.wait(2000)
    assert upkeep.collect().blobs == 1


def test_a_clock_that_is_set_during_a_run_stops_it(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        upkeep.push_blob(b"%d" % number)
    monkeypatch.setattr(
        upkeep.collection._tree, "folders", lambda after: setattr(upkeep.clocks, "ahead", 2 * DAY) or iter(())
    )
    with pytest.raises(ClockWasSet):
        upkeep.collect()
    assert upkeep.objects() != set()
    assert {row[0] for row in upkeep.database.reader().driver.execute("SELECT state FROM blobs")} == {"live"}


def test_repositories_that_hold_nothing_are_forgotten(upkeep: Upkeep) -> None:
    upkeep.push_blob(b"probe")
    upkeep.push_image("latest", name=OTHER)
    upkeep.wait(HOUR + 1)
    assert upkeep.collect().repositories == 1
    assert repositories.find(upkeep.database.reader(), NAME) is None
    assert repositories.find(upkeep.database.reader(), OTHER) is not None


def test_uploads_that_were_given_up_go_with_what_they_left(upkeep: Upkeep) -> None:
    """B23: their bytes too, and those of uploads that ended without their bytes."""
    uploads = upkeep.new_uploads()
    upload_id = perform(uploads.start(CALLER, NAME))
    open_ = uploads.open(CALLER, NAME, upload_id)
    open_.write([b"some"])
    uploads.suspend(open_)
    upkeep.storage.put_content("uploads/feed/data", b"of a process that died")
    assert upkeep.collect().uploads == 1
    assert upkeep.storage.exists(upkeep.storage.upload_path(upload_id))
    upkeep.wait(HOUR + 1)
    assert upkeep.collect().uploads == 1
    assert list(upkeep.storage.walk("uploads")) == []


def test_the_preview_is_what_is_then_taken(tmp_path: Path) -> None:
    with Upkeep(tmp_path / "data", rules=["team/** untagged 1h"]) as upkeep:
        nested(upkeep, 2, "latest")
        upkeep.manifests.delete_tag(CALLER, NAME, Tag("latest"))
        content = upkeep.new_image()
        upkeep.push(content, "old")
        upkeep.push(upkeep.new_image(subject=descriptor(content, OCI_IMAGE)))
        upkeep.manifests.delete_tag(CALLER, NAME, Tag("old"))
        upkeep.push_image("kept")
        upkeep.push_blob(b"nobody's", OTHER)
        shown = upkeep.collection.preview()
        assert (shown.manifest_count, shown.blob_count) == (0, 0)
        assert shown.leased_count == 1
        upkeep.wait(HOUR + 1)
        before = upkeep.objects()
        shown = upkeep.collection.preview()
        assert upkeep.objects() == before
        totals = upkeep.collect()
        assert (shown.manifest_count, shown.blob_count, shown.size) == (totals.manifests, totals.blobs, totals.bytes)
        assert totals.manifests == 5
        assert {digest.partition(":")[2] for digest, _ in shown.blobs} == before - upkeep.objects()


def test_cross_nested_indexes_take_time_like_their_number(upkeep: Upkeep) -> None:
    """B10: 64 indexes, each of which lists all before it."""
    children = [(upkeep.new_image(), OCI_IMAGE)]
    upkeep.push(children[0][0])
    for number in range(64):
        content = encode(
            index([descriptor(child, kind) for child, kind in children], annotations={"number": str(number)})
        )
        upkeep.push(content, "latest" if number == 63 else f"v{number}", media_type=OCI_INDEX)
        children.append((content, OCI_INDEX))
    upkeep.wait(DAY)
    assert upkeep.collect().blobs == 0
    layer = layers_of(upkeep, Digest.of(children[0][0]))[0]
    assert len(upkeep.why(layer)) == 10
    assert upkeep.collection.preview().blob_count == 0


def test_a_store_without_hard_links_is_collected_too(tmp_path: Path) -> None:
    from orlop.storage.memory import MemoryStorage

    with Upkeep(tmp_path / "data", MemoryStorage()) as upkeep:
        digest = upkeep.push_blob(b"in memory")
        upkeep.wait(HOUR + 1)
        assert upkeep.collect().blobs == 1
        upkeep.push_blob(b"in memory")
        assert upkeep.blobs.find(CALLER, NAME, digest).generation == 1


def test_a_lost_blob_that_nothing_names_goes_too(upkeep: Upkeep) -> None:
    digest = upkeep.push_blob(b"damaged")
    upkeep.database.write(lambda c: c.driver.execute("UPDATE blobs SET state = 'lost', generation = 1"))
    upkeep.wait(HOUR + 1)
    assert upkeep.collect().condemned == 1
    assert upkeep.state(digest) == "removed"
    assert upkeep.objects() == set()


def test_leases_that_are_over_are_dropped(upkeep: Upkeep) -> None:
    upkeep.push_blob(b"one")
    upkeep.wait(HOUR + 1)
    upkeep.collect()
    assert upkeep.database.write(leases.expire) == 0
