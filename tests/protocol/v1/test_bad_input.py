"""Whatever is sent, v1 answers with a refusal of its own, and soon."""

import json
from urllib.parse import quote

import pytest

from tests.protocol.client import Client
from tests.protocol.connection import Connection
from tests.protocol.v1.docker import Docker, new_id, new_image, refused
from tests.protocol.v1.test_tables import BELONGS_NOT, UPLOADING

NAMES = (
    "A", "a//b", "_", "a%2fb", "a%2Fb", "..", "%2e%2e", "a/..", "a/_x", "%C3%A4", "a%00", "a%0A", "a%20", "-a", "a-",
    "a.", ".a", "a..b", "%D9%A1", "%EF%BC%91", "a%", "a%zz", "%FF", "a" * 256, "/".join(["a"] * 200), "a:b", "a@b",
)  # fmt: skip
IDS = (
    "x", "..", "%2e%2e", "A" * 64, "a" * 63, "a" * 65, "a" * 17, "%D9%A1" * 16, "%D9%A1" * 64, "a" * 64 + "%0A",
    "a" * 15 + "%00", "%FF", "a" * 64 + "%2f", "a%2f" * 8, "sha256:" + "a" * 64, "a" * 10_000,
)  # fmt: skip
BODIES = (
    b"", b"{", b"[", b"[]", b"{}", b"null", b"1", b'"x"', b"\xff", b"\x00", b"[1]", b"[[]]", b"[null]", b'[{"id":1}]',
    b'[{"id":null}]', b'[{"id":"x"}]', b'[{"Tag":"latest"}]', b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b"NaN",
    b'"\\ud800"', b'{"a":1,"a":2}', '"\u0663"'.encode() * 64, b"\xef\xbb\xbf{}", b"x" * (2 << 20),
    b'"' + b"a" * (2 << 20) + b'"',
)  # fmt: skip
TAGS = ("-a", ".a", "a" * 129, "a:b", "%C3%A4", "%D9%A1", "a%0A", "a%20", "%2e%2e", "a%2fb", "a%00")
HEADERS = (
    "Token", "Token ", "Token x", "Token signature=", 'Token repository="', 'Token repository="../x"',
    "Token " + "x" * 20_000, "Basic", "Basic !", "Basic YTpi", "Bearer x", "Nonsense \xff",
    f'Token repository="{"a/" * 5000}"', 'Token repository="A",repository="b"',
)  # fmt: skip
COOKIES = ("orlop_v1", "orlop_v1=", "orlop_v1=..", 'orlop_v1="', "orlop_v1=%00", "=", ";;;", "\xff", "a" * 9000)
QUERIES = (
    "q=%00", "q=%FF", "q=%", f"q={'a' * 5000}", "q=%25_%5C'\"", "n=%D9%A3", "page=1e3", "&&=&", "q=" + quote("\u202e"),
)  # fmt: skip


def is_refused(client: Client, method: str, path: str, body: bytes | None = None) -> None:
    answer = client.request(method, path, (), body)
    assert 400 <= answer.status < 500, (method, path, body and body[:40], answer)
    if method != "HEAD":
        refused(answer, answer.status)


@pytest.mark.parametrize("name", NAMES)
def test_names(registry: Client, name: str) -> None:
    for method, rest in (
        ("PUT", ""), ("PUT", "images"), ("GET", "images"), ("GET", "tags"), ("GET", "tags/x"), ("PUT", "tags/x"),
        ("DELETE", "tags/x"), ("DELETE", ""), ("GET", f"layer/{'a' * 64}/access"), ("HEAD", "tags"),
    ):  # fmt: skip
        is_refused(registry, method, f"/v1/repositories/{name}/{rest}", b"[]" if method == "PUT" else None)


@pytest.mark.parametrize("image_id", IDS)
def test_ids(docker: Docker, image_id: str) -> None:
    docker.announce([])
    for part in ("json", "layer", "ancestry", "files", "diff", "checksum"):
        for method in ("GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"):
            answer = docker.registry(method, f"images/{image_id}/{part}", None if method in ("GET", "HEAD") else b"{}")
            assert 400 <= answer.status < 500, answer
    for tag_body in (json.dumps(image_id), json.dumps("\u0663" * 64), json.dumps("\ud800" * 64)):
        answer = docker.registry("PUT", f"repositories/{docker.name}/tags/x", tag_body.encode())
        assert answer.status in (400, 404), answer


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_bodies(docker: Docker, number: int) -> None:
    body, image = BODIES[number], new_image()
    docker.announce([image])
    for method, path in (
        ("PUT", f"repositories/{docker.name}/"), ("PUT", f"repositories/{docker.name}/images"),
        ("PUT", f"repositories/{docker.name}/tags/x"), ("PUT", f"repositories/{docker.name}/properties"),
        ("PUT", f"images/{image.id}/json"), ("POST", "users/"), ("PUT", "users/x/"),
    ):  # fmt: skip
        if body == b"[]" and path.endswith(("/", "/images")) and path.startswith("repositories"):
            continue
        answer = docker.registry(method, path, body)
        assert 400 <= answer.status < 500, (method, path, answer)
        # docker waits for these very words.
        assert "error" in answer.json() or answer.json() == "Username or email already exists", (method, path, answer)
    refused(docker.image("GET", image.id, "json"), 404, "Image not found")


@pytest.mark.parametrize(
    "tag", ["-a", ".a", "a" * 129, "a:b", "%C3%A4", "%D9%A1", "a%0A", "a%20", "%2e%2e", "a%2fb", "a%00"]
)
def test_tags(docker: Docker, tag: str) -> None:
    image = new_image()
    docker.push([image])
    for method, body in (("GET", None), ("PUT", json.dumps(image.id).encode()), ("DELETE", None)):
        answer = docker.registry(method, f"repositories/{docker.name}/tags/{tag}", body)
        assert 400 <= answer.status < 500, answer
    assert docker.registry("GET", f"repositories/{docker.name}/tags").json() == {"latest": image.id}


@pytest.mark.parametrize("header", HEADERS)
def test_authorization(registry: Client, header: str) -> None:
    for method, path in (
        ("GET", f"/v1/images/{'a' * 64}/json"), ("PUT", f"/v1/images/{'a' * 64}/json"),
        ("PUT", "/v1/repositories/a/b/"), ("GET", "/v1/repositories/a/b/images"), ("GET", "/v1/users/"),
    ):  # fmt: skip
        body = b"{}" if method == "PUT" else None
        answer = registry.request(method, path, {"Authorization": header, "X-Docker-Token": "true"}, body)
        assert answer.status < 500, answer


@pytest.mark.parametrize("cookie", COOKIES)
def test_cookies(registry: Client, cookie: str) -> None:
    for method in ("GET", "PUT"):
        body = b"{}" if method == "PUT" else None
        answer = registry.request(method, f"/v1/images/{'a' * 64}/json", {"Cookie": cookie}, body)
        assert 400 <= answer.status < 500, answer


def test_queries(registry: Client) -> None:
    for query in QUERIES:
        answer = registry.get(f"/v1/search?{query}")
        assert answer.status in (200, 400), answer
        assert answer.status == 400 or answer.json()["results"] == [] or "q=" not in query


def test_a_list_of_too_many_images(docker: Docker) -> None:
    entries = [{"id": new_id()} for _ in range(12_000)]
    refused(docker.index("PUT", "/", json.dumps(entries).encode()), 400, "Invalid data")


def test_ids_that_are_one_another_s_parents(docker: Docker) -> None:
    """Nothing that follows parents may go round for ever."""
    first, second = new_image(), new_image()
    second = second._replace(json=json.dumps({"id": second.id, "parent": first.id}).encode())
    docker.announce([first, second])
    docker.put_json(first)
    docker.put_json(second)
    round_trip = first._replace(json=json.dumps({"id": first.id, "parent": second.id}).encode())
    refused(docker.put_json(round_trip), 400, "Image depends on a non existing parent")
    refused(docker.tag("x", second.id), 400, UPLOADING)


def test_json_is_kept_as_it_came(docker: Docker) -> None:
    image = new_image()
    odd = ',"x":"\u00e9 \\u00e9 \\ud83d\\ude00 \u2603", "n": 1.0, "big": 123456789012345678901234567890}\n'.encode()
    image = image._replace(json=b" " + image.json.rstrip()[:-1] + odd)
    docker.push([image])
    assert docker.pull() == [image]


def test_what_an_image_says_of_itself_is_not_trusted(docker: Docker) -> None:
    image = new_image(config=7, architecture=["x"], created="yesterday", container_config="x", os={}, Size="x")
    docker.push([image])
    assert docker.pull() == [image]
    assert docker.client.get(f"/v2/{docker.name}/manifests/latest").status == 200
    properties = docker.registry("GET", f"repositories/{docker.name}/tags/latest/json").json()
    assert (properties["arch"], properties["os"]) == ("amd64", "linux")


def test_a_stranger_among_the_ids(docker: Docker) -> None:
    image = new_image()
    docker.announce([])
    refused(docker.put_json(image), 400, BELONGS_NOT)


@pytest.mark.parametrize("part", ["json", "layer"])
def test_a_body_that_never_ends_is_given_up(docker: Docker, registry: Client, part: str) -> None:
    """The client goes; the next one is served at once."""
    image = new_image()
    docker.announce([image])
    docker.put_json(image)
    with Connection(registry.address) as connection:
        line = f"PUT /v1/images/{image.id}/{part} HTTP/1.1\r\nHost: x\r\nAuthorization: {docker.token}\r\n"
        connection.send(f"{line}Content-Length: 1000\r\n\r\nx".encode())
        docker.push([image])
    assert docker.pull() == [image]


@pytest.mark.parametrize("address", ["/v1/users/", "/v1/users/x/", "/v1/nothing", "/v2/nothing", "/api/v1/nothing"])
def test_an_answer_before_the_end_of_a_body_is_the_last(registry: Client, address: str) -> None:
    """Else a client that then sends its next request has it read as the rest of the body."""
    with Connection(registry.address) as connection:
        connection.send(f"POST {address} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx".encode())
        answer = connection.read("POST")
    assert 400 <= answer.status < 500
    assert answer.closes
