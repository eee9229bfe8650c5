"""Lists page by page, in every order, with a filter: on both databases."""

import pytest

from orlop.database import manifests, pages, repositories, tags
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.pages import Order, Position
from orlop.domain.name import RepositoryName
from tests.unit.database.content import CALLER, NAME, add_blob, add_manifest, digest

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
NAMES = ("a", "a-b", "a/b", "a0", "b_c", "zz")
TAGS = ("-", "A", "Z", "_", "a", "a.b", "b")


def add_repositories(connection: Connection) -> None:
    for number, name in enumerate(NAMES):
        # Two were pushed to in the same millisecond.
        add_manifest(connection, RepositoryName.parse(name), name, pushed_at=1000 + number // 2)
    repositories.ensure(connection, RepositoryName.parse("empty"))


def add_tags(connection: Connection) -> None:
    for number, tag in enumerate(TAGS):
        add_manifest(connection, NAME, f"image {number % 3}" + "x" * number, tag=tag)


def repository_of(database: Database) -> int:
    found = repositories.find(database.reader(), NAME)
    assert found is not None
    return found


@pytest.mark.parametrize("order", list(repositories._SUMMARIES), ids=str)
def test_pages_of_repositories_join_without_a_gap(database: Database, order: Order) -> None:
    database.write(add_repositories)
    found: list[repositories.Summary] = []
    last = pages.start(order)
    while page := repositories.summaries(database.reader(), text="", order=order, last=last, count=2):
        found += page
        last = repositories.position(order, page[-1])
    keys = [(item.pushed_at if order.by == "pushed" else 0, item.name) for item in found]
    assert keys == sorted(keys, reverse=order.descending)
    assert sorted(item.name for item in found) == list(NAMES)
    assert repositories.total(database.reader(), "") == len(NAMES)


@pytest.mark.parametrize("order", list(tags._PAGES), ids=str)
def test_pages_of_tags_join_without_a_gap(database: Database, order: Order) -> None:
    database.write(add_tags)
    repository = repository_of(database)
    pulled = [(repository, tag, tags.record(database.reader(), repository, tag).manifest_id, 3_600_000) for tag in "aZ"]
    database.write(lambda connection: tags.pulled(connection, pulled))
    found: list[tags.Record] = []
    last = pages.start(order)
    while page := tags.records(database.reader(), repository, text="", order=order, last=last, count=2):
        found += page
        last = tags.position(order, page[-1])
    keys = [tags.position(order, record) for record in found]
    assert keys == sorted(keys, reverse=order.descending)
    assert sorted(record.name for record in found) == list(TAGS)
    assert tags.total(database.reader(), repository, "") == len(TAGS)


@pytest.mark.parametrize(
    ("text", "names"),
    [("_", ["b_c"]), ("%", []), ("A", ["a", "a-b", "a/b", "a0"]), ("!", []), ("\\", []), ("-", ["a-b"])],
)
def test_no_character_of_a_filter_is_special(database: Database, text: str, names: list[str]) -> None:
    database.write(add_repositories)
    found = repositories.summaries(database.reader(), text=text, order=Order(), last=pages.start(Order()), count=10)
    assert [item.name for item in found] == names
    assert repositories.total(database.reader(), text) == len(names)


def test_a_repositorys_size_is_what_its_manifests_name_each_once(database: Database) -> None:
    def unit(connection: Connection) -> None:
        shared, other = add_blob(connection, NAME, "shared"), add_blob(connection, NAME, "other one")
        add_blob(connection, NAME, "named by nobody")
        elsewhere = digest("held by nobody")
        add_manifest(connection, NAME, "first", shared, elsewhere, tag="v1")
        add_manifest(connection, NAME, "second", shared, other, tag="v2")

    database.write(unit)
    (item,) = repositories.summaries(database.reader(), text="", order=Order(), last=pages.start(Order()), count=10)
    assert item.size == sum(map(len, ("shared", "other one", "first", "second")))
    assert (item.tags, item.manifests) == (2, 2)
    assert type(item.size) is int


def test_an_indexs_size_holds_what_its_children_name(database: Database) -> None:
    def unit(connection: Connection) -> None:
        for text in ("one", "three"):
            add_manifest(connection, NAME, text, content_size=1000)
        children = [digest(text) for text in ("one", "three", "absent")]
        recorded = {"kind": "manifest", "media_type": OCI_INDEX, "content_size": 8}
        add_manifest(connection, NAME, "index", *children, tag="v1", **recorded)

    database.write(unit)
    repository = repository_of(database)
    record = tags.record(database.reader(), repository, "v1")
    assert record is not None
    assert record.size == len("index") + 8 + 2000
    assert type(record.size) is int
    children = manifests.children(database.reader(), record.manifest_id)
    assert [(child.digest, child.content_size) for child in children] == [
        (digest("one"), 1000),
        (digest("three"), 1000),
        (digest("absent"), None),
    ]


def test_a_repository_remembers_its_last_push(database: Database) -> None:
    for at in (2000, 3000, 1000):
        database.write(lambda connection, at=at: add_manifest(connection, NAME, str(at), pushed_at=at))
    (item,) = repositories.summaries(database.reader(), text="", order=Order(), last=pages.start(Order()), count=10)
    assert item.pushed_at == 3000


def test_tags_on_a_manifest_are_counted_beyond_those_that_are_named(database: Database) -> None:
    def unit(connection: Connection) -> int:
        manifest_id = add_manifest(connection, NAME, "image", tag="t0")
        repository = repositories.ensure(connection, NAME)
        for number in range(1, 7):
            tags.point(connection, CALLER, repository, f"t{number}", manifest_id, digest("image"))
        return manifest_id

    manifest_id = database.write(unit)
    assert tags.on_manifest(database.reader(), manifest_id, 3) == (["t0", "t1", "t2"], 7)
    assert tags.on_manifest(database.reader(), manifest_id, 8)[1] == 7
    assert tags.count(database.reader()) == 7
    assert manifests.count(database.reader()) == 1


def test_the_largest_position_is_one_that_the_database_takes(database: Database) -> None:
    database.write(add_repositories)
    order = Order("pushed", descending=True)
    found = repositories.summaries(
        database.reader(), text="", order=order, last=Position(pages.LARGEST, "\U0010ffff"), count=10
    )
    assert len(found) == len(NAMES)


@pytest.mark.parametrize("order", [Order(), Order("pushed"), Order("pushed", True)], ids=str)
def test_repositories_are_found_by_an_index(sqlite_database: Database, order: Order) -> None:
    """A page of a hundred thousand must not read them all."""
    statement = repositories._SUMMARIES[order].sqlite.sql
    rows = sqlite_database.reader().driver.execute(f"EXPLAIN QUERY PLAN {statement}", [None] * statement.count("?"))
    plan = [row[3] for row in rows]
    assert any(line.startswith("SEARCH repositories USING") for line in plan), plan
    assert not any(line.startswith(("SCAN manifest", "SCAN blobs")) for line in plan), plan
