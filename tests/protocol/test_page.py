"""The page at `/`."""

import re

import pytest

from tests.protocol.client import Client


def test_the_page_tells_how_to_push_and_pull_here(registry: Client) -> None:
    answer = registry.get("/")
    assert answer.status == 200
    assert answer.header("Content-Type") == "text/html; charset=utf-8"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert "default-src 'none'" in answer.header("Content-Security-Policy")
    text = re.sub("<[^>]*>", "", answer.body.decode())
    host = f"{registry.address[0]}:{registry.address[1]}"
    for command in (
        f"docker push {host}/NAME:TAG",
        f"docker pull {host}/NAME:TAG",
        f"podman push --tls-verify=false IMAGE {host}/NAME:TAG",
        f"skopeo copy --dest-tls-verify=false SOURCE docker://{host}/NAME:TAG",
    ):
        assert command in text


def test_every_link_of_the_page_leads_somewhere(registry: Client) -> None:
    links = re.findall(r'href="([^"]*)"', registry.get("/").body.decode())
    assert {"/api/v1/repositories", "/api/v1/openapi.json", "/metrics", "/livez", "/readyz"} <= set(links)
    assert [link for link in links if registry.get(link).status != 200] == []


def test_head_of_the_page_answers_like_get(registry: Client) -> None:
    get, head = registry.get("/"), registry.head("/")
    assert [pair for pair in head.headers if pair[0] != "Date"] == [pair for pair in get.headers if pair[0] != "Date"]
    assert head.body == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_page_is_for_reading(registry: Client, method: str) -> None:
    answer = registry.request(method, "/", {"Content-Length": "0"})
    assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD")


def test_a_host_that_is_markup_is_not_repeated(registry: Client) -> None:
    with registry.connect() as connection:
        connection.send(b"GET / HTTP/1.1\r\nHost: <script>alert(1)</script>\r\n\r\n")
        answer = connection.read("GET")
    assert answer.status == 400 or b"alert" not in answer.body
