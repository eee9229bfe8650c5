"""Manifests: one row for each repository that holds them."""

from orlop.database import manifests, repositories, tags
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.manifests import Reference
from orlop.domain.name import Tag
from tests.unit.database.content import IMAGE, LAYER, NAME, OTHER, add_blob, add_manifest, digest, values

HOUR = 3_600_000


def test_a_manifest_is_found_by_tag_and_by_digest_in_its_repository(database: Database) -> None:
    manifest_id = database.write(lambda connection: add_manifest(connection, NAME, "image", tag="latest"))
    database.write(lambda connection: repositories.ensure(connection, OTHER))
    by_tag = manifests.by_tag(database.reader(), NAME, Tag("latest"))
    assert by_tag is not None
    assert (by_tag.id, by_tag.digest, by_tag.media_type, by_tag.size) == (manifest_id, digest("image"), IMAGE, 5)
    assert manifests.by_digest(database.reader(), NAME, digest("image")) == by_tag
    assert manifests.by_tag(database.reader(), NAME, Tag("LATEST")) is None
    assert manifests.by_tag(database.reader(), OTHER, Tag("latest")) is None
    assert manifests.by_digest(database.reader(), OTHER, digest("image")) is None


def test_what_a_manifest_references_is_told_in_its_order(database: Database) -> None:
    listed = [digest(text) for text in ("b", "a", "c", "a")]
    manifest_id = database.write(lambda connection: add_manifest(connection, NAME, "image", *listed))
    expected = [Reference("layer", each, 10, LAYER) for each in listed]
    assert manifests.references(database.reader(), manifest_id) == expected


def test_a_manifest_that_is_pushed_again_keeps_its_record(database: Database) -> None:
    first = database.write(lambda connection: add_manifest(connection, NAME, "image"))

    def again(connection: Connection) -> int | None:
        repository_id = repositories.ensure(connection, NAME)
        changed = {**values("image"), "media_type": "text/plain", "pushed_by": "bob"}
        return manifests.add(connection, repository_id, changed, [])

    assert database.write(again) is None
    record = manifests.record(database.reader(), first)
    assert record is not None
    assert (record.media_type, record.pushed_by) == (IMAGE, "ann")


def test_removing_a_manifest_removes_what_it_references_and_nothing_else(database: Database) -> None:
    def unit(connection: Connection) -> tuple[int, int]:
        layer = add_blob(connection, NAME, "layer")
        return add_manifest(connection, NAME, "gone", layer), add_manifest(connection, NAME, "stays", layer)

    gone, stays = database.write(unit)
    database.write(lambda connection: manifests.remove(connection, 1, gone, digest("gone")))
    assert manifests.by_digest(database.reader(), NAME, digest("gone")) is None
    assert manifests.references(database.reader(), gone) == []
    assert len(manifests.references(database.reader(), stays)) == 1


def test_referrers_are_listed_by_digest_page_by_page_and_by_type(database: Database) -> None:
    def unit(connection: Connection) -> int:
        for text, kind in (("one", "text/a"), ("two", "text/b"), ("three", "text/a")):
            add_manifest(connection, NAME, text, subject=digest("image"), artifact_type=kind, annotations='{"k":"v"}')
        add_manifest(connection, NAME, "none of them", subject=digest("another"))
        add_manifest(connection, OTHER, "one", subject=digest("image"))
        return repositories.ensure(connection, NAME)

    repository_id = database.write(unit)

    def listed(artifact_type: str, last: str, count: int) -> list[str]:
        rows = manifests.referrers(
            database.reader(), repository_id, digest("image"), artifact_type=artifact_type, last=last, count=count
        )
        assert all(row.annotations == '{"k":"v"}' for row in rows)
        return [row.digest for row in rows]

    all_of_them = sorted(digest(text) for text in ("one", "two", "three"))
    assert listed("", "", 10) == all_of_them
    assert listed("", "", 2) == all_of_them[:2]
    assert listed("", all_of_them[1], 2) == all_of_them[2:]
    assert listed("text/a", "", 10) == sorted(digest(text) for text in ("one", "three"))
    assert listed("text/c", "", 10) == []
    assert manifests.referrer_count(database.reader(), repository_id, digest("image")) == 3


def test_pulls_are_recorded_to_the_hour_and_never_go_back(database: Database) -> None:
    def unit(connection: Connection) -> int:
        return add_manifest(connection, NAME, "image", tag="latest")

    manifest_id = database.write(unit)
    repository_id = repositories.find(database.reader(), NAME)
    assert repository_id is not None
    for hour in (2 * HOUR, HOUR):
        database.write(lambda connection, hour=hour: manifests.pulled(connection, [(manifest_id, hour)]))
        database.write(
            lambda connection, hour=hour: tags.pulled(connection, [(repository_id, "latest", manifest_id, hour)])
        )
    record = manifests.record(database.reader(), manifest_id)
    assert record is not None
    assert record.last_pulled_at == 2 * HOUR
    told = tags.record(database.reader(), repository_id, "latest")
    assert told is not None
    assert told.last_pulled_at == 2 * HOUR


def test_a_pull_that_is_recorded_late_does_not_count_for_what_the_tag_names_now(database: Database) -> None:
    old = database.write(lambda connection: add_manifest(connection, NAME, "old", tag="latest"))
    database.write(lambda connection: add_manifest(connection, NAME, "new", tag="latest"))
    repository_id = repositories.find(database.reader(), NAME)
    assert repository_id is not None
    database.write(lambda connection: tags.pulled(connection, [(repository_id, "latest", old, HOUR)]))
    told = tags.record(database.reader(), repository_id, "latest")
    assert told is not None
    assert told.last_pulled_at is None


def test_a_repository_knows_when_it_took_in_a_manifest_last(database: Database) -> None:
    for at in (3_000, 2_000):
        database.write(lambda connection, at=at: add_manifest(connection, NAME, f"image {at}", pushed_at=at))
    rows = database.reader().driver.execute("SELECT pushed_at FROM repositories").fetchall()
    assert rows == [(3_000,)]
    assert manifests.count(database.reader()) == 2
