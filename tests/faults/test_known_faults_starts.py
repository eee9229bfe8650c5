"""What has gone wrong in other registries when they started, tried on this one: see docs/faults.md."""

import contextlib
import hashlib
import secrets
import shutil
import sqlite3
import threading
import time
from itertools import count
from pathlib import Path
from random import Random
from typing import Self

import pytest

from orlop.database.schema import REVISION
from tests.faults import old_schema
from tests.faults.history import History
from tests.faults.requests import Requester
from tests.faults.sequence import Sequence
from tests.faults.test_first_start import dies_at
from tests.faults.tree import unfinished, uploads
from tests.faults.verification import Verification
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import KIB, digest_of, random_bytes
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

MANY = 100_000
SOON = 3.0
"""Seconds that a start may take beyond that of an empty registry."""


def add_content(data: Path, blobs: int) -> None:
    """So many blobs, as rows and empty objects of a stopped server, and a tenth as many manifests and tags."""
    hexes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(blobs)]
    for first in {hex_[:2] for hex_ in hexes}:
        (data / "store" / "blobs" / "sha256" / first).mkdir(parents=True, exist_ok=True)
    for hex_ in hexes:
        (data / "store" / "blobs" / "sha256" / hex_[:2] / hex_).touch()
    digests = [f"sha256:{hex_}" for hex_ in hexes]
    with contextlib.closing(sqlite3.connect(data / "orlop.db")) as connection:
        connection.executemany("INSERT INTO repositories (id, name, created_at) VALUES (?, ?, 1)", [
            (1000 + number, f"many/r{number}") for number in range(100)
        ])  # fmt: skip
        connection.executemany("INSERT INTO blobs (id, digest, size, created_at) VALUES (?, ?, 0, 1)", [
            (1000 + number, digest) for number, digest in enumerate(digests)
        ])  # fmt: skip
        connection.executemany("INSERT INTO repository_blobs VALUES (?, ?, 1)", [
            (1000 + number % 100, 1000 + number) for number in range(blobs)
        ])  # fmt: skip
        manifests = range(blobs // 10)
        connection.executemany(
            "INSERT INTO manifests (id, repository_id, digest, media_type, size, content_size, artifact_type,"
            " config_media_type, annotations, platforms, pushed_at, pushed_by, pushed_from)"
            " VALUES (?, ?, ?, 'x/y', 0, 0, '', '', '{}', '[]', 1, '', '')",
            [(1000 + number, 1000 + number % 100, digests[number]) for number in manifests],
        )
        connection.executemany("INSERT INTO tags VALUES (?, ?, ?, 1, '', '', NULL)", [
            (1000 + number % 100, f"t{number}", 1000 + number) for number in manifests
        ])  # fmt: skip
        # What a kill in the middle of pushes leaves.
        connection.executemany("INSERT INTO outbox (kind, repository, name) VALUES ('tag', ?, ?)", [
            (f"many/r{number % 100}", f"t{number}") for number in manifests[:500]
        ])  # fmt: skip
        connection.commit()


class Pushers:
    """Clients that push blobs to an address while the block lasts, whether or not anybody listens there yet."""

    def __init__(self, host_port: str) -> None:
        self.host_port = host_port
        self.pushed: list[str] = []
        self.wrong: list[object] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._push) for _ in range(4)]

    def _push(self) -> None:
        while not self._over.is_set():
            content = random_bytes(1000)
            with Requester(self.host_port) as requester:
                answer = requester.ask("POST", f"/v2/new/app/blobs/uploads/?digest={digest_of(content)}", content)
            if answer is None:
                time.sleep(0.005)
            elif answer.status == 201:
                self.pushed.append(digest_of(content))
            else:
                self.wrong.append(answer)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def seconds_to_start(server: OrlopServer) -> float:
    begun = time.monotonic()
    server.start()
    return time.monotonic() - begun


def test_b37_a_start_on_a_hundred_thousand_blobs(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """B37: no pass over the store stands before the first request, and clients who push meanwhile get no 5xx."""
    server = OrlopServer(memory / "data", LOG_LEVEL="warning")
    empty = seconds_to_start(server)
    port = server.host_port
    server.stop()
    add_content(server.data, MANY)
    server = OrlopServer(server.data, listen=port, LOG_LEVEL="warning")
    with Pushers(port) as pushers:
        begun = time.monotonic()
        server.start()
        full = time.monotonic() - begun
        with Requester(port) as requester:
            for path in ("/livez", "/readyz", "/v2/", "/v2/many/r7/tags/list?n=5"):
                asked = time.monotonic()
                requester.demand("GET", path, 200)
                assert time.monotonic() - asked < 2
        time.sleep(0.5)
    assert pushers.wrong == []
    assert pushers.pushed
    with Requester(port) as requester:
        for digest in pushers.pushed[:50]:
            requester.demand("HEAD", f"/v2/new/app/blobs/{digest}", 200)
        assert len(requester.demand("GET", "/v2/many/r7/tags/list", 200).json()["tags"]) == MANY // 10 // 100
    assert server.stop() == 0
    assert "Traceback" not in server.log
    with capsys.disabled():
        print(f"\nstart with nothing {empty:.2f} s, with {MANY} blobs {full:.2f} s")
    assert full < empty + SOON


# What clients leave behind


def test_b22_b23_uploads_that_nobody_ends_leave_nothing(memory: Path) -> None:
    """B22, B23: a thousand, cut, cancelled or forgotten, in repositories that hold nothing else and are not listed."""
    server = OrlopServer(memory / "data", LIMITS_UPLOAD_LIFETIME="2s", LOG_LEVEL="warning")
    store = server.data / "store"
    with server, Client(address_of(server)) as client:
        kept = Repository(client, "kept/app")
        image = kept.push_image("latest")
        blobs = size_of(store)
        for number in range(1000):
            repository = Repository(client, f"left/r{number % 20}")
            location = repository.start()
            if number % 4 == 0:
                with client.connect() as connection:
                    connection.begin("PATCH", location, 64 * KIB, random_bytes(20 * KIB), underway=number % 8 == 0)
                    connection.reset()
            elif number % 4 == 1:
                assert repository.patch(location, random_bytes(2 * KIB)).status == 202
            elif number % 4 == 2:
                assert repository.patch(location, random_bytes(2 * KIB), chunked=True).status == 202
                assert client.delete(location).status == 204
        assert client.get("/v2/_catalog").json() == {"repositories": ["kept/app"]}
        server.kill()
        time.sleep(2)
        server.start()
        deadline = time.monotonic() + 30
        while uploads(store) or unfinished(store):
            assert time.monotonic() < deadline, (len(uploads(store)), len(unfinished(store)))
            time.sleep(0.1)
        assert size_of(store) == blobs
        with Client(address_of(server)) as again:
            assert Repository(again, kept.name).get("manifests/latest").body == image.content
            assert again.get("/v2/_catalog").json() == {"repositories": ["kept/app"]}
            assert again.get("/v2/left/r1/tags/list").status == 404
        assert "Traceback" not in server.log


def size_of(store: Path) -> int:
    """Bytes of all files but the description, whose mark moves."""
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file() and path.name != "orlop.json")


# Upgrades


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, History]:
    """The folder of a registry of the first schema, and what its clients know."""
    folder = tmp_path_factory.mktemp("older")
    history = History()
    with OrlopServer(folder / "data") as server:
        Sequence(server.host_port, history, "older").run()
    history.uploads.clear()
    old_schema.put_back(folder / "data" / "orlop.db", "0001")
    return folder, history


def assert_upgrades(folder: Path, history: History) -> None:
    with OrlopServer(folder / "data") as server, Requester(server.host_port) as requester:
        Verification(requester, history.copied()).check()
        assert "Traceback" not in server.log
    assert old_schema.revision_of(folder / "data" / "orlop.db") == REVISION


def dies_in_the_upgrade(older: Path, folder: Path, call: str, number: int) -> bool:
    """Whether the start came to the call, and was killed there."""
    shutil.copytree(older, folder)
    died = dies_at(folder, call, number)
    assert not died or old_schema.revision_of(folder / "data" / "orlop.db") in ("0001", REVISION)
    return died


@pytest.mark.full
def test_b48_an_upgrade_that_was_killed_at_some_call_is_made_again(memory: Path, older: tuple[Path, History]) -> None:
    """B48: nothing is lost, whichever of the two schemas the kill leaves."""
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    random = Random(seed)
    points = [("pwrite64", number) for number in random.sample(range(1, 140), 3)]
    points += [(call, 1) for call in ("fdatasync", "rename")]
    for call, number in points:
        folder = memory / f"{call}-{number}"
        dies_in_the_upgrade(older[0], folder, call, number)
        assert_upgrades(folder, older[1])


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", ["fdatasync", "fsync", "ftruncate", "pwrite64", "rename", "unlink"])
def test_b48_an_upgrade_that_was_killed_at_any_call_is_made_again(
    memory: Path, older: tuple[Path, History], call: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """B48: the same, call by call."""
    killed = 0
    for number in count(1):
        folder = memory / str(number)
        if not dies_in_the_upgrade(older[0], folder, call, number):
            break
        assert_upgrades(folder, older[1])
        shutil.rmtree(folder)
        killed += 1
    with capsys.disabled():
        print(f"\nupgrade killed at {killed} calls of {call}: each time the next start made it")
