"""Repositories: there from the first push on, known while they hold a manifest."""

from orlop.database import manifests, repositories
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.name import RepositoryName
from tests.unit.database.content import NAME, add_blob, add_manifest, digest

# As bytes; a language would have the hyphen and the slash count for nothing.
BYTE_ORDER = ["a", "a-b", "a/b", "a/c", "a0", "aa", "b", "b-a/c", "b/a"]


def test_a_repository_has_one_row_whoever_makes_it(database: Database) -> None:
    assert repositories.find(database.reader(), NAME) is None
    assert database.write(lambda connection: repositories.lock(connection, NAME)) is None
    first = database.write(lambda connection: repositories.ensure(connection, NAME))
    assert database.write(lambda connection: repositories.ensure(connection, NAME)) == first
    assert database.write(lambda connection: repositories.lock(connection, NAME)) == first
    assert repositories.find(database.reader(), NAME) == first


def test_a_repository_is_known_while_it_holds_a_manifest(database: Database) -> None:
    database.write(lambda connection: add_blob(connection, NAME, "layer"))
    assert repositories.find_known(database.reader(), NAME) is None
    assert repositories.names(database.reader(), last="", count=10) == []
    manifest_id = database.write(lambda connection: add_manifest(connection, NAME, "image"))
    assert repositories.find_known(database.reader(), NAME) == repositories.find(database.reader(), NAME)
    assert repositories.names(database.reader(), last="", count=10) == [NAME]
    database.write(lambda connection: manifests.remove(connection, 1, manifest_id, digest("image")))
    assert repositories.find_known(database.reader(), NAME) is None


def test_repositories_are_listed_in_byte_order_page_by_page(database: Database) -> None:
    def unit(connection: Connection) -> None:
        for name in reversed(BYTE_ORDER):
            add_manifest(connection, RepositoryName.parse(name), "image")

    database.write(unit)
    listed: list[str] = []
    while page := repositories.names(database.reader(), last=listed[-1] if listed else "", count=2):
        assert len(page) <= 2
        listed += page
    assert listed == BYTE_ORDER
    assert repositories.names(database.reader(), last="a.b", count=1) == ["a/b"]
