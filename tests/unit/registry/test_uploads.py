"""Uploads: what arrived is kept until the upload ends, and a blob comes of it only with its exact digest."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop.domain.digest import Digest
from orlop.domain.errors import (
    BlobUnknown,
    DigestInvalid,
    Unavailable,
    UploadBusy,
    UploadOutOfOrder,
    UploadUnknown,
)
from orlop.registry.uploads import OpenUpload, Uploads
from orlop.steps import perform
from orlop.storage.local import LocalStorage
from orlop.storage.memory import MemoryStorage
from tests.unit.registry.house import CALLER, HOUR, NAME, OTHER, House, append

CONTENT = os.urandom(100_000)
PIECES = (CONTENT[:10], CONTENT[10:70_000], CONTENT[70_000:])


@pytest.fixture(params=["memory", "local"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    storage = MemoryStorage() if request.param == "memory" else LocalStorage(tmp_path / "store")
    with House(tmp_path / "orlop.db", storage) as house:
        yield house


def patch(uploads: Uploads, upload_id: str, *pieces: bytes, offset: int | None = None) -> int:
    """One PATCH whose body comes in these pieces; the size afterwards."""
    upload = uploads.open(CALLER, NAME, upload_id, offset)
    for piece in pieces:
        append(uploads, upload, piece)
    uploads.suspend(upload)
    return upload.size


def put(uploads: Uploads, upload_id: str, digest: Digest, *pieces: bytes) -> None:
    """The closing PUT with a body of these pieces."""
    upload = uploads.open(CALLER, NAME, upload_id)
    for piece in pieces:
        append(uploads, upload, piece)
    uploads.finish(CALLER, upload, digest)


def stored(house: House, digest: Digest) -> bytes:
    """The blob as the repository serves it."""
    held = house.blobs.find(CALLER, NAME, digest)
    content = b"".join(house.storage.stream_read(house.storage.blob_path(digest, held.generation)))
    assert held.size == len(content)
    return content


def left_over(house: House) -> list[str]:
    return [entry.path for entry in house.storage.walk("uploads")]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_arrives_in_chunks(house: House, algorithm: str) -> None:
    uploads, digest = house.uploads, Digest.of(CONTENT, algorithm)
    upload_id = perform(uploads.start(CALLER, NAME, algorithm))
    assert uploads.size(CALLER, NAME, upload_id) == 0
    for number, piece in enumerate(PIECES):
        size = patch(uploads, upload_id, piece, offset=sum(map(len, PIECES[:number])))
        assert size == uploads.size(CALLER, NAME, upload_id) == sum(map(len, PIECES[: number + 1]))
    put(uploads, upload_id, digest)
    assert stored(house, digest) == CONTENT
    assert left_over(house) == []
    with pytest.raises(UploadUnknown):
        uploads.size(CALLER, NAME, upload_id)


def test_the_last_chunk_may_come_with_the_digest(house: House) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    patch(house.uploads, upload_id, PIECES[0])
    put(house.uploads, upload_id, Digest.of(CONTENT), *PIECES[1:])
    assert stored(house, Digest.of(CONTENT)) == CONTENT


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_the_closing_digest_may_be_of_another_algorithm_than_the_start(house: House, algorithm: str) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME, "sha512" if algorithm == "sha256" else "sha256"))
    patch(house.uploads, upload_id, CONTENT)
    put(house.uploads, upload_id, Digest.of(CONTENT, algorithm))
    assert stored(house, Digest.of(CONTENT, algorithm)) == CONTENT


def test_an_upload_goes_on_in_another_process(house: House) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    for piece in PIECES:
        patch(house.new_uploads(), upload_id, piece)
    put(house.new_uploads(), upload_id, Digest.of(CONTENT))
    assert stored(house, Digest.of(CONTENT)) == CONTENT


def test_a_cut_request_keeps_what_arrived(house: House) -> None:
    for uploads in (house.uploads, house.new_uploads()):
        upload_id = perform(uploads.start(CALLER, NAME))
        upload = uploads.open(CALLER, NAME, upload_id)
        append(uploads, upload, CONTENT[:1000])
        uploads.close(upload)
        assert uploads.size(CALLER, NAME, upload_id) == 1000
        patch(uploads, upload_id, CONTENT[1000:], offset=1000)
        put(house.new_uploads(), upload_id, Digest.of(CONTENT))
        assert stored(house, Digest.of(CONTENT)) == CONTENT


@pytest.mark.parametrize("offset", [0, 999, 1001, 10**12])
def test_a_chunk_must_begin_at_the_end(house: House, offset: int) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    patch(house.uploads, upload_id, CONTENT[:1000])
    with pytest.raises(UploadOutOfOrder) as refusal:
        house.uploads.open(CALLER, NAME, upload_id, offset)
    assert refusal.value.size == 1000
    patch(house.uploads, upload_id, CONTENT[1000:], offset=1000)
    put(house.uploads, upload_id, Digest.of(CONTENT))


def test_one_request_writes_at_a_time(house: House) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    upload = house.uploads.open(CALLER, NAME, upload_id)
    append(house.uploads, upload, CONTENT[:1000])
    with pytest.raises(UploadBusy):
        house.uploads.open(CALLER, NAME, upload_id)
    append(house.uploads, upload, CONTENT[1000:])
    house.uploads.suspend(upload)
    put(house.uploads, upload_id, Digest.of(CONTENT))
    assert stored(house, Digest.of(CONTENT)) == CONTENT


@pytest.mark.parametrize("pieces", [(), (PIECES[2],)])
def test_a_wrong_digest_leaves_the_upload_as_it_was(house: House, pieces: tuple[bytes, ...]) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    patch(house.uploads, upload_id, *PIECES[:2])
    wrong = Digest.of(b"something else")
    for _ in range(3):
        with pytest.raises(DigestInvalid):
            put(house.uploads, upload_id, wrong, *pieces)
        assert house.uploads.size(CALLER, NAME, upload_id) == 70_000
    with pytest.raises(BlobUnknown):
        house.blobs.find(CALLER, NAME, wrong)
    with pytest.raises(DigestInvalid):
        put(house.uploads, upload_id, Digest.of(CONTENT[:70_000] + b"x"))
    put(house.uploads, upload_id, Digest.of(CONTENT), PIECES[2])
    assert stored(house, Digest.of(CONTENT)) == CONTENT


def test_the_digest_of_a_part_makes_no_blob_of_the_whole(house: House) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    patch(house.uploads, upload_id, *PIECES[:2])
    patch(house.uploads, upload_id, PIECES[2])
    with pytest.raises(DigestInvalid):
        put(house.uploads, upload_id, Digest.of(CONTENT[:70_000]))
    put(house.uploads, upload_id, Digest.of(CONTENT))


def test_small_content_needs_no_session(house: House) -> None:
    digest = house.push_blob(b"small")
    assert stored(house, digest) == b"small"
    upload_id = perform(house.uploads.start(CALLER, NAME))
    with pytest.raises(DigestInvalid):
        perform(house.uploads.finish_whole(CALLER, NAME, upload_id, b"other", digest))
    perform(house.uploads.finish_whole(CALLER, NAME, upload_id, b"other", Digest.of(b"other")))
    assert stored(house, Digest.of(b"other")) == b"other"
    with pytest.raises(UploadUnknown):
        perform(house.uploads.finish_whole(CALLER, NAME, upload_id, b"more", Digest.of(b"more")))
    with pytest.raises(BlobUnknown):
        house.blobs.find(CALLER, NAME, Digest.of(b"more"))


def test_the_empty_blob_is_a_blob(house: House) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    put(house.uploads, upload_id, Digest.of(b""))
    assert stored(house, Digest.of(b"")) == b""


def test_an_upload_is_its_repositorys_alone(house: House) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    for attempt in (house.uploads.size, house.uploads.open, house.uploads.cancel):
        with pytest.raises(UploadUnknown):
            attempt(CALLER, OTHER, upload_id)
        with pytest.raises(UploadUnknown):
            attempt(CALLER._replace(account="somebody"), NAME, upload_id)
    assert house.uploads.size(CALLER, NAME, upload_id) == 0


def test_an_ended_upload_is_unknown_and_its_bytes_are_gone(house: House) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    patch(house.uploads, upload_id, CONTENT)
    house.uploads.cancel(CALLER, NAME, upload_id)
    assert left_over(house) == []
    for attempt in (house.uploads.cancel, house.uploads.size, house.uploads.open):
        with pytest.raises(UploadUnknown):
            attempt(CALLER, NAME, upload_id)


def end_of(request: str, uploads: Uploads, upload: OpenUpload) -> None:
    if request == "suspend":
        uploads.suspend(upload)
    else:
        uploads.finish(CALLER, upload, Digest.of(CONTENT))


@pytest.mark.parametrize("request_", ["suspend", "finish"])
def test_an_upload_that_is_cancelled_under_its_writer_ends(house: House, request_: str) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    upload = house.uploads.open(CALLER, NAME, upload_id)
    append(house.uploads, upload, CONTENT)
    house.uploads.cancel(CALLER, NAME, upload_id)
    with pytest.raises(UploadUnknown):
        end_of(request_, house.uploads, upload)
    with pytest.raises(BlobUnknown):
        house.blobs.find(CALLER, NAME, Digest.of(CONTENT))
    assert left_over(house) == []


def test_uploads_expire_after_their_last_chunk(house: House) -> None:
    brief = house.new_uploads(lifetime=50)
    kept, abandoned = perform(house.uploads.start(CALLER, NAME)), perform(brief.start(CALLER, NAME))
    patch(house.uploads, kept, CONTENT)
    patch(brief, abandoned, CONTENT)
    extended = perform(brief.start(CALLER, NAME))
    patch(house.new_uploads(lifetime=HOUR), extended, CONTENT)
    deadline = time.monotonic() + 10
    while brief.expire() == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(UploadUnknown):
        house.uploads.size(CALLER, NAME, abandoned)
    assert [house.uploads.size(CALLER, NAME, upload_id) for upload_id in (kept, extended)] == [len(CONTENT)] * 2
    assert sorted(left_over(house)) == sorted(house.storage.upload_path(upload_id) for upload_id in (kept, extended))


def test_every_write_is_told(house: House) -> None:
    upload_id = perform(house.uploads.start(CALLER, NAME))
    upload = house.uploads.open(CALLER, NAME, upload_id)
    told: list[int] = []
    upload.on_write = told.append
    for piece in PIECES:
        append(house.uploads, upload, piece)
    house.uploads.close(upload)
    assert told == [len(piece) for piece in PIECES]


def test_a_commit_that_fails_leaves_the_upload_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise Unavailable

    with House(tmp_path / "orlop.db", LocalStorage(tmp_path / "store")) as house:
        upload_id = perform(house.uploads.start(CALLER, NAME))
        patch(house.uploads, upload_id, *PIECES[:2])
        with monkeypatch.context() as context:
            context.setattr(house.database, "write", refuse)
            with pytest.raises(Unavailable):
                put(house.uploads, upload_id, Digest.of(CONTENT[:70_000]))
        # As another process does that finds the bytes shared with a key of which nobody knows.
        other = house.new_uploads()
        assert other.size(CALLER, NAME, upload_id) == 70_000
        patch(other, upload_id, PIECES[2], offset=70_000)
        put(other, upload_id, Digest.of(CONTENT))
        assert stored(house, Digest.of(CONTENT)) == CONTENT
        orphan = house.storage.blob_path(Digest.of(CONTENT[:70_000]))
        assert house.storage.get_content(orphan) == CONTENT[:70_000]
        assert left_over(house) == []


@pytest.mark.parametrize("left", [b"", CONTENT[:10_000], CONTENT[:69_000] + bytes(1000)])
@pytest.mark.parametrize("complete", [True, False])
def test_an_upload_of_which_a_power_cut_took_something_begins_anew(tmp_path: Path, left: bytes, complete: bool) -> None:
    """It took the end, or left zeros there; and no blob is made of that."""
    content = CONTENT[:70_000] if complete else CONTENT
    digest = Digest.of(content)
    with House(tmp_path / "orlop.db", LocalStorage(tmp_path / "store")) as house:
        upload_id = perform(house.uploads.start(CALLER, NAME))
        patch(house.uploads, upload_id, *PIECES[:2])
        path = house.storage.upload_path(upload_id)
        house.storage.remove(path)
        if left:
            house.storage.put_content(path, left)
        rebooted = house.new_uploads()
        told = rebooted.size(CALLER, NAME, upload_id)
        if told:
            with pytest.raises(DigestInvalid):
                put(rebooted, upload_id, digest, content[told:])
        with pytest.raises(BlobUnknown):
            house.blobs.find(CALLER, NAME, digest)
        assert rebooted.size(CALLER, NAME, upload_id) == 0
        patch(rebooted, upload_id, content, offset=0)
        put(rebooted, upload_id, digest)
        assert stored(house, digest) == content


def test_bytes_whose_upload_has_ended_are_dropped(house: House) -> None:
    kept = perform(house.uploads.start(CALLER, NAME))
    patch(house.uploads, kept, CONTENT)
    house.storage.put_content(house.storage.upload_path("0" * 40), b"left by a process that was killed")
    assert house.uploads.expire() == 1
    assert left_over(house) == [house.storage.upload_path(kept)]
    put(house.uploads, kept, Digest.of(CONTENT))
