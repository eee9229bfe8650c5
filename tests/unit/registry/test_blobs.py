"""Blobs: in the repositories that hold them and in no other, mounted, leased, unlinked, healed."""

import threading

import pytest

from orlop.database import blobs as rows
from orlop.domain.digest import Digest
from orlop.domain.errors import BlobUnknown, Unavailable
from orlop.steps import perform
from tests.unit.registry.house import CALLER, HOUR, NAME, OTHER, House

CONTENT = b"content of a blob"


def test_a_blob_is_in_the_repositories_that_hold_it(house: House) -> None:
    digest = house.push_blob(CONTENT)
    assert house.blobs.find(CALLER, NAME, digest).size == len(CONTENT)
    with pytest.raises(BlobUnknown):
        house.blobs.find(CALLER, OTHER, digest)


@pytest.mark.parametrize("source", [NAME, None])
def test_a_mounted_blob_stays_when_its_source_loses_it(house: House, source: object) -> None:
    digest = house.push_blob(CONTENT)
    assert house.blobs.mount(CALLER, OTHER, digest, NAME if source else None)
    house.blobs.delete(CALLER, NAME, digest)
    with pytest.raises(BlobUnknown):
        house.blobs.find(CALLER, NAME, digest)
    assert house.blobs.find(CALLER, OTHER, digest).size == len(CONTENT)


def test_nothing_is_mounted_from_where_it_is_not(house: House) -> None:
    digest = house.push_blob(CONTENT)
    assert not house.blobs.mount(CALLER, OTHER, digest, OTHER)
    assert not house.blobs.mount(CALLER, OTHER, Digest.of(b"absent"), None)
    house.blobs.delete(CALLER, NAME, digest)
    assert not house.blobs.mount(CALLER, OTHER, digest, None)
    with pytest.raises(BlobUnknown):
        house.blobs.find(CALLER, OTHER, digest)


def test_a_lease_is_due_when_less_than_half_is_left(house: House) -> None:
    held = house.blobs.find(CALLER, NAME, house.push_blob(CONTENT))
    pushed_at = held.lease_expires_at - HOUR
    assert not house.blobs.lease_due(CALLER, NAME, held, pushed_at + HOUR // 2)
    assert house.blobs.lease_due(CALLER, NAME, held, pushed_at + HOUR // 2 + 1)
    renewed = perform(house.blobs.renew(CALLER, NAME, Digest.of(CONTENT)))
    assert renewed.lease_expires_at >= held.lease_expires_at


def test_a_push_heals_a_damaged_object(house: House) -> None:
    digest = house.push_blob(CONTENT)
    path = house.storage.blob_path(digest)
    house.storage.put_content(path, CONTENT[:-1] + b"X")
    house.push_blob(CONTENT, OTHER)
    assert house.storage.get_content(path) == CONTENT


def test_the_same_bytes_under_two_algorithms_are_two_blobs(house: House) -> None:
    digests = [house.push_blob(CONTENT, algorithm=algorithm) for algorithm in ("sha256", "sha512")]
    house.blobs.delete(CALLER, NAME, digests[0])
    with pytest.raises(BlobUnknown):
        house.blobs.find(CALLER, NAME, digests[0])
    assert house.content.read(digests[1]) == CONTENT


def set_state(house: House, digest: Digest, state: str) -> None:
    def unit(connection: object) -> None:
        connection.driver.execute("UPDATE blobs SET state = ? WHERE digest = ?", (state, digest))  # type: ignore[attr-defined]

    house.database.write(unit)


def test_a_condemned_blob_is_absent_until_a_push_revives_it(house: House) -> None:
    digest = house.push_blob(CONTENT)
    set_state(house, digest, "condemned")
    with pytest.raises(BlobUnknown):
        house.blobs.find(CALLER, NAME, digest)
    assert not house.blobs.mount(CALLER, OTHER, digest, None)
    house.push_blob(CONTENT)
    assert house.blobs.find(CALLER, NAME, digest).generation == 0


def test_a_key_that_was_handed_to_removal_is_never_written_again(house: House) -> None:
    digest = house.push_blob(CONTENT)
    set_state(house, digest, "removing")
    house.push_blob(CONTENT)
    held = house.blobs.find(CALLER, NAME, digest)
    assert held.generation == 1
    house.storage.remove(house.storage.blob_path(digest, 0))  # as the removal does, late
    assert house.content.read(digest, held.generation) == CONTENT
    assert house.storage.get_content(house.storage.blob_path(digest, 1)) == CONTENT


def test_a_key_that_is_given_up_during_the_push_is_not_recorded(house: House) -> None:
    digest = house.push_blob(CONTENT)

    def place(path: str) -> None:
        house.storage.put_content(path, CONTENT)
        set_state(house, digest, "removing")

    with pytest.raises(Unavailable):
        house.content.commit(digest, len(CONTENT), place, lambda _: None)
    record = rows.record(house.database.reader(), digest)
    assert record is not None
    assert (record.state, record.generation) == ("removing", 0)
    house.push_blob(CONTENT)
    assert house.blobs.find(CALLER, NAME, digest).generation == 1


def test_many_pushes_of_one_blob_make_one(house: House) -> None:
    threads = [threading.Thread(target=house.push_blob, args=(CONTENT, name)) for name in (NAME, OTHER) * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    digest = Digest.of(CONTENT)
    assert [house.blobs.find(CALLER, name, digest).size for name in (NAME, OTHER)] == [len(CONTENT)] * 2
    assert [entry.path for entry in house.storage.walk("blobs")] == [house.storage.blob_path(digest)]


def test_content_of_which_nothing_is_recorded_is_unknown(house: House) -> None:
    with pytest.raises(BlobUnknown):
        house.content.read(Digest.of(b"absent"))
