"""A disk without room: uploads are refused in clear words, everything else goes on, and room is all that it takes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.disks import fill, free, small_disk
from tests.faults.tree import uploads, wait_until_tidy
from tests.protocol.answer import Answer
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import MIB, OCI_IMAGE, digest_of, encode, random_bytes
from tests.protocol.framing import cut
from tests.protocol.repository import Pushed, Repository, with_query
from tests.servers import OrlopServer

SIZE = 64 * MIB
FLOOR = 8 * MIB
ENOUGH_TO_OPEN = 100_000
"""Without the room for its index of 32 KiB, SQLite opens no database."""


class Place:
    """A registry on a disk of 64 MiB, with an image in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.server = OrlopServer(self.data, STORAGE_FREE_FLOOR=str(FLOOR), LOG_LEVEL="warning")
        self.server.start()
        self.connect()
        self.image = self.repository.push_image("latest")

    def connect(self) -> None:
        self.client = Client(address_of(self.server))
        self.repository = Repository(self.client, "full/disk")

    def restart(self) -> None:
        self.client.close()
        assert self.server.stop() == 0
        self.server.start()
        self.connect()

    def assert_goes_on(self) -> None:
        """Pulls, tags and deletes of what is there."""
        assert self.repository.get("manifests/latest").body == self.image.content
        for part in (self.image.document["config"], *self.image.document["layers"]):
            assert len(self.repository.get(f"blobs/{part['digest']}").body) == part["size"]
        assert self.repository.put_manifest("another", self.image.content, OCI_IMAGE).status == 201
        assert self.repository.tags() == ["another", "latest"]
        assert self.repository.delete("manifests/another").status == 202
        assert self.repository.tags() == ["latest"]
        assert self.client.get("/readyz").status == 200

    def assert_takes_pushes(self) -> None:
        pushed: Pushed = Repository(self.client).push_image("latest")
        content = random_bytes(4 * MIB)
        digest = self.repository.push_blob(content)
        assert self.repository.get(f"blobs/{digest}").body == content
        assert self.repository.delete(f"blobs/{digest}").status == 202
        assert pushed.digest

    def close(self) -> None:
        self.client.close()
        if self.server.process is not None and self.server.process.poll() is None:
            assert self.server.stop() == 0
        assert "Traceback" not in self.server.log


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with small_disk(tmp_path / "disk", "64m") as folder:
        place = Place(folder)
        try:
            yield place
        finally:
            try:
                place.close()
            finally:
                print(place.server.log)
                place.server.kill()


def assert_full(answer: Answer) -> None:
    assert answer.status == 507, answer
    (error,) = answer.json()["errors"]
    assert error["code"] == "STORAGE_FULL"
    assert "full" in error["message"]
    assert int(answer.header("Retry-After")) > 0


@pytest.mark.parametrize("way", ["post", "put", "patch"])
def test_what_declares_more_than_there_is_room_for_is_refused_before_it_is_sent(place: Place, way: str) -> None:
    """B02."""
    room = free(place.folder) - FLOOR
    digest, location = digest_of(b"never sent"), ""
    target = f"{place.repository.base}/blobs/uploads/?digest={digest}"
    if way != "post":
        location = place.repository.start()
        target = with_query(location, f"digest={digest}") if way == "put" else location
    with place.client.connect() as connection:
        connection.begin(way.upper(), target, room + 2 * MIB, b"the first bytes of it")
        assert_full(connection.read())
    place.assert_goes_on()
    # The session lives, for less.
    assert not location or place.client.delete(location).status == 204
    wait_until_tidy(place.data / "store")
    place.assert_takes_pushes()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_that_fills_the_disk_is_cut_on_the_way(place: Place, framing: str) -> None:
    """B02: of unknown length, or while somebody else takes the room."""
    location = place.repository.start()
    content = random_bytes(SIZE)
    if framing == "chunked":
        answer = place.repository.patch(location, cut(content, MIB))
    else:
        with place.client.connect() as connection:
            part = content[: 40 * MIB]
            connection.begin("PATCH", location, len(part), part[:MIB])
            wait_until(lambda: bool(uploads(place.data / "store")))
            fill(place.folder, leave=2 * MIB)
            connection.send_until_answered(cut(part[MIB:], MIB))
            answer = connection.read()
    assert_full(answer)
    place.assert_goes_on()
    # What had arrived is kept for whoever makes room, until the upload is cancelled.
    held = place.client.get(location)
    assert held.status == 204
    assert place.client.delete(location).status == 204
    (place.folder / "ballast").unlink(missing_ok=True)
    wait_until_tidy(place.data / "store")
    place.assert_takes_pushes()


def test_an_upload_goes_on_when_there_is_room_again(place: Place) -> None:
    content = random_bytes(40 * MIB)
    location = place.repository.start()
    ballast = fill(place.folder, leave=FLOOR + 10 * MIB)
    answer = place.repository.patch(location, cut(content, MIB))
    assert_full(answer)
    ballast.unlink()
    held = int(place.client.get(location).header("Range").removeprefix("0-")) + 1
    assert held <= len(content)
    rest = content[held:]
    headers = {"Content-Range": f"{held}-{len(content) - 1}"} if rest else {}
    finished = place.repository.finish(location, digest_of(content), rest, headers)
    assert finished.status == 201, finished
    assert place.repository.get(f"blobs/{digest_of(content)}").body == content


def test_uploads_at_once_share_what_room_there_is(place: Place) -> None:
    """Each would fit alone: what the others have yet to send counts."""
    content = random_bytes(20 * MIB)
    admitted = [place.client.connect() for _ in range(2)]
    for connection in admitted:
        connection.begin("PATCH", place.repository.start(), len(content), content[:MIB], underway=True)
    with place.client.connect() as connection:
        connection.begin("PATCH", place.repository.start(), len(content), b"")
        assert_full(connection.read())
    for connection in admitted:
        connection.send_until_answered(cut(content[MIB:], MIB))
        assert connection.read().status == 202
        connection.close()
    assert free(place.folder) >= FLOOR


@pytest.mark.parametrize("leave", [0, 100_000])
def test_a_disk_with_no_room_at_all(place: Place, leave: int) -> None:
    """B02: not even the database can grow: whatever cannot be done is refused, and nothing that was there is lost."""
    ballast = fill(place.folder, leave)
    blob, manifest = random_bytes(1000), encode(place.image.document | {"annotations": {"new": "one"}})
    deadline = time.monotonic() + 60
    for number in range(1000):
        tagged = place.repository.put_manifest(f"t{number}", place.image.content, OCI_IMAGE)
        assert tagged.status in (201, 507), tagged
        if tagged.status == 507:
            break
        assert time.monotonic() < deadline
    assert_full(place.repository.post_blob(blob))
    for answer in (place.repository.put_manifest("new", manifest, OCI_IMAGE), tagged):
        if answer.status != 201:
            assert_full(answer)
    assert place.repository.get("manifests/latest").body == place.image.content
    assert "latest" in place.repository.tags()
    assert place.client.get("/readyz").status == 200
    ballast.unlink()
    place.assert_takes_pushes()
    tags = place.repository.tags()
    place.restart()
    assert place.repository.tags() == tags
    place.assert_takes_pushes()


def test_a_server_starts_and_stops_on_a_full_disk(place: Place) -> None:
    ballast = fill(place.folder, leave=ENOUGH_TO_OPEN)
    place.restart()
    assert place.repository.get("manifests/latest").body == place.image.content
    ballast.unlink()
    place.assert_goes_on()
    place.assert_takes_pushes()


def test_the_database_on_a_full_disk_of_its_own(tmp_path: Path) -> None:
    with small_disk(tmp_path / "database", "16m") as folder:
        database = f"sqlite:{folder}/orlop.db"
        with OrlopServer(tmp_path / "data", DATABASE_URL=database, LOG_LEVEL="warning") as server:
            with Client(address_of(server)) as client:
                repository = Repository(client)
                image = repository.push_image("latest")
                ballast = fill(folder)
                refused = None
                for number in range(2000):
                    answer = repository.put_manifest(f"t{number}", image.content, OCI_IMAGE)
                    if answer.status != 201:
                        refused = answer
                        break
                assert refused is not None
                assert_full(refused)
                taken = [f"t{n}" for n in range(number)]
                assert repository.get("manifests/latest").body == image.content
                assert_full(repository.post_blob(random_bytes(1000)))
                ballast.unlink()
                assert repository.tags() == sorted(["latest", *taken])
                repository.push_image("again")
            assert server.stop() == 0
            server.start()
            with Client(address_of(server)) as client:
                assert Repository(client, repository.name).tags() == sorted(["again", "latest", *taken])
            assert "Traceback" not in server.log


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
