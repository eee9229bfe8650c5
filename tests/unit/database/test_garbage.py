"""The steps in which blobs go, on both databases."""

from typing import Any

from orlop.database import blobs, garbage, leases, manifests, reasons, repositories
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.digest import Digest
from tests.unit.database.content import MINUTE, NAME, OTHER, add_blob, add_manifest, digest

LATER = 4_000_000_000_000
"""Long after whatever the tests write."""


def find(database: Database, text: str) -> garbage.Blob:
    record = blobs.record(database.reader(), digest(text))
    assert record is not None
    return garbage.Blob(record.id, digest(text), record.size, record.generation, False, False)


def state(database: Database, text: str) -> str | None:
    record = blobs.record(database.reader(), digest(text))
    return record.state if record else None


def test_a_blob_goes_step_by_step_and_no_step_is_skipped(database: Database) -> None:
    database.write(lambda connection: add_blob(connection, NAME, "gone"))
    blob = find(database, "gone")

    def step(do: Any, *arguments: int) -> Any:
        return database.write(lambda connection: do(connection, blob, *arguments))

    assert not step(garbage.hand_over, 1)
    assert not step(garbage.note_removed, 1)
    assert not step(garbage.forget)
    assert step(garbage.condemn, 5)
    assert not step(garbage.condemn, 5)
    assert [row.id for row in garbage.page_in(database.reader(), "condemned", 0, 10, 5)] == [blob.id]
    assert garbage.page_in(database.reader(), "condemned", 0, 10, 4) == []
    assert blobs.held(database.reader(), NAME, digest("gone")) is None
    assert step(garbage.hand_over, 6)
    assert step(garbage.note_removed, 7)
    assert step(garbage.forget)
    assert state(database, "gone") is None


def test_what_names_a_blob_keeps_it_wherever(database: Database) -> None:
    def unit(connection: Connection) -> None:
        layer = add_blob(connection, NAME, "layer")
        add_manifest(connection, NAME, "image", layer)
        add_blob(connection, NAME, "image")
        leased = add_blob(connection, OTHER, "leased")
        leases.renew(connection, repositories.ensure(connection, OTHER), leased, MINUTE)
        add_blob(connection, OTHER, "free")

    database.write(unit)
    now = database.write(lambda connection: connection.now())
    page = garbage.page_of_blobs(database.reader(), 0, 10, now)
    found = {blob.digest: (blob.named, blob.leased) for blob in page}
    assert found == {
        digest("layer"): (True, False),
        digest("image"): (True, False),
        digest("leased"): (False, True),
        digest("free"): (False, False),
    }
    for text, goes in (("layer", False), ("image", False), ("leased", False), ("free", True)):
        blob = find(database, text)
        assert database.write(lambda connection, blob=blob: garbage.condemn(connection, blob, now)) == goes  # type: ignore[misc]
    leased = find(database, "leased")
    assert database.write(lambda connection: garbage.condemn(connection, leased, LATER))


def test_a_link_goes_where_nothing_needs_it(database: Database) -> None:
    def unit(connection: Connection) -> None:
        layer = add_blob(connection, NAME, "layer")
        add_blob(connection, OTHER, "layer")
        add_manifest(connection, NAME, "image", layer)

    database.write(unit)
    links = garbage.page_of_links(database.reader(), (0, 0), 10, 0)
    assert sorted(link.kept for link in links) == [False, True]
    for link in links:
        assert database.write(lambda connection, link=link: garbage.unlink(connection, link, 0)) == (not link.kept)  # type: ignore[misc]
    assert blobs.held(database.reader(), NAME, digest("layer")) is not None
    assert blobs.held(database.reader(), OTHER, digest("layer")) is None
    after = (links[0].repository_id, links[0].blob_id)
    assert len(garbage.page_of_links(database.reader(), after, 10, 0)) == 0


def test_manifests_that_nothing_keeps_are_found(database: Database) -> None:
    def unit(connection: Connection) -> int:
        add_manifest(connection, NAME, "tagged", tag="latest")
        add_manifest(connection, NAME, "child")
        add_manifest(connection, NAME, "index", digest("child"), kind="manifest")
        add_manifest(connection, NAME, "referrer", subject=digest("tagged"))
        add_manifest(connection, NAME, "of what is elsewhere", subject=digest("elsewhere"))
        add_manifest(connection, NAME, "leased")
        repository_id = repositories.ensure(connection, NAME)
        leases.renew(connection, repository_id, digest("leased"), MINUTE)
        return repository_id

    repository_id = database.write(unit)
    now = database.write(lambda connection: connection.now())

    def page(age: int) -> list[str]:
        found = garbage.page_of_manifests(database.reader(), repository_id, after="", count=10, now=now, age=age)
        for manifest in found:
            assert garbage.is_releasable(database.reader(), repository_id, manifest.id, now=now, age=age)
        return [manifest.digest for manifest in found]

    assert page(1) == sorted([digest("index"), digest("of what is elsewhere")])
    assert page(now) == []
    index = manifests.find(database.reader(), repository_id, digest("index"))
    assert index is not None
    database.write(lambda c: manifests.remove(c, repository_id, index[0], digest("index"), release=True))
    assert page(MINUTE) == [digest("of what is elsewhere")]  # the child was let go of just now


def test_an_object_gets_a_row_once_and_where_it_is_named(database: Database) -> None:
    def unit(connection: Connection) -> tuple[bool, bool]:
        add_manifest(connection, NAME, "image", digest("layer"))
        return (
            garbage.adopt(connection, digest("layer"), 10, 2),
            garbage.adopt(connection, digest("layer"), 10, 0),
        )

    assert database.write(unit) == (True, False)
    held = blobs.held(database.reader(), NAME, digest("layer"))
    assert held is not None
    assert held.generation == 2


def test_a_later_key_is_taken_for_the_condemned_one(database: Database) -> None:
    database.write(lambda connection: add_blob(connection, NAME, "cut"))
    blob = find(database, "cut")
    assert not database.write(lambda connection: garbage.raise_generation(connection, blob, 1))
    for step in (garbage.condemn, garbage.hand_over, garbage.note_removed):
        database.write(lambda connection, step=step: step(connection, blob, 1))  # type: ignore[misc]
    assert database.write(lambda connection: garbage.raise_generation(connection, blob, 1))
    assert (state(database, "cut"), find(database, "cut").generation) == ("condemned", 1)
    assert not database.write(lambda connection: garbage.forget(connection, blob))


def test_repositories_that_hold_nothing_are_found(database: Database) -> None:
    def unit(connection: Connection) -> None:
        add_blob(connection, NAME, "layer")
        repositories.ensure(connection, OTHER)

    database.write(unit)
    (empty,) = garbage.empty_repositories(database.reader(), "", 10)
    assert empty[1] == OTHER
    assert database.write(lambda connection: garbage.drop_empty(connection, empty))
    assert repositories.find(database.reader(), OTHER) is None
    assert [name for _, name in garbage.page_of_repositories(database.reader(), "", 10)] == [NAME]


def test_what_keeps_a_digest_is_told_step_by_step(database: Database) -> None:
    def unit(connection: Connection) -> tuple[int, int]:
        layer = add_blob(connection, NAME, "layer")
        image = add_manifest(connection, NAME, "image", layer, tag="latest")
        leases.renew(connection, repositories.ensure(connection, NAME), layer, MINUTE)
        add_manifest(connection, OTHER, "image", layer)
        return image, repositories.ensure(connection, NAME)

    image, repository_id = database.write(unit)
    reader = database.reader()
    everywhere = reasons.naming(reader, digest("layer"), 10)
    assert sorted((found.repository, found.role) for found in everywhere) == [(OTHER, "layer"), (NAME, "layer")]
    assert [found.id for found in reasons.naming(reader, digest("layer"), 10, repository_id)] == [image]
    assert len(reasons.being(reader, digest("image"), 10)) == 2
    assert [found.id for found in reasons.being(reader, digest("image"), 10, repository_id)] == [image]
    assert [lease.repository for lease in reasons.leases_on(reader, digest("layer"))] == [NAME]
    record = blobs.record(reader, digest("layer"))
    assert record is not None
    assert reasons.holders(reader, record.id, 10) == [NAME]
    untagged = reasons.untagged(reader, repositories.find(reader, OTHER) or 0, now=LATER, age=1)
    assert [found.digest for found in untagged] == [digest("image")]
    assert reasons.parents(reader, repository_id) == {}
    assert reasons.holds_manifest(reader, repository_id, digest("image"))
    assert not reasons.holds_manifest(reader, repository_id, Digest.of(b"another"))


def test_what_a_repository_holds_is_counted(database: Database) -> None:
    def unit(connection: Connection) -> int:
        layer = add_blob(connection, NAME, "layer")
        add_blob(connection, NAME, "alone")
        add_blob(connection, NAME, "image")
        add_manifest(connection, NAME, "image", layer, tag="latest")
        add_manifest(connection, OTHER, "other image", layer)
        return repositories.ensure(connection, NAME)

    repository_id = database.write(unit)
    held = repositories.contents(database.reader(), repository_id)
    assert (held.tags, held.manifests, held.blobs) == (1, 1, 3)
    assert (held.freed_blobs, held.freed) == (2, len("alone") + len("image"))
    assert not database.write(lambda connection: repositories.drop(connection, repository_id))
