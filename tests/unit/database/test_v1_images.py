"""Images of v1, on both databases."""

import json

from sqlalchemy import delete

from orlop.database import garbage, manifests, repositories, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.schema import tags
from orlop.database.statement import Statement
from tests.unit.database.content import NAME, OTHER, add_blob, add_manifest, digest

ID, CHILD = "a" * 64, "b" * 64
_DROP_TAGS = Statement(lambda _: delete(tags))


def begin(connection: Connection, image_id: str = ID, attempt: str = "first", parent: str | None = None) -> bool:
    repository_id = repositories.ensure(connection, NAME)
    return v1_images.begin(
        connection, repository_id, image_id, parent=parent, document='{"id": 1}', attempt=attempt, announced="{}"
    )


def found(database: Database, image_id: str = ID) -> v1_images.Image:
    image = v1_images.find_in(database.reader(), NAME, image_id)
    assert image is not None
    return image


def set_layer(database: Database, image: v1_images.Image, text: str = "layer", shown: str | None = None) -> bool:
    return database.write(lambda c: v1_images.set_layer(c, image, digest(text), 5, "{}", shown))


def test_an_image_is_pushed_in_three_steps(database: Database) -> None:
    assert database.write(begin)
    image = found(database)
    assert (image.state, image.document, image.layer_digest) == ("in_progress", '{"id": 1}', None)
    assert not database.write(lambda c: v1_images.complete(c, image, "[]"))  # no layer
    assert set_layer(database, image)
    assert database.write(lambda c: v1_images.complete(c, found(database), '["x"]'))
    assert (found(database).state, found(database).checksums) == ("complete", '["x"]')
    assert not database.write(begin)
    assert not set_layer(database, found(database))
    assert not database.write(lambda c: v1_images.complete(c, found(database), "[]"))


def test_a_step_counts_for_its_own_attempt_alone(database: Database) -> None:
    database.write(begin)
    first = found(database)
    assert database.write(lambda c: begin(c, attempt="second"))
    assert not set_layer(database, first)
    second = found(database)
    assert set_layer(database, second, "other")
    seen = found(database)
    assert database.write(lambda c: begin(c, attempt="third"))
    assert found(database).layer_digest is None  # from the start
    assert not database.write(lambda c: v1_images.complete(c, seen, "[]"))


def test_checksums_may_come_before_the_layer(database: Database) -> None:
    database.write(begin)
    assert database.write(lambda c: v1_images.announce_checksums(c, found(database), "early"))
    assert found(database).announced == "early"
    set_layer(database, found(database))
    assert not database.write(lambda c: v1_images.announce_checksums(c, found(database), "late"))


def test_its_layer_is_kept_in_its_repository(database: Database) -> None:
    def unit(connection: Connection) -> None:
        for text in ("layer", "shown"):
            add_blob(connection, NAME, text)
            add_blob(connection, OTHER, text)
        begin(connection)

    database.write(unit)
    set_layer(database, found(database), "layer", digest("shown"))
    page = garbage.page_of_blobs(database.reader(), 0, 10, 0)
    assert all(blob.named for blob in page)
    for blob in page:
        assert not database.write(lambda c, blob=blob: garbage.condemn(c, blob, 0))  # type: ignore[misc]
    links = garbage.page_of_links(database.reader(), (0, 0), 10, 0)
    assert sorted(link.kept for link in links) == [False, False, True, True]
    repository_id = repositories.find(database.reader(), NAME)
    assert repository_id is not None
    assert v1_images.holding(database.reader(), repository_id, digest("shown")) == ID
    assert v1_images.holding(database.reader(), repository_id, digest("another")) is None
    assert garbage.empty_repositories(database.reader(), "", 10) == []


def test_lists_hold_what_was_announced_and_a_checksum_wins(database: Database) -> None:
    def unit(connection: Connection) -> int:
        repository_id = repositories.ensure(connection, NAME)
        for checksum in ("sum", None):
            v1_images.announce(connection, repository_id, ID, checksum)
        v1_images.announce(connection, repository_id, CHILD, None)
        return repository_id

    repository_id = database.write(unit)
    assert v1_images.listed(database.reader(), repository_id) == [(ID, "sum"), (CHILD, None)]
    assert json.loads(v1_images.list_text(database.reader(), NAME) or "") == [ID, CHILD]
    assert v1_images.list_text(database.reader(), OTHER) is None
    assert v1_images.is_listed(database.reader(), repository_id, ID)
    assert not v1_images.is_listed(database.reader(), repository_id, "c" * 64)
    database.write(lambda c: begin(c, CHILD))
    now = database.write(lambda c: c.now())
    assert database.write(lambda c: v1_images.unlist_old(c, repository_id, now + 1000)) == 1
    assert [entry.image_id for entry in v1_images.listed(database.reader(), repository_id)] == [CHILD]


def test_the_manifest_of_an_image_is_remembered_both_ways(database: Database) -> None:
    def unit(connection: Connection) -> int:
        begin(connection)
        begin(connection, CHILD, parent=ID)
        add_manifest(connection, NAME, "made", tag="latest")
        repository_id = repositories.ensure(connection, NAME)
        v1_images.set_manifest(connection, repository_id, CHILD, digest("made"))
        return repository_id

    repository_id = database.write(unit)
    assert v1_images.by_manifest(database.reader(), repository_id, digest("made")) == CHILD
    assert v1_images.by_manifest(database.reader(), repository_id, digest("another")) is None
    nodes = {node.image_id: node for node in v1_images.nodes(database.reader(), repository_id)}
    assert (nodes[CHILD].parent, nodes[CHILD].manifest, nodes[ID].manifest) == (ID, digest("made"), None)
    made = manifests.find(database.reader(), repository_id, digest("made"))
    assert made is not None
    database.write(lambda c: c.run(_DROP_TAGS))
    database.write(lambda c: manifests.remove(c, repository_id, made[0], digest("made")))
    assert not any(node.manifest for node in v1_images.nodes(database.reader(), repository_id))
    assert v1_images.ids(database.reader(), repository_id) == [ID, CHILD]
    assert v1_images.page_of_repositories(database.reader(), "", 10) == [(repository_id, NAME)]


def test_an_image_goes_with_its_place_on_the_list(database: Database) -> None:
    def unit(connection: Connection) -> int:
        begin(connection)
        repository_id = repositories.ensure(connection, NAME)
        v1_images.announce(connection, repository_id, ID, None)
        return repository_id

    repository_id = database.write(unit)
    assert database.write(lambda c: v1_images.remove(c, repository_id, ID))
    assert not database.write(lambda c: v1_images.remove(c, repository_id, ID))
    assert v1_images.find_in(database.reader(), NAME, ID) is None
    assert v1_images.listed(database.reader(), repository_id) == []


def test_an_id_is_found_in_what_may_be_read(database: Database) -> None:
    def unit(connection: Connection) -> None:
        begin(connection)

    database.write(unit)
    assert v1_images.holder(database.reader(), ID, "") == NAME
    assert v1_images.holder(database.reader(), ID, "^(?:other)$") is None
    assert v1_images.holder(database.reader(), CHILD, "") is None
