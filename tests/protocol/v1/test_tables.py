"""Each endpoint of registry and index: what it answers, and in which words it refuses."""

import gzip
import json
import threading
from typing import Any

import pytest

from tests.protocol.client import Client
from tests.protocol.repository import Repository
from tests.protocol.v1.docker import Docker, archive, new_chain, new_id, new_image, refused


@pytest.mark.parametrize("path", ["/_ping", "/v1/_ping"])
def test_ping(registry: Client, path: str) -> None:
    answer = registry.get(path)
    assert (answer.status, answer.json()) == (200, {})
    assert answer.header("X-Docker-Registry-Standalone") == "false"  # so clients use tokens
    assert answer.header("Cache-Control") == "no-cache"
    assert registry.request("POST", path, (), b"").status == 405


@pytest.mark.parametrize("path", ["/_status", "/v1/_status"])
def test_status(registry: Client, path: str) -> None:
    document = registry.get(path).json()
    assert document["services"] == ["database", "storage"]
    assert document["failures"] == {}


def test_users(registry: Client) -> None:
    answer = registry.request("POST", "/v1/users/", (), b'{"username": "a", "password": "b", "email": "c"}')
    assert (answer.status, answer.body) == (400, b'"Username or email already exists"')
    assert registry.get("/v1/users/").json() == "OK"
    assert registry.request("PUT", "/v1/users/alice/", (), b"{}").status == 403


def test_search(registry: Client) -> None:
    docker = Docker(registry)
    docker.push(new_chain(1))
    part = docker.name.rpartition("-")[2]
    document = registry.get(f"/v1/search?q={part}&n=25").json()
    assert (document["query"], document["num_results"], document["page"]) == (part, 1, 1)
    assert document["results"][0]["name"] == docker.name
    assert document["results"][0]["description"] == ""
    assert registry.get("/v1/search?q=%25").json()["results"] == []
    assert registry.get(f"/v1/search?q={part}&page=2").json()["results"] == []
    for query in ("n=0", "n=-1", "n=x", "n=1_0", "n=%D9%A1", "page=0", "n=99999999999999999999"):
        assert registry.get(f"/v1/search?q=a&{query}").status == 400, query
    assert registry.get("/v1/search?q=a&n=1000").json()["page_size"] == 100


def test_the_steps_of_a_push_in_a_wrong_order(docker: Docker) -> None:
    image = new_image()
    refused(docker.image("PUT", image.id, "json", image.json), 400, NO_NAMESPACE)
    docker.announce([image])
    refused(docker.image("PUT", image.id, "layer", image.layer), 404, "Image not found")
    refused(docker.image("PUT", image.id, "checksum", b"", SUM), 404, "Image not found")
    refused(docker.image("PUT", new_id(), "json", image.json), 400, "JSON data contains invalid id")
    stranger = new_image()
    refused(docker.image("PUT", stranger.id, "json", stranger.json), 400, BELONGS_NOT)
    assert docker.image("PUT", image.id, "json", image.json).status == 200
    refused(docker.image("PUT", image.id, "checksum", b""), 412, "Missing Image's checksum")
    refused(docker.image("PUT", image.id, "checksum", b"", {"X-Docker-Checksum": "crc:1"}), 400, FORMAT)
    refused(docker.tag("latest", image.id), 400, UPLOADING)
    assert docker.image("PUT", image.id, "layer", image.layer).status == 200
    for part in ("json", "layer", "ancestry", "files", "diff"):
        refused(docker.image("GET", image.id, part), 400, UPLOADING)
    refused(docker.image("PUT", image.id, "checksum", b"", SUM), 400, "Checksum mismatch")
    wrong = {"X-Docker-Checksum-Payload": image.payload, "X-Docker-Checksum": f"tarsum+sha256:{'0' * 64}"}
    refused(docker.image("PUT", image.id, "checksum", b"", wrong), 400, "Checksum mismatch")
    refused(docker.image("GET", image.id, "json"), 400, UPLOADING)
    assert docker.image("PUT", image.id, "checksum", b"", {"X-Docker-Checksum-Payload": image.payload}).status == 200
    refused(docker.image("PUT", image.id, "checksum", b"", SUM), 409, "Cannot set this image checksum")
    assert docker.image("GET", image.id, "layer").body == image.layer


NO_NAMESPACE = "Missing namespace in request: ask the index first, and send its token or its cookie"
BELONGS_NOT = "This image does not belong to the repository"
UPLOADING = "Image is being uploaded, retry later"
FORMAT = "Invalid checksum format"
SUM = {"X-Docker-Checksum-Payload": f"sha256:{'0' * 64}"}


@pytest.mark.parametrize("label", ["tarsum+sha256", "tarsum.v1+sha256", "tarsum.dev+sha256"])
def test_each_tarsum_ends_a_push_and_a_wrong_one_does_not(docker: Docker, label: str) -> None:
    image = new_image()
    docker.announce([image])
    docker.image("PUT", image.id, "json", image.json)
    docker.image("PUT", image.id, "layer", image.layer)
    other = {"tarsum+sha256": "tarsum.v1+sha256"}.get(label, "tarsum+sha256")
    wrong = f"{label}:{image.tarsum(other).partition(':')[2]}"
    refused(docker.image("PUT", image.id, "checksum", b"", {"X-Docker-Checksum": wrong}), 400, "Checksum mismatch")
    answer = docker.image("PUT", image.id, "checksum", b"", {"X-Docker-Checksum": image.tarsum(label)})
    assert answer.status == 200
    assert image.tarsum(label) in docker.image("GET", image.id, "json").header("X-Docker-Checksum-Payload")


def test_a_checksum_with_the_json_ends_the_push_with_the_layer(docker: Docker) -> None:
    """As docker did until 0.6."""
    image = new_image()
    docker.announce([image])
    docker.image("PUT", image.id, "json", image.json, {"X-Docker-Checksum": image.tarsum()})
    refused(docker.image("PUT", image.id, "layer", b"another"), 400, "Checksum mismatch")
    assert docker.image("PUT", image.id, "layer", image.layer).status == 200
    assert docker.image("GET", image.id, "layer").body == image.layer


def test_a_checksum_before_the_layer_is_compared_when_that_comes(docker: Docker) -> None:
    image = new_image()
    docker.announce([image])
    docker.image("PUT", image.id, "json", image.json)
    assert docker.image("PUT", image.id, "checksum", b"", {"X-Docker-Checksum": image.tarsum()}).status == 200
    refused(docker.image("GET", image.id, "json"), 400, UPLOADING)
    refused(docker.image("PUT", image.id, "layer", b"another"), 400, "Checksum mismatch")
    assert docker.image("PUT", image.id, "layer", image.layer).status == 200
    refused(docker.image("GET", image.id, "json"), 400, UPLOADING)
    assert docker.image("PUT", image.id, "checksum", b"", {"X-Docker-Checksum-Payload": image.payload}).status == 200
    assert docker.image("GET", image.id, "layer").body == image.layer


def test_a_push_that_failed_is_made_again_from_the_start(docker: Docker) -> None:
    image = new_image()
    docker.announce([image])
    docker.image("PUT", image.id, "json", b'{"id": "%s", "wrong": 1}' % image.id.encode())
    docker.image("PUT", image.id, "layer", gzip.compress(archive({"wrong": b"x"})))
    docker.push_one(image)
    assert docker.image("GET", image.id, "json").body == image.json
    assert docker.image("GET", image.id, "layer").body == image.layer


def test_two_clients_that_push_one_image_make_one(registry: Client) -> None:
    """Whoever loses is refused in one step or another; nobody ever reads a half of each."""
    image = new_image()
    other = image._replace(layer=gzip.compress(archive({"other": b"x" * 3000})))
    name = Docker(registry).name
    Docker(registry, name).announce([image])
    problems: list[BaseException] = []

    def push(mine: Any) -> None:
        try:
            with Client(registry.address) as client:
                docker = Docker(client, name)
                docker.announce([mine])
                for _ in range(5):
                    docker.image("PUT", mine.id, "json", mine.json)
                    docker.image("PUT", mine.id, "layer", mine.layer)
                    docker.image("PUT", mine.id, "checksum", b"", {"X-Docker-Checksum-Payload": mine.payload})
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=push, args=(each,)) for each in (image, other, image, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    docker = Docker(registry, name)
    docker.announce([])
    docker.push_one(image)
    layer = docker.image("GET", image.id, "layer").body
    assert layer in (image.layer, other.layer)
    sums = docker.image("GET", image.id, "json").header("X-Docker-Checksum-Payload")
    assert image._replace(layer=layer).payload in sums


@pytest.mark.parametrize("image_id", ["x", "A" * 64, "a" * 63, "..", "%2e%2e", "a" * 65, "%D9%A1" * 16])
@pytest.mark.parametrize("part", ["json", "layer", "ancestry", "files", "diff"])
def test_ids_that_cannot_be(docker: Docker, image_id: str, part: str) -> None:
    docker.announce([])
    answer = docker.registry("GET", f"images/{image_id}/{part}")
    assert answer.status in (400, 404)
    assert set(answer.json()) == {"error"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Invalid JSON"),
        (b"[]", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b'{"id": NaN}', "Invalid JSON"),
        (b"{}", "Missing key `id' in JSON"),
        (b'{"id": 1}', "JSON data contains invalid id"),
    ],
)
def test_json_that_cannot_be(docker: Docker, content: bytes, message: str) -> None:
    image = new_image()
    docker.announce([image])
    refused(docker.image("PUT", image.id, "json", content), 400, message)


def test_parents_and_sizes(docker: Docker) -> None:
    orphan = new_image(new_id())
    docker.announce([orphan])
    refused(docker.image("PUT", orphan.id, "json", orphan.json), 400, "Image depends on a non existing parent")
    answer = docker.image("PUT", orphan.id, "json", b" " * (1 << 20) + b" ")
    assert answer.status == 400
    assert "1 MiB" in answer.json()["error"]


def test_ranges_of_a_layer(docker: Docker) -> None:
    image = new_image()
    docker.push([image])
    size = len(image.layer)
    for asked, first, last in (
        ("0-0", 0, 0), ("5-9", 5, 9), (f"{size - 1}-", size - 1, size - 1), ("0-", 0, size - 1),
        ("-1", size - 1, size - 1), (f"3-{size * 2}", 3, size - 1),
    ):  # fmt: skip
        answer = docker.image("GET", image.id, "layer", headers={"Range": f"bytes={asked}"})
        assert answer.status == 206
        assert answer.body == image.layer[first : last + 1]
        assert answer.header("Content-Range") == f"bytes {first}-{last}/{size}"
    for asked in (f"bytes={size}-", "bytes=-0"):
        answer = docker.image("GET", image.id, "layer", headers={"Range": asked})
        assert answer.status == 416
        assert answer.header("Content-Range") == f"bytes */{size}"
    for asked in ("bytes=x-y", "lines=1-2", "bytes=", "bytes=-", "bytes=\u0661-", "nonsense"):
        answer = docker.image("GET", image.id, "layer", headers={"Range": asked.encode().decode("latin-1")})
        assert (answer.status, answer.body) == (200, image.layer), asked
    head = docker.image("HEAD", image.id, "layer")
    assert head.header("Content-Length") == head.header("X-Docker-Size") == str(size)
    assert head.header("Accept-Ranges") == "bytes"
    assert head.header("Content-Type") == "application/octet-stream"


def test_what_never_changes_may_be_kept(docker: Docker) -> None:
    chain = new_chain(2)
    docker.push(chain)
    for part in ("json", "ancestry"):
        answer = docker.image("GET", chain[1].id, part)
        assert answer.header("Cache-Control") == "public, max-age=31536000"
        assert answer.header("Last-Modified") == "Thu, 01 Jan 1970 00:00:00 GMT"
        etag = answer.header("ETag")
        assert docker.image("GET", chain[1].id, part, headers={"If-None-Match": etag}).status == 304
        assert docker.image("GET", chain[1].id, part, headers={"If-None-Match": '"x"'}).status == 200
        since = {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}
        assert docker.image("GET", chain[1].id, part, headers=since).status == 304
    etag = docker.image("GET", chain[1].id, "layer").header("ETag")
    assert docker.image("GET", chain[1].id, "layer", headers={"If-None-Match": etag}).status == 304
    assert docker.image("GET", chain[1].id, "ancestry").json() == [chain[1].id, chain[0].id]
    for part in ("files", "diff"):  # not computed yet
        answer = docker.image("GET", chain[1].id, part)
        assert (answer.status, answer.body) == (200, b"")


def test_tags(docker: Docker) -> None:
    path = f"repositories/{docker.name}/tags"
    refused(docker.registry("GET", path), 404, "Repository not found")
    refused(docker.registry("DELETE", path), 404, "Repository not found")
    image = new_image()
    docker.push([image], "v1")
    refused(docker.registry("GET", f"{path}/v2"), 404, "Tag not found")
    refused(docker.tag("v2", new_id()), 404, "Image not found")
    refused(docker.tag("v2", "../x"), 404, "Image not found")
    for body in (b"", b"{}", b"3", b"[", b"'x'", b"\xff"):
        refused(docker.registry("PUT", f"{path}/v2", body), 400, "Invalid data")
    assert docker.tag("no:tag", image.id).status == 400
    assert docker.registry("GET", f"{path}/v1").json() == image.id
    properties = docker.registry("GET", f"{path}/v1/json").json()
    assert (properties["docker_version"], properties["arch"], properties["os"]) == ("1.0.1", "amd64", "linux")
    assert properties["last_update"] > 1_700_000_000
    unknown = docker.registry("GET", f"{path}/none/json").json()
    assert unknown == {
        "last_update": None, "docker_version": None, "docker_go_version": None, "arch": "amd64", "os": "linux",
        "kernel": None,
    }  # fmt: skip
    assert docker.registry("GET", f"repositories/{docker.name}/json").status == 200
    assert docker.registry("DELETE", f"repositories/{docker.name}/").json() is True
    assert Repository(docker.client, docker.name).tags() == []
    assert docker.image("GET", image.id, "json").status == 200  # images stay, as they may be in use


def test_the_index(docker: Docker) -> None:
    refused(docker.index("GET", "/images"), 404, "Repository not found")
    for body, message in ((b"{", "Error Decoding JSON"), (b"{}", "Invalid data"), (b'[{"id": "x"}]', "Invalid data")):
        refused(docker.index("PUT", "/", body), 400, message)
        refused(docker.index("PUT", "/images", body), 400, message)
    chain = new_chain(2)
    docker.push(chain)
    listed = docker.index("GET", "/images")
    assert {entry["id"]: entry["checksum"] for entry in listed.json()} == {each.id: each.payload for each in chain}
    token = f'Token signature=open,repository="{docker.name}",access=read'
    assert listed.header("X-Docker-Token") == listed.header("WWW-Authenticate") == token
    assert "X-Docker-Token" not in dict(docker.index("GET", "/images", ask=False).headers)
    assert docker.index("DELETE", "/images").status == 204
    assert "access=delete" in docker.token
    assert docker.index("PUT", "/auth", b"").json() == "OK"
    path = f"/layer/{chain[0].id}/access"
    assert docker.index("GET", path).json() == {"access": True}
    assert docker.index("GET", f"/layer/{new_id()}/access").json() == {"access": False}
    assert docker.index("GET", "/properties").json() == {"access": "public"}
    assert docker.index("PUT", "/properties", b'{"access": "public"}').json() is True
    assert docker.index("PUT", "/properties", b'{"access": "private"}').status == 403
    refused(docker.index("PUT", "/properties", b'{"access": "x"}'), 400, "Invalid data")


def test_a_cookie_names_the_repository_too(docker: Docker) -> None:
    image = new_image()
    answer = docker.index("PUT", "/", json.dumps([{"id": image.id}]).encode(), ask=False)
    cookie = {"Cookie": answer.header("Set-Cookie").partition(";")[0]}
    assert docker.token == ""
    assert docker.image("PUT", image.id, "json", image.json, cookie).status == 200
    assert docker.image("PUT", image.id, "layer", image.layer, cookie).status == 200
    sums = {"X-Docker-Checksum-Payload": image.payload}
    assert docker.image("PUT", image.id, "checksum", b"", {**cookie, **sums}).status == 200
    # To read, the id alone is enough.
    assert docker.image("GET", image.id, "layer").body == image.layer


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1/x", "/v1/images", "/v1/images/x", "/v1/images/x/y/z", "/v1/repositories", "/v1/repositories/"],
)
def test_nothing_is_at_other_addresses(registry: Client, path: str) -> None:
    answer = registry.get(path)
    assert answer.status == 404


@pytest.mark.parametrize("name", ["A", "a//b", "_", "a%2fb", "..", "a" * 256, "a/_x", "%C3%A4"])
def test_names_that_cannot_be(registry: Client, name: str) -> None:
    for path in ("tags", "images", "tags/x", ""):
        method = "GET" if path else "PUT"
        answer = registry.request(method, f"/v1/repositories/{name}/{path}", (), None if path else b"[]")
        assert answer.status == 400, (path, answer)


def test_methods_that_are_not_there(docker: Docker) -> None:
    docker.push(new_chain(1))
    for method, path in (("POST", f"/v1/repositories/{docker.name}/tags"), ("DELETE", f"/v1/images/{new_id()}/json")):
        answer = docker.client.request(method, path, (), b"")
        assert answer.status == 405
        assert answer.header("Allow")
