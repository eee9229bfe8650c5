"""Tags and the history that every change leaves."""

from orlop.database import manifests, repositories, tags
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.name import Tag
from tests.unit.database.content import CALLER, NAME, add_manifest, digest

BYTE_ORDER = ["-_", "0", "A", "Z", "_", "a", "a-b", "a.b", "aB", "ab", "b"]


def repository(database: Database) -> int:
    found = repositories.find(database.reader(), NAME)
    assert found is not None
    return found


def test_every_change_of_a_tag_is_in_its_history(database: Database) -> None:
    database.write(lambda connection: add_manifest(connection, NAME, "old", tag="latest"))
    database.write(lambda connection: add_manifest(connection, NAME, "new", tag="latest"))
    assert database.write(lambda connection: tags.remove(connection, CALLER, repository(database), "latest"))
    assert not database.write(lambda connection: tags.remove(connection, CALLER, repository(database), "latest"))
    changes = tags.history(database.reader(), repository(database), "latest", 10)
    assert [(change.digest, change.previous) for change in changes] == [
        (None, digest("new")),
        (digest("new"), digest("old")),
        (digest("old"), None),
    ]
    assert {(change.account, change.address) for change in changes} == {("ann", "192.0.2.1")}
    assert [change.at for change in changes] == sorted((change.at for change in changes), reverse=True)
    assert tags.history(database.reader(), repository(database), "latest", 1) == changes[:1]


def test_pointing_a_tag_where_it_points_is_no_change(database: Database) -> None:
    manifest_id = database.write(lambda connection: add_manifest(connection, NAME, "image", tag="latest"))
    database.write(
        lambda connection: tags.point(connection, CALLER, repository(database), "latest", manifest_id, digest("image"))
    )
    assert len(tags.history(database.reader(), repository(database), "latest", 10)) == 1


def test_removing_a_tag_leaves_its_manifest_and_its_other_tags(database: Database) -> None:
    def unit(connection: Connection) -> None:
        manifest_id = add_manifest(connection, NAME, "image", tag="one")
        repository_id = repositories.ensure(connection, NAME)
        tags.point(connection, CALLER, repository_id, "two", manifest_id, digest("image"))
        assert tags.of_manifest(connection, manifest_id) == ["one", "two"]
        tags.remove(connection, CALLER, repository_id, "one")

    database.write(unit)
    assert tags.current(database.reader(), NAME, "one") is None
    assert tags.current(database.reader(), NAME, "two") == digest("image")
    assert manifests.by_digest(database.reader(), NAME, digest("image")) is not None
    assert manifests.by_tag(database.reader(), NAME, Tag("two")) is not None


def test_tags_are_listed_in_byte_order_page_by_page(database: Database) -> None:
    def unit(connection: Connection) -> None:
        for tag in reversed(BYTE_ORDER):
            add_manifest(connection, NAME, tag, tag=tag)

    database.write(unit)
    listed: list[str] = []
    while page := tags.names(database.reader(), repository(database), last=listed[-1] if listed else "", count=3):
        assert len(page) <= 3
        listed += page
    assert listed == BYTE_ORDER
    assert tags.names(database.reader(), repository(database), last="a/", count=2) == ["aB", "ab"]
    assert tags.names(database.reader(), repository(database), last="", count=0) == []
