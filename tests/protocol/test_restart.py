"""What a registry is told outlives it: stopped in order, or killed."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import KIB, MIB, OCI_IMAGE, digest_of, index, random_bytes
from tests.protocol.repository import Repository
from tests.protocol.requirements import meets
from tests.servers import OrlopServer

End = Callable[[OrlopServer], object]


def stopped(server: OrlopServer) -> None:
    assert server.stop() == 0


def killed(server: OrlopServer) -> None:
    server.kill()


@meets("beyond-restart")
@pytest.mark.parametrize("end", [stopped, killed])
def test_uploads_go_on_after_a_restart(data: Path, end: End) -> None:
    """B25: in their middle, and at their end, where only the digest is to be said; those that were cancelled do not."""
    contents = [(random_bytes(size), name) for size in (10, 70_000, 3 * MIB) for name in ("sha256", "sha512")]
    whole = [random_bytes(500 * KIB) for _ in range(3)]
    server = OrlopServer(data=data).start()
    with Client(address_of(server)) as client:
        repository = Repository(client, "a/b")
        fresh = repository.start()
        halves = [repository.start(f"?digest-algorithm={name}") for _, name in contents]
        for location, (content, _) in zip(halves, contents, strict=True):
            half = content[: len(content) // 2]
            assert repository.patch(location, half, chunked=len(half) % 2 == 0).status == 202
        wholes = [repository.patch(repository.start(), content).header("Location") for content in whole]
        cancelled = repository.patch(repository.start(), whole[0]).header("Location")
        assert client.delete(cancelled).status == 204
    end(server)
    with server, Client(address_of(server)) as client:
        repository = Repository(client, "a/b")
        for location, (content, name) in zip(halves, contents, strict=True):
            middle = len(content) // 2
            told = client.get(location)
            assert told.status == 204
            assert told.header("Range") == f"0-{middle - 1}"
            headers = {"Content-Range": f"{middle}-{len(content) - 1}"}
            assert repository.patch(location, content[middle:], headers).status == 202
            assert repository.finish(location, digest_of(content, name)).status == 201
            assert repository.get(f"blobs/{digest_of(content, name)}").body == content
        assert repository.finish(wholes[0], digest_of(whole[0])).status == 201
        assert repository.finish(wholes[1], digest_of(whole[1], "sha512")).status == 201
        assert repository.finish(wholes[2], digest_of(whole[1])).codes == ["DIGEST_INVALID"]
        assert repository.finish(wholes[2], digest_of(whole[2])).status == 201
        for content, name in zip(whole, ("sha256", "sha512", "sha256"), strict=True):
            assert repository.get(f"blobs/{digest_of(content, name)}").body == content
        assert repository.finish(fresh, digest_of(b"x"), b"x").status == 201
        assert client.get(cancelled).status == 404
        assert repository.finish(cancelled, digest_of(whole[0])).status == 404


@meets("beyond-restart", "beyond-cut")
def test_chunks_that_were_under_way_when_the_server_was_killed_are_resumed(data: Path) -> None:
    contents = [random_bytes(6 * MIB) for _ in range(2)]
    server = OrlopServer(data=data).start()
    with Client(address_of(server)) as client, client.connect() as first, client.connect() as second:
        repository = Repository(client, "a")
        locations = [repository.patch(repository.start(), content[:MIB]).header("Location") for content in contents]
        first.begin("PATCH", locations[0], 5 * MIB, contents[0][MIB : 5 * MIB])
        second.begin("PATCH", locations[1], None, contents[1][MIB : 5 * MIB])
        deadline = time.monotonic() + 20
        while any(held(client, location) < 2 * MIB for location in locations):
            assert time.monotonic() < deadline
        server.kill()
    with server, Client(address_of(server)) as client:
        repository = Repository(client, "a")
        for location, content in zip(locations, contents, strict=True):
            at = held(client, location)
            assert 2 * MIB <= at <= 5 * MIB
            headers = {"Content-Range": f"{at}-{6 * MIB - 1}"}
            assert repository.patch(location, content[at:], headers).status == 202
            assert repository.finish(location, digest_of(content)).status == 201
            assert repository.get(f"blobs/{digest_of(content)}").body == content


def held(client: Client, location: str) -> int:
    return int(client.get(location).header("Range").removeprefix("0-")) + 1


@meets("beyond-restart")
@pytest.mark.parametrize("end", [stopped, killed])
def test_what_was_acknowledged_is_there_after_a_restart(data: Path, end: End) -> None:
    """B01."""
    server = OrlopServer(data=data).start()
    with Client(address_of(server)) as client:
        repository, other = Repository(client, "a/b"), Repository(client, "c")
        child = repository.push_image()
        parent = repository.push_manifest(index([child.descriptor()]), "v1")
        moved, gone = repository.push_image("moved"), repository.push_image("gone")
        assert repository.put_manifest("moved", child.content, OCI_IMAGE).status == 201
        assert repository.delete("manifests/gone").status == 202
        deleted = repository.push_image("deleted")
        assert repository.delete(f"manifests/{deleted.digest}").status == 202
        referrer = repository.push_manifest({**repository.new_image(), "subject": child.descriptor()})
        blob = other.push_blob(random_bytes(100_000), "sha512")
        content = other.get(f"blobs/{blob}").body
        assert other.delete(f"blobs/{other.push_blob(b'short-lived')}").status == 202
    end(server)
    with server, Client(address_of(server)) as client:
        repository, other = Repository(client, "a/b"), Repository(client, "c")
        assert repository.tags() == ["moved", "v1"]
        assert repository.get("manifests/v1").body == parent.content
        assert repository.get("manifests/moved").body == child.content
        for kept in (moved, gone, child, referrer):
            assert repository.get(f"manifests/{kept.digest}").body == kept.content
        for reference in ("gone", "deleted", deleted.digest):
            assert repository.get(f"manifests/{reference}").status == 404
        assert [each["digest"] for each in repository.referrers(child.digest)] == [referrer.digest]
        assert other.get(f"blobs/{blob}").body == content
        assert other.get(f"blobs/{digest_of(b'short-lived')}").status == 404
        assert client.get("/v2/_catalog").json() == {"repositories": ["a/b"]}
