"""What has gone wrong in other registries, tried on this one. docs/faults.md says where each was seen."""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.requests import Requester
from tests.faults.tree import wait_until_tidy
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.connection import Closed
from tests.protocol.content import (
    EMPTY_JSON,
    KIB,
    MIB,
    OCI_EMPTY,
    OCI_IMAGE,
    OCI_INDEX,
    OCI_LAYER,
    absent_digest,
    descriptor,
    digest_of,
    encode,
    image,
    index,
    random_bytes,
)
from tests.protocol.framing import LAST_CHUNK, chunk
from tests.protocol.repository import Repository, with_query
from tests.servers import OrlopServer


@pytest.fixture(scope="module")
def server() -> Iterator[OrlopServer]:
    with OrlopServer(LOG_LEVEL="warning") as server:
        yield server
        assert "Traceback" not in server.log


@pytest.fixture
def repository(server: OrlopServer) -> Iterator[Repository]:
    with Client(address_of(server)) as client:
        yield Repository(client)


def path_of(server: OrlopServer, digest: str) -> Path:
    algorithm, _, hex_ = digest.partition(":")
    return server.data / "store" / "blobs" / algorithm / hex_[:2] / hex_


# Damage in the store


def test_b03_a_damaged_object_fails_alone(memory: Path) -> None:
    """B03: what is cut short, empty or missing in the store gives an error, never other bytes; all else goes on."""
    with OrlopServer(memory / "data", LOG_LEVEL="error") as server:
        with Client(address_of(server)) as client:
            repository = Repository(client)
            kept = repository.push_image("kept")
            lost, cut, emptied = (repository.push_image(tag) for tag in ("lost", "cut", "emptied"))
        server.stop()
        path_of(server, lost.digest).unlink()
        path_of(server, cut.digest).write_bytes(cut.content[:-10])
        path_of(server, emptied.digest).write_bytes(b"")
        tag = server.data / "store" / "repositories" / "test" / repository.name.partition("/")[2] / "kept"
        tag.write_bytes(b"")
        server.start()
        with Requester(server.host_port) as requester, Client(address_of(server)) as client:
            for damaged in (lost, cut, emptied):
                answer = requester.ask("GET", f"{repository.base}/manifests/{damaged.digest}")
                assert answer is not None
                assert answer.status in (404, 500, 503), answer
                assert answer.codes
                assert answer.body != damaged.content
            again = Repository(client, repository.name)
            assert again.get("manifests/kept").body == kept.content
            assert again.tags() == ["cut", "emptied", "kept", "lost"]
            for damaged in (lost, cut, emptied):
                assert again.put_manifest(damaged.digest, damaged.content, OCI_IMAGE).status == 201
                assert again.get(f"manifests/{damaged.digest}").body == damaged.content


@pytest.mark.parametrize("size", [1000, 3 * MIB])
@pytest.mark.parametrize("damage", ["cut", "missing", "empty"])
def test_b01_a_short_object_is_never_a_whole_answer(
    server: OrlopServer, repository: Repository, size: int, damage: str
) -> None:
    """B01, B27: and a push repairs it."""
    content = random_bytes(size)
    digest = repository.push_blob(content)
    path = path_of(server, digest)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: size // 2] if damage == "cut" else b"")
    if size > 64 * KIB:  # smaller ones come from memory, whole
        with repository.client.connect() as connection:
            connection.send(f"GET {repository.base}/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            with contextlib.suppress(AssertionError, Closed, ConnectionResetError):
                answer = connection.read()
                assert answer.status != 200 or len(answer.body) != size
    assert repository.push_blob(content) == digest
    assert path.read_bytes() == content
    assert repository.get(f"blobs/{digest}").body == content


def test_b27_a_push_repairs_a_flipped_bit(server: OrlopServer, repository: Repository) -> None:
    """B27: one that heals the blob for every repository that has it."""
    content = random_bytes(200 * KIB)
    digest = repository.push_blob(content)
    path = path_of(server, digest)
    path.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    other = repository.sibling()
    location = other.start()
    assert other.patch(location, content, chunked=True).status == 202
    assert other.finish(location, digest).status == 201
    assert path.read_bytes() == content
    assert repository.get(f"blobs/{digest}").body == content


# Tags and manifests


def test_b11_a_tag_that_is_deleted_takes_no_other_along(repository: Repository) -> None:
    """B11."""
    pushed = repository.push_image("one")
    for tag in ("two", "three"):
        assert repository.put_manifest(tag, pushed.content, OCI_IMAGE).status == 201
    assert repository.delete("manifests/one").status == 202
    assert repository.tags() == ["three", "two"]
    assert repository.get("manifests/two").body == pushed.content
    assert repository.delete(f"manifests/{pushed.digest}").status == 202
    assert repository.get("manifests/two").status == repository.get("manifests/three").status == 404


def test_b12_a_deleted_manifests_tags_are_gone_at_once(server: OrlopServer, repository: Repository) -> None:
    """B12: also for clients that read it just before, on other connections."""
    with Client(address_of(server)) as other:
        for _ in range(20):
            pushed = repository.push_image("latest")
            assert other.get(f"{repository.base}/manifests/latest").status == 200
            assert repository.delete(f"manifests/{pushed.digest}").status == 202
            assert other.get(f"{repository.base}/manifests/latest").status == 404
            assert other.get(f"{repository.base}/manifests/{pushed.digest}").status == 404
            assert other.get(f"{repository.base}/tags/list").status == 404


def test_b13_a_delete_by_digest_loses_no_tag_that_has_moved_on(server: OrlopServer, repository: Repository) -> None:
    """B13."""
    with ThreadPoolExecutor(1) as pool, Client(address_of(server)) as other:
        for _ in range(20):
            old, new = repository.push_image("latest"), encode(repository.new_image())
            moved = pool.submit(
                other.request, "PUT", f"{repository.base}/manifests/latest", {"Content-Type": OCI_IMAGE}, new
            )
            assert repository.delete(f"manifests/{old.digest}").status == 202
            assert moved.result().status == 201
            assert repository.get("manifests/latest").body == new


def test_b19_what_one_repository_deletes_another_keeps(repository: Repository) -> None:
    """B19: as many blobs and tags as where it was first seen."""
    layers = [random_bytes(100) for _ in range(57)]
    other = repository.sibling()
    document = image(descriptor(EMPTY_JSON, OCI_EMPTY), [descriptor(layer, OCI_LAYER) for layer in layers])
    for each in (repository, other):
        for blob in (EMPTY_JSON, *layers):
            each.push_blob(blob)
        for number in range(85):
            assert each.put_manifest(f"v{number}", encode(document), OCI_IMAGE).status == 201
    assert repository.delete(f"manifests/{digest_of(encode(document))}").status == 202
    for layer in layers:
        assert repository.delete(f"blobs/{digest_of(layer)}").status == 202
    assert len(other.tags()) == 85
    assert other.get("manifests/v84").body == encode(document)
    assert [other.get(f"blobs/{digest_of(layer)}").body for layer in layers] == layers


def test_b28_a_manifest_needs_all_that_it_names(repository: Repository) -> None:
    """B28: but not its subject."""
    layer, elsewhere = random_bytes(100), random_bytes(100)
    repository.push_blob(EMPTY_JSON)
    repository.push_blob(layer)
    repository.sibling().push_blob(elsewhere)
    empty, there = descriptor(EMPTY_JSON, OCI_EMPTY), descriptor(layer, OCI_LAYER)
    absent = {"mediaType": OCI_LAYER, "digest": absent_digest(), "size": 7}
    refused = [
        (image(empty, [there, absent]), OCI_IMAGE),
        (image({**absent, "mediaType": OCI_EMPTY}, [there]), OCI_IMAGE),
        (image(empty, [descriptor(elsewhere, OCI_LAYER)]), OCI_IMAGE),
        (index([{**absent, "mediaType": OCI_IMAGE}]), OCI_INDEX),
    ]
    for document, media_type in refused:
        answer = repository.put_manifest("latest", encode(document), media_type)
        assert (answer.status, answer.codes) == (400, ["MANIFEST_BLOB_UNKNOWN"])
    assert repository.get("manifests/latest").status == 404
    subject = {"mediaType": OCI_IMAGE, "digest": absent_digest(), "size": 7}
    assert repository.put_manifest("latest", encode(image(empty, [there], subject=subject)), OCI_IMAGE).status == 201


def test_a_child_and_its_index_are_never_parted(server: OrlopServer, repository: Repository) -> None:
    """While one client pushes an index, another deletes its child: one of the two is refused."""
    with ThreadPoolExecutor(1) as pool, Client(address_of(server)) as other:
        for _ in range(20):
            child = repository.push_image()
            top = encode(index([child.descriptor()]))
            pushed = pool.submit(
                other.request, "PUT", f"{repository.base}/manifests/top", {"Content-Type": OCI_INDEX}, top
            )
            deleted = repository.delete(f"manifests/{child.digest}").status
            assert (deleted, pushed.result().status) in ((202, 400), (405, 201))
            assert repository.get(f"manifests/{child.digest}").status == (404 if deleted == 202 else 200)


def test_b29_two_hundred_referrers_at_once_are_all_listed(server: OrlopServer, repository: Repository) -> None:
    """B29."""
    repository.push_blob(EMPTY_JSON)
    empty, subject = descriptor(EMPTY_JSON, OCI_EMPTY), absent_digest()

    def attach(number: int) -> str:
        about = {"mediaType": OCI_IMAGE, "digest": subject, "size": 7}
        content = encode(image(empty, [empty], subject=about, annotations={"n": str(number)}))
        with Requester(server.host_port) as requester:
            path = f"{repository.base}/manifests/{digest_of(content)}"
            answer = requester.ask("PUT", path, content, {"Content-Type": OCI_IMAGE})
            assert answer is not None
            assert answer.status == 201
            assert answer.header("OCI-Subject") == subject
        return digest_of(content)

    with ThreadPoolExecutor(50) as pool:
        pushed = sorted(pool.map(attach, range(200)))
    assert [item["digest"] for item in repository.referrers(subject)] == pushed


def test_b36_pages_end_whatever_is_asked(repository: Repository) -> None:
    """B36."""
    pushed = repository.push_image()
    names = sorted(f"v{number}" for number in range(100))
    for first in range(0, 100, 50):
        query = "&".join(f"tag={name}" for name in names[first : first + 50])
        assert repository.put_manifest(f"{pushed.digest}?{query}", pushed.content, OCI_IMAGE).status == 201
    for count in (1, 2, 7, 99, 100, 101, 1001):
        found: list[str] = []
        target = f"{repository.base}/tags/list?n={count}"
        while target:
            answer = repository.client.get(target)
            found += answer.json()["tags"]
            links = answer.every("Link")
            target = links[0].partition(">")[0].removeprefix("<") if links else ""
            assert len(found) < 100 or not target
        assert found == names
    for last in (names[-1], "zzz"):
        assert repository.tags(f"?n=5&last={last}") == []
    assert repository.tags("?n=2&last=v50a") == ["v51", "v52"]


# Uploads


def test_b17_two_hundred_clients_push_one_blob_and_half_of_them_give_up(
    server: OrlopServer, repository: Repository
) -> None:
    """B17: whoever finishes gets 201, and no loser takes the winners' bytes along."""
    content = random_bytes(300 * KIB)
    digest = digest_of(content)
    locations = [repository.start() for _ in range(200)]
    connections = [repository.client.connect() for _ in locations]
    for connection, location in zip(connections, locations, strict=True):
        target = with_query(location, f"digest={digest}")
        connection.begin("PUT", target, len(content), content[: 100 * KIB])
    for connection in connections[::2]:
        connection.reset()
    for connection in connections[1::2]:
        connection.send(content[100 * KIB :])
    for connection in connections[1::2]:
        assert connection.read().status == 201
        connection.close()
    assert repository.get(f"blobs/{digest}").body == content
    for location in locations[::2]:
        assert repository.client.delete(location).status == 204
    assert repository.get(f"blobs/{digest}").body == content
    wait_until_tidy(server.data / "store")


def test_b18_one_blob_into_two_repositories_while_one_of_them_is_emptied(server: OrlopServer) -> None:
    """B18, as far as repositories can be deleted: by their manifests and blobs."""
    layer = random_bytes(10_000)
    document = encode(image(descriptor(EMPTY_JSON, OCI_EMPTY), [descriptor(layer, OCI_LAYER)]))

    def push_and_empty(name: str) -> None:
        with Client(address_of(server)) as client:
            mine = Repository(client, name)
            for _ in range(15):
                for blob in (EMPTY_JSON, layer):
                    mine.push_blob(blob)
                assert mine.put_manifest("latest", document, OCI_IMAGE).status == 201
                assert mine.get(f"blobs/{digest_of(layer)}").body == layer
                if name.endswith("emptied"):
                    assert mine.delete(f"manifests/{digest_of(document)}").status == 202
                    assert mine.delete(f"blobs/{digest_of(layer)}").status == 202

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push_and_empty, ["b18/kept", "b18/emptied", "b18/also-kept", "b18/also-emptied"]))
    with Client(address_of(server)) as client:
        for name, status in (("b18/kept", 200), ("b18/also-kept", 200), ("b18/emptied", 404)):
            assert Repository(client, name).get("manifests/latest").status == status


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [3_000, 3_000_000])
def test_b24_a_cut_upload_tells_what_it_holds_and_goes_on_there(
    repository: Repository, size: int, framing: str
) -> None:
    """B24: gaps and overlaps are refused, and the upload lives."""
    content, location = random_bytes(size), repository.start()
    sent = size // 2
    with repository.client.connect() as connection:
        declared = size if framing == "length" else None
        connection.begin("PATCH", location, declared, content[:sent], underway=True)
        connection.reset()
    held = settled(repository, location)
    assert held <= sent
    for wrong in (held + 1, max(0, held - 1), held + 10**9):
        if wrong != held:
            headers = {"Content-Range": f"{wrong}-{wrong + 9}"}
            answer = repository.patch(location, content[:10], headers)
            assert answer.status == 416, answer
            assert answer.header("Range") == f"0-{max(0, held - 1)}"
    headers = {"Content-Range": f"{held}-{size - 1}"}
    assert repository.finish(location, digest_of(content), content[held:], headers).status == 201
    assert repository.get(f"blobs/{digest_of(content)}").body == content


def settled(repository: Repository, location: str) -> int:
    """How many bytes the upload holds once the request that was cut has ended: an empty chunk is refused until then."""
    for _ in range(2000):
        answer = repository.patch(location, b"")
        if answer.status == 202:
            last = int(answer.header("Range").removeprefix("0-"))
            return last + 1 if last else 0
        assert answer.status == 409, answer
    raise AssertionError("the upload stays locked")


# Where the second request's head is cut, from its end; what is sent before the first one's answer is read.
CUTS = (None, -1, -2, -3, -4, -30, 20, 0)


@pytest.mark.parametrize("at", CUTS)
@pytest.mark.parametrize("to", ["another upload", "the same upload"])
def test_a_chunk_that_comes_early_is_not_taken_for_the_one_before(
    repository: Repository, to: str, at: int | None
) -> None:
    """Two chunked requests on one connection, of which the second begins while the first is being answered."""
    first, second = random_bytes(3_000), random_bytes(5_000) + b"\r\n\r\n" + random_bytes(1_000)
    location = repository.start()
    other = repository.start() if to == "another upload" else location
    heads = [
        f"PATCH {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        for target in (location, other)
    ]
    begun = heads[1] + chunk(second[:5_500])
    split = len(begun) if at is None else at if at >= 0 else len(heads[1]) + at
    with repository.client.connect() as connection:
        connection.send(heads[0] + chunk(first) + LAST_CHUNK)
        time.sleep(0.0005)
        connection.send(begun[:split])
        assert connection.read().header("Range") == "0-2999"
        connection.send(begun[split:])
        time.sleep(0.02)  # the rest comes when the request has long begun
        connection.send(chunk(second[5_500:]) + LAST_CHUNK)
        answer = connection.read()
    held = len(second) + (len(first) if other == location else 0)
    assert answer.header("Range") == f"0-{held - 1}"
    whole = first + second if other == location else second
    assert repository.finish(other, digest_of(whole)).status == 201
    assert other == location or repository.finish(location, digest_of(first)).status == 201


@pytest.mark.parametrize("of", ["what was declared", "what came"])
def test_b26_a_body_that_is_shorter_than_declared_makes_no_blob(repository: Repository, of: str) -> None:
    """B26: neither under the digest of the whole nor under that of the part."""
    content, location = random_bytes(10 * MIB), repository.start()
    part = content[: 4 * MIB]
    wanted = digest_of(content if of == "what was declared" else part)
    with repository.client.connect() as connection:
        target = with_query(location, f"digest={wanted}")
        connection.begin("PUT", target, len(content), part, underway=True)
        connection.finish_sending()
        assert connection.is_closed()
    assert repository.get(f"blobs/{wanted}").status == 404
    held = settled(repository, location)
    assert held <= len(part)
    assert repository.finish(location, digest_of(content)).codes == ["DIGEST_INVALID"]
    headers = {"Content-Range": f"{held}-{len(content) - 1}"}
    assert repository.finish(location, digest_of(content), content[held:], headers).status == 201


def test_b40_an_upload_is_cancelled_once(repository: Repository) -> None:
    """B40."""
    location = repository.start()
    repository.patch(location, b"some bytes")
    assert repository.client.delete(location).status == 204
    assert repository.client.delete(location).status == 404
    assert repository.patch(location, b"more").codes == ["BLOB_UPLOAD_UNKNOWN"]


def test_b41_a_mount_from_nowhere_begins_an_upload(repository: Repository) -> None:
    """B41: a repository that does not exist and one without the blob are told apart by nothing."""
    other = repository.sibling()
    other.push_image("latest")
    shapes = set()
    for source in (other.name, "no/such/repository", "!"):
        query = f"?mount={absent_digest()}&from={source}"
        answer = repository.request("POST", f"blobs/uploads/{query}", {"Content-Length": "0"})
        assert answer.status == 202, answer
        shapes.add((answer.header("Range"), tuple(sorted(name for name, _ in answer.headers)), answer.body))
    assert len(shapes) == 1


def test_b42_a_content_range_that_cannot_be_is_refused(repository: Repository) -> None:
    """B42."""
    content = random_bytes(1000)
    location = repository.start()
    assert repository.client.get(location).header("Range") == "0-0"
    for wrong in ("1-1000", "5-2", "a-b", "0-", "-5", "0x0-0x9", "٠-٩", "0-999999999999999999999"):
        headers = [("Content-Range", wrong.encode().decode("latin-1"))]
        answer = repository.finish(location, digest_of(content), content, headers)
        assert answer.status in (400, 416), (wrong, answer)
        assert repository.client.get(location).status == 204
    assert repository.finish(location, digest_of(content), content).status == 201


def test_the_tree_can_be_read_by_anybody(memory: Path) -> None:
    """What is served lies in the store under its name: a copy of the folder is a copy of the registry's content."""
    with OrlopServer(memory / "data", LOG_LEVEL="warning") as server:
        with Client(address_of(server)) as client:
            repository = Repository(client, "team/app")
            pushed = repository.push_image("v1")
        server.stop()
        store = memory / "copy"
        shutil.copytree(server.data / "store", store)
        digest = (store / "repositories" / "team" / "app" / "v1").read_text()
        assert digest == pushed.digest
        assert (store / "blobs" / "sha256" / digest[7:9] / digest[7:]).read_bytes() == pushed.content
        assert json.loads((store / "orlop.json").read_text())["format"] == 1
