"""Parts of layers, and layers that a client has: RFC 9110, sections 13 and 14."""

import pytest

from tests.protocol.v1.docker import Docker, Image, new_image, refused

SINCE = "Mon, 24 Nov 2025 12:00:00 GMT"


@pytest.fixture
def image(docker: Docker) -> Image:
    image = new_image()
    docker.push([image])
    return image


def part(docker: Docker, image: Image, text: str, unit: str = "bytes=") -> tuple[int, list[str], bytes]:
    answer = docker.image("GET", image.id, "layer", headers={"Range": unit + text})
    return answer.status, answer.every("Content-Range"), answer.body


def test_a_part(docker: Docker, image: Image) -> None:
    size = len(image.layer)
    for text, first, last in (
        ("10-19", 10, 19), (f"10-{size}", 10, size - 1), ("10-99999999999999999999", 10, size - 1),
        ("-100", size - 100, size - 1), (f"-{size + 5}", 0, size - 1), ("-99999999999999999999", 0, size - 1),
        ("00000000000000000000000010-19", 10, 19),
    ):  # fmt: skip
        found = part(docker, image, text)
        assert found == (206, [f"bytes {first}-{last}/{size}"], image.layer[first : last + 1]), text


def test_a_part_that_is_not_there(docker: Docker, image: Image) -> None:
    size = len(image.layer)
    for text in (f"{size}-", f"{size + 1}-{size + 2}", "99999999999999999999-"):
        assert part(docker, image, text)[:2] == (416, [f"bytes */{size}"]), text


def test_what_is_no_range_is_ignored(docker: Docker, image: Image) -> None:
    for text in ("5", "9-2", "0x1-2", "1-2-3", "+1-2", "1 - 2", "\xb2-", "-\xb2", "0-1,5-6", "1_0-"):
        assert part(docker, image, text) == (200, [], image.layer), text
    for unit in ("items=", "", "bytes", "bytes:"):
        assert part(docker, image, "0-1", unit) == (200, [], image.layer), unit


def test_a_layer_without_a_byte(docker: Docker) -> None:
    image = new_image(layer=b"")
    docker.announce([image])
    docker.push_one(image, by="payload")
    answer = docker.image("GET", image.id, "layer")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("X-Docker-Size") == "0"
    assert part(docker, image, "0-")[:2] == (416, ["bytes */0"])


def test_json_has_no_parts(docker: Docker, image: Image) -> None:
    answer = docker.image("GET", image.id, "json", headers={"Range": "bytes=0-1"})
    assert (answer.status, answer.body) == (200, image.json)


@pytest.mark.parametrize("name", ["json", "layer", "ancestry"])
def test_what_a_client_has_is_not_sent_again(docker: Docker, image: Image, name: str) -> None:
    etag = docker.image("GET", image.id, name).header("ETag")
    for headers in (
        {"If-None-Match": f'"other", {etag}'}, {"If-None-Match": f"W/{etag}"}, {"If-None-Match": "*"},
        {"If-Modified-Since": SINCE}, {"If-Modified-Since": SINCE, "Range": "bytes=0-1"},
    ):  # fmt: skip
        for method in ("GET", "HEAD"):
            answer = docker.image(method, image.id, name, headers=headers)
            assert answer.status == 304, (headers, answer)
            assert answer.header("ETag") == etag
            assert answer.header("Cache-Control") == "public, max-age=31536000"
    # Section 13.1.3: where there is an entity tag, the date says nothing.
    assert (
        docker.image("GET", image.id, name, headers={"If-None-Match": '"x"', "If-Modified-Since": SINCE}).status == 200
    )


def test_what_is_not_there_is_not_unchanged(docker: Docker, image: Image) -> None:
    gone = new_image()
    refused(docker.image("GET", gone.id, "json", headers={"If-Modified-Since": SINCE}), 404, "Image not found")
    docker.announce([gone])
    docker.put_json(gone)
    for headers in ({"If-Modified-Since": SINCE}, {"If-None-Match": "*"}, {"Range": "bytes=0-0"}):
        answer = docker.image("GET", gone.id, "layer", headers=headers)
        refused(answer, 400, "Image is being uploaded, retry later")


@pytest.mark.parametrize("name", ["json", "layer", "ancestry"])
def test_head_is_get_without_a_body(docker: Docker, image: Image, name: str) -> None:
    got, looked = (docker.image(method, image.id, name) for method in ("GET", "HEAD"))
    assert looked.body == b""
    told = [[field for field in each.headers if field[0] not in ("Date", "X-Request-Id")] for each in (got, looked)]
    assert sorted(told[0]) == sorted(told[1])
