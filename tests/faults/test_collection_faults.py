"""What has gone wrong in other registries when they collected, tried on this one: see docs/faults.md."""

import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import left_out
from tests.faults.collecting import (
    LEASE,
    begin,
    collect,
    collect_what_is_over,
    collecting,
    end,
    objects,
    slowly,
    states,
    wait_until,
)
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import (
    EMPTY_JSON,
    KIB,
    OCI_EMPTY,
    OCI_IMAGE,
    OCI_LAYER,
    descriptor,
    digest_of,
    encode,
    image,
    index,
    random_bytes,
)
from tests.protocol.framing import LAST_CHUNK, chunk
from tests.protocol.repository import Pushed, Repository
from tests.servers import OrlopServer

FOR = 6.0
"""Seconds that clients and collection run side by side."""


def full(parameter: str) -> Any:
    """One that takes its time, and has a like that is run each time."""
    return pytest.param(parameter, marks=pytest.mark.full)


@pytest.fixture
def server(memory: Path) -> Iterator[OrlopServer]:
    with OrlopServer(memory / "data", LIMITS_LEASE=f"{LEASE}s", LOG_LEVEL="warning") as server:
        yield server
        assert "Traceback" not in server.log


@pytest.fixture
def repository(server: OrlopServer) -> Iterator[Repository]:
    with Client(address_of(server)) as client:
        yield Repository(client, "test/app")


def at_once(server: OrlopServer, count: int, work: Callable[[Repository, random.Random], None]) -> None:
    """Each with a connection and a repository of its own."""

    def one(number: int) -> None:
        with Client(address_of(server)) as client:
            work(Repository(client, f"test/r{number}"), random.Random(f"{time.time()} {number}"))

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(one, range(count)))


def assert_whole(repository: Repository, reference: str) -> None:
    """The manifest, and everything that it names."""
    answer = repository.get(f"manifests/{reference}")
    assert answer.status == 200, answer
    document = answer.json()
    for child in document.get("manifests", ()):
        assert_whole(repository, child["digest"])
    for part in (*document.get("layers", ()), *([document["config"]] if "config" in document else ())):
        blob = repository.get(f"blobs/{part['digest']}")
        assert blob.status == 200, part
        assert digest_of(blob.body) == part["digest"]


def assert_kept(server: OrlopServer, name: str, *references: str) -> None:
    """It is whole also for a server that has nothing in its memory."""
    server.restart()
    with Client(address_of(server)) as client:
        for reference in references:
            assert_whole(Repository(client, name), reference)


# While pushes run


def test_b04_an_upload_that_takes_longer_than_a_lease_is_not_collected(
    server: OrlopServer, repository: Repository
) -> None:
    """B04: in one slow request, and in chunks with long pauses."""
    slow, chunked = random_bytes(300 * KIB), random_bytes(30 * KIB)
    locations = [repository.start() for _ in range(2)]
    with collecting(server.data) as rounds:
        with repository.client.connect() as connection:
            head = f"PATCH {locations[0]} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.send(head.encode())
            for number in range(3):
                piece = chunked[number * 10 * KIB : (number + 1) * 10 * KIB]
                assert repository.patch(locations[1], piece).status == 202
                for at in range(10):
                    start = (number * 10 + at) * 10 * KIB
                    connection.send(chunk(slow[start : start + 10 * KIB]))
                    time.sleep(1.25 * LEASE / 10)
            connection.send(LAST_CHUNK)
            assert connection.read().status == 202
        for location, content in zip(locations, (slow, chunked), strict=True):
            assert repository.finish(location, digest_of(content)).status == 201
            assert repository.get(f"blobs/{digest_of(content)}").body == content
        repository.push_blob(EMPTY_JSON)
        layers = [descriptor(content, OCI_LAYER) for content in (slow, chunked)]
        repository.push_manifest(image(descriptor(EMPTY_JSON, OCI_EMPTY), layers), "latest")
    assert rounds.count >= 3
    collect_what_is_over(server.data)
    assert_kept(server, repository.name, "latest")


def test_b05_a_blob_waits_for_its_manifest(server: OrlopServer) -> None:
    """B05: for as long as its lease lasts, however often collection runs meanwhile."""
    until = time.monotonic() + FOR
    pushed: list[tuple[str, str]] = []

    def push(mine: Repository, dice: random.Random) -> None:
        while time.monotonic() < until:
            begun = time.monotonic()
            document = mine.new_image()
            time.sleep(dice.uniform(0, LEASE / 2))
            tag = f"t{len(pushed)}"
            answer = mine.put_manifest(tag, encode(document), OCI_IMAGE)
            assert answer.status == 201 or time.monotonic() - begun > LEASE, answer
            if answer.status == 201:
                pushed.append((mine.name, tag))

    with collecting(server.data) as rounds:
        at_once(server, 8, push)
    assert rounds.count >= 3
    assert len(pushed) > 30
    collect_what_is_over(server.data)
    server.restart()
    with Client(address_of(server)) as client:
        for name, tag in pushed:
            assert_whole(Repository(client, name), tag)


def test_b06_a_blob_is_pushed_again_while_its_object_is_being_deleted(
    server: OrlopServer, repository: Repository
) -> None:
    """B06: the push is not held up, and what it wrote is not what is deleted."""
    contents = [random_bytes(size) for size in (1000, 200 * KIB)]
    digests = [repository.push_blob(content) for content in contents]
    time.sleep(LEASE + 0.1)
    process = begin(server.data, wrapper=slowly("unlinkat", 2))
    wait_until(lambda: {states(server.data)[digest] for digest in digests} == {"removing"})
    for content, digest in zip(contents, digests, strict=True):
        assert repository.head(f"blobs/{digest}").status == 404
        begun = time.monotonic()
        assert repository.push_blob(content) == digest
        assert time.monotonic() - begun < 1.5
        assert repository.get(f"blobs/{digest}").body == content
    assert process.poll() is None
    end(process)
    layers = [descriptor(content, OCI_LAYER) for content in contents]
    repository.push_blob(EMPTY_JSON)
    repository.push_manifest(image(descriptor(EMPTY_JSON, OCI_EMPTY), layers), "latest")
    assert_whole(repository, "latest")
    collect_what_is_over(server.data)
    assert_kept(server, repository.name, "latest")


@pytest.mark.parametrize("moment", [full("condemned"), "removing", full("removed")])
def test_b07_a_collection_that_stood_still_takes_nothing_that_came_meanwhile(
    server: OrlopServer, repository: Repository, moment: str
) -> None:
    """B07: it is stopped in the middle, for longer than any promise lasts; everything is pushed again; it goes on."""
    contents = [random_bytes(100) for _ in range(400)]
    digests = [repository.push_blob(content) for content in contents]
    time.sleep(LEASE + 0.1)
    process = begin(server.data)
    wait_until(lambda: moment in states(server.data).values() or process.poll() is not None)
    again = contents[::2]
    with ThreadPoolExecutor(1) as pool:
        while True:
            process.send_signal(signal.SIGSTOP)
            first = pool.submit(repository.push_blob, again[0])
            time.sleep(0.5)
            if first.done():
                break
            process.send_signal(signal.SIGCONT)  # it had begun a transaction, which others wait for
            first.result()
    try:
        time.sleep(LEASE + 0.1)
        for content in again:
            repository.push_blob(content)
        document = image(descriptor(EMPTY_JSON, OCI_EMPTY), [descriptor(content, OCI_LAYER) for content in again])
        repository.push_blob(EMPTY_JSON)
        repository.push_manifest(document, "latest")
    finally:
        process.send_signal(signal.SIGCONT)
    end(process)
    assert_whole(repository, "latest")
    collect_what_is_over(server.data)
    assert_kept(server, repository.name, "latest")
    assert {digest for digest in digests if digest in objects(server.data)} == {digest_of(each) for each in again}


@pytest.mark.parametrize("slow", ["nobody", full("collection"), "collection and server"])
def test_b08_whoever_was_told_that_a_layer_is_there_can_count_on_it(memory: Path, slow: str) -> None:
    """B08: old layers that nothing keeps, of which clients ask just before, while or after they are taken away.

    Whoever is slow waits before each transaction, after having looked at what to write.
    """
    until = time.monotonic() + (FOR if slow == "nobody" else 2 * FOR)
    counts = Counter[str]()

    def push(mine: Repository, dice: random.Random) -> None:
        layers = [random_bytes(70_000) for _ in range(3)]  # so large that they come from the disk
        document = image(descriptor(EMPTY_JSON, OCI_EMPTY), [descriptor(layer, OCI_LAYER) for layer in layers])
        content = encode(document)
        while time.monotonic() < until:
            begun = time.monotonic()
            for blob in (EMPTY_JSON, *layers):
                told = mine.head(f"blobs/{digest_of(blob)}").status
                if told == 404:
                    mine.push_blob(blob)
                counts["skipped" if told == 200 else "pushed"] += 1
            time.sleep(dice.uniform(0, LEASE / 4))
            answer = mine.put_manifest("latest", content, OCI_IMAGE)
            # With less than half of it left, the lease was renewed by the question.
            assert answer.status == 201 or time.monotonic() - begun > LEASE / 2, answer
            if answer.status == 201:
                assert_whole(mine, "latest")
                assert mine.delete(f"manifests/{digest_of(content)}").status == 202
            counts[str(answer.status)] += 1
            time.sleep(dice.choice((0.0, LEASE * 0.7, LEASE, LEASE * 1.3)))

    settings = {"LIMITS_LEASE": f"{LEASE}s", "LOG_LEVEL": "warning"}
    wrapper = slowly("flock", 0.03) if slow.endswith("server") else ()
    with OrlopServer(memory / "data", wrapper=wrapper, **settings) as server:
        with collecting(server.data, () if slow == "nobody" else slowly("flock", 0.1)):
            at_once(server, 8, push)
        assert "Traceback" not in server.log
    print(counts)
    assert counts["201"] > 8
    assert counts["skipped"] > 10
    assert counts["pushed"] > 8 * 4 + 4


# What is kept, and what goes


def test_b14_what_was_collected_can_be_pushed_again(server: OrlopServer, repository: Repository) -> None:
    """B14: again and again; a client that asks is told the truth each time."""
    other = Repository(repository.client, "test/other")
    layer = random_bytes(100 * KIB)
    document = image(descriptor(EMPTY_JSON, OCI_EMPTY), [descriptor(layer, OCI_LAYER)])
    for number in range(3):
        mine = (repository, other)[number % 2]
        for blob in (EMPTY_JSON, layer):
            assert mine.head(f"blobs/{digest_of(blob)}").status == 404
            mine.push_blob(blob)
        pushed = mine.push_manifest(document, "latest")
        assert_whole(mine, "latest")
        assert mine.delete(f"manifests/{pushed.digest}").status == 202
        collect_what_is_over(server.data)
        for path in (f"blobs/{digest_of(layer)}", f"manifests/{pushed.digest}", "manifests/latest"):
            assert mine.head(path).status == 404
            assert mine.get(path).status == 404
        assert objects(server.data) == set()


def test_b19_a_collection_takes_nothing_that_another_repository_needs(
    server: OrlopServer, repository: Repository
) -> None:
    """B19: of an image that one has deleted and another has not."""
    other = Repository(repository.client, "test/other")
    document = repository.new_image()
    for blob in (document["config"], *document["layers"]):
        query = f"?mount={blob['digest']}&from={repository.name}"
        assert other.request("POST", f"blobs/uploads/{query}", {"Content-Length": "0"}).status == 201
    pushed = repository.push_manifest(document, "latest")
    other.push_manifest(document, "latest")
    collect_what_is_over(server.data)
    assert repository.delete(f"manifests/{pushed.digest}").status == 202
    assert repository.delete(f"blobs/{document['layers'][0]['digest']}").status == 202
    collect_what_is_over(server.data)
    assert repository.get("manifests/latest").status == 404
    assert_kept(server, other.name, "latest")


@pytest.mark.parametrize("lost", ["all of it", full("its content"), full("the store's")])
def test_b20_nothing_is_collected_by_a_database_that_does_not_know_the_content(
    server: OrlopServer, repository: Repository, memory: Path, lost: str
) -> None:
    """B20: it is refused; once the database was made again from the tree, all is there, and collected as ever."""
    pushed = repository.push_image("latest")
    garbage = repository.push_blob(random_bytes(100))
    server.stop()
    for path in server.data.glob("orlop.db*"):
        path.unlink()
    if lost == "its content":
        server.data.joinpath("orlop.db").touch()
    elif lost == "the store's":
        with OrlopServer(memory / "another"):
            pass
        shutil.copy(memory / "another" / "orlop.db", server.data / "orlop.db")
    before = objects(server.data)
    assert "orlop: " in end(begin(server.data), status=1)
    assert objects(server.data) == before
    for path in server.data.glob("orlop.db*"):
        path.unlink()
    rebuilt = subprocess.run([sys.executable, "-m", "orlop", "rebuild", "--data", str(server.data)], check=False)
    assert rebuilt.returncode == 0
    collect(server.data)
    server.start()
    with Client(address_of(server)) as client:
        again = Repository(client, repository.name)
        assert_whole(again, "latest")
        collect_what_is_over(server.data)
        assert_whole(again, "latest")
    assert objects(server.data) == before - {garbage}
    assert pushed.digest in before


def test_b38_missing_content_is_no_obstacle(server: OrlopServer, repository: Repository) -> None:
    """B38: a config, a layer and a manifest are missing in the store: all else is collected, and what is kept stays."""
    broken = [repository.push_image(f"broken{number}") for number in range(3)]
    kept = repository.push_image("kept")
    garbage = repository.push_blob(random_bytes(100))
    lost = [broken[0].document["layers"][0]["digest"], broken[1].digest, digest_of(EMPTY_JSON)]
    for digest in lost:
        (server.data / "store" / "blobs" / "sha256" / digest[7:9] / digest[7:]).unlink()
    server.restart()  # with nothing in memory
    for _ in range(2):
        collect_what_is_over(server.data)
    with Client(address_of(server)) as client:
        again = Repository(client, repository.name)
        assert garbage not in objects(server.data)
        assert again.tags() == ["broken0", "broken1", "broken2", "kept"]
        assert again.get("manifests/kept").body == kept.content
        assert again.get(f"blobs/{kept.document['layers'][0]['digest']}").status == 200
        assert again.get(f"manifests/{broken[1].digest}").status == 404
        again.push_blob(EMPTY_JSON)
        assert again.put_manifest("broken1", broken[1].content, OCI_IMAGE).status == 201
        assert_whole(again, "kept")
        assert_whole(again, "broken1")


# Repositories that are deleted


def test_b18_a_repository_is_deleted_while_its_content_is_pushed_to_another(server: OrlopServer) -> None:
    """B18: and to itself, while what is left of it is collected: no 5xx, and no image that was accepted is broken."""
    layers = [random_bytes(2000) for _ in range(3)]
    document = image(descriptor(EMPTY_JSON, OCI_EMPTY), [descriptor(layer, OCI_LAYER) for layer in layers])
    until = time.monotonic() + FOR
    pushed: set[str] = set()
    deletes: list[int] = []

    def work(mine: Repository, dice: random.Random) -> None:
        mine = Repository(mine.client, f"test/shared{dice.choice('ab')}")
        while time.monotonic() < until:
            begun = time.monotonic()
            for blob in (EMPTY_JSON, *layers):
                if mine.head(f"blobs/{digest_of(blob)}").status == 404:
                    answer = mine.finish(mine.start(), digest_of(blob), blob)
                    assert answer.status == 201 or (answer.status == 404 and mine.name.endswith("a")), answer
            answer = mine.put_manifest("latest", encode(document), OCI_IMAGE)
            # The repository may have been deleted since, with the blobs that nobody had named yet.
            assert mine.name.endswith("a") or answer.status == 201
            assert answer.status in (201, 400), answer
            pushed.add(mine.name)
            assert time.monotonic() - begun < 30

    def delete(mine: Repository, dice: random.Random) -> None:
        while time.monotonic() < until:
            answer = mine.client.delete("/api/v1/repositories/test/shareda/-")
            assert answer.status in (200, 404), answer
            deletes.append(answer.status)
            time.sleep(dice.uniform(0, 0.2))

    with collecting(server.data), ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(at_once, server, 2, delete)
        at_once(server, 6, work)
        deleting.result()
    assert pushed == {"test/shareda", "test/sharedb"}
    assert deletes.count(200) > 5
    collect_what_is_over(server.data)
    with Client(address_of(server)) as client:
        for name in pushed:
            repository = Repository(client, name)
            for blob in (EMPTY_JSON, *layers):
                repository.push_blob(blob)
            repository.push_manifest(document, "latest")
            assert_whole(repository, "latest")


def test_an_index_that_comes_while_its_repository_is_deleted_is_whole_or_absent(
    server: OrlopServer, repository: Repository
) -> None:
    """Its children were there before and would go; it is newer and would stay."""
    with ThreadPoolExecutor(1) as pool, Client(address_of(server)) as other:
        for number in range(30):
            children = [repository.push_image(f"t{each}") for each in range(20)]
            document = index([child.descriptor() for child in children], annotations={"n": str(number)})
            deleted = pool.submit(other.delete, f"/api/v1/repositories/{repository.name}/-")
            answer = repository.put_manifest("index", encode(document))
            assert deleted.result().status == 200
            assert answer.status in (201, 400)
            if repository.get("manifests/index").status == 200:
                assert_whole(repository, "index")
                other.delete(f"/api/v1/repositories/{repository.name}/-")


# By rules


@pytest.fixture
def untagged(memory: Path) -> tuple[str, ...]:
    """Arguments: manifests that nothing keeps go after a second."""
    file = memory / "rules.toml"
    file.write_text('[[retention]]\nrepositories = "**"\nuntagged = "1s"\n')
    return ("--config", str(file))


def nested(repository: Repository) -> list[Pushed]:
    """Three indexes, one in the other, with two images at the bottom and one beside; only the outermost has a tag."""
    images = [repository.push_image() for _ in range(3)]
    inner = repository.push_manifest(index([each.descriptor() for each in images[:2]]))
    middle = repository.push_manifest(index([inner.descriptor(), images[2].descriptor()]))
    outer = repository.push_manifest(index([middle.descriptor()]), "latest")
    return [outer, middle, inner, *images]


def test_b09_an_index_keeps_what_is_in_it(
    server: OrlopServer, repository: Repository, untagged: tuple[str, ...]
) -> None:
    """B09: three deep, where untagged manifests go; all of it goes when the index has gone."""
    there = nested(repository)
    loose = repository.push_image()
    attached = repository.push_image(subject=there[-1].descriptor())
    for _ in range(2):
        collect_what_is_over(server.data, *untagged)
    assert repository.get(f"manifests/{loose.digest}").status == 404
    assert_whole(repository, "latest")
    assert_whole(repository, attached.digest)
    assert repository.delete("manifests/latest").status == 202
    for _ in range(3):
        collect_what_is_over(server.data, *untagged)
    for each in (*there, attached):
        assert repository.get(f"manifests/{each.digest}").status == 404
    assert objects(server.data) == set()


def crossed(repository: Repository, count: int) -> Pushed:
    """Indexes of which each holds all that were before: two to the power of `count` ways through them."""
    before = [repository.push_image()]
    for number in range(count):
        held = [each.descriptor() for each in before]
        before.append(repository.push_manifest(index(held, annotations={"n": str(number)})))
    assert repository.put_manifest("latest", before[-1].content, before[-1].media_type).status == 201
    return before[-1]


def test_b10_indexes_that_hold_each_others_children_take_no_longer(
    server: OrlopServer, repository: Repository, untagged: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """B10: 64 of them; collected beside as many that hold one image each, and then themselves."""

    def seconds(*arguments: str) -> float:
        begun = time.monotonic()
        collect(server.data, *arguments)
        return time.monotonic() - begun

    flat = Repository(repository.client, "test/flat")
    for number in range(64):
        flat.push_manifest(index([flat.push_image().descriptor()]), f"v{number}")
    time.sleep(LEASE + 0.1)
    before = seconds(*untagged)
    top = crossed(repository, 64)
    time.sleep(LEASE + 0.1)
    kept = seconds(*untagged)
    assert repository.get("manifests/latest").body == top.content
    assert repository.get(f"manifests/{top.document['manifests'][1]['digest']}").status == 200
    assert repository.delete("manifests/latest").status == 202
    time.sleep(LEASE + 0.1)
    gone = seconds(*untagged)
    assert repository.get("tags/list").status == 404
    with capsys.disabled():
        print(f"\n64 flat indexes {before:.2f} s, 64 crossed ones beside them {kept:.2f} s, without a tag {gone:.2f} s")
    assert kept < before + 2
    assert gone < before + 5
    assert len(flat.tags()) == 64


# The clock

CLOCK_WAS_SET = "clock was set"


@pytest.mark.parametrize("jump", ["+2d", full("-2d")])
@pytest.mark.parametrize("first", [True, False])
def test_b46_a_clock_that_was_set_makes_nothing_old(
    server: OrlopServer, repository: Repository, jump: str, first: bool
) -> None:
    """B46: collection finds it two days ahead or behind, at its first run or at a later one."""
    if reason := left_out.missing_programs("faketime"):
        left_out.leave_out("a clock that was set", reason)
    if not first:
        collect(server.data)
    document = repository.new_image()
    wrapper = ("env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1", "faketime", "-f", jump)
    assert CLOCK_WAS_SET in end(begin(server.data, wrapper=wrapper), status=1)
    repository.push_manifest(document, "latest")
    assert_whole(repository, "latest")
    garbage = repository.push_blob(random_bytes(100))
    # Now it is set back. Once a lease has passed by the clock that nobody sets, collection goes on.
    deadline = time.monotonic() + 10 * LEASE
    while garbage in objects(server.data):
        assert time.monotonic() < deadline
        time.sleep(LEASE / 4)
        _, errors = begin(server.data).communicate(timeout=60)
        assert not errors or CLOCK_WAS_SET in errors.decode(), errors
    assert_kept(server, repository.name, "latest")
