"""Orlop's own API: its paths, its description, its status."""

from pathlib import Path

import pytest

from tests.protocol.api import ROOT, Api, check_described, description_of
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.repository import Repository
from tests.servers import OrlopServer


@pytest.fixture
def api(registry: Client) -> Api:
    return Api(registry)


QUERIES = {"/api/v1/diff": "?a={name}:v1&b={name}:v1", "/api/v1/search": "?q=v1"}
"""What cannot be left out."""


def paths_of(client: Client, repository: Repository) -> dict[str, dict[str, object]]:
    """Every path that is described, with what stands for its parts."""
    digest = repository.push_image("v1").digest
    values = {"{name}": repository.name, "{tag}": "v1", "{reference}": "v1", "{digest}": digest, "{path}": ""}
    paths = {}
    for template, item in description_of(client)["paths"].items():
        for part, value in values.items():
            template = template.replace(part, value)
        paths[template + QUERIES.get(template, "").format(name=repository.name)] = item
    return paths


def test_every_path_answers_as_it_is_described(repository: Repository, api: Api) -> None:
    for path, item in paths_of(api.client, repository).items():
        for method in ("GET", "DELETE"):
            repository.push_image("v1")
            answer = api.request(method, path.removeprefix(ROOT))
            # What is pushed here is no image: what looks into images says so.
            answered = answer.status == 200 or answer.json()["code"] == "NOT_AN_IMAGE"
            assert answered == (method.lower() in item), answer


def test_head_answers_like_get_without_the_body(repository: Repository, api: Api) -> None:
    repository.push_image("v1")
    for path in paths_of(api.client, repository):
        if path.endswith("/status"):
            continue  # it differs from second to second
        get, head = (api.request(method, path.removeprefix(ROOT)) for method in ("GET", "HEAD"))
        told = [[pair for pair in answer.headers if pair[0] not in ("Date", "X-Request-Id")] for answer in (get, head)]
        assert told[0] == told[1]
        assert (head.status, head.body) == (get.status, b"")
        assert get.status in (200, 422)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_method_that_a_path_has_not_is_405_with_those_that_it_has(
    repository: Repository, api: Api, method: str
) -> None:
    repository.push_image("v1")
    for path, item in paths_of(api.client, repository).items():
        known = [key.upper() for key in item if key != "parameters"]
        if method in known:
            continue
        answer = api.request(method, path.removeprefix(ROOT))
        assert answer.status == 405
        assert sorted(answer.header("Allow").split(", ")) == sorted([*known, "HEAD"])
        assert answer.json()["code"] == "METHOD_UNSUPPORTED"
    assert repository.tags() == ["v1"]


@pytest.mark.parametrize(
    "path",
    [
        "/", "/v1", "/v1/", "/v1/nothing", "/v1/repositories/", "/v1/repositories/a", "/v1/gc/", "/v1/why", "/v1/why/",
        "/v1/repositories/a/-/", "/v1/repositories/a/-/nothing", "/v1/repositories/a/-/tags/",
        "/v1/repositories/a/-/tags/x/y", "/v1/repositories/a/-/manifests", "/v1/repositories/a/-/-/tags",
        "/v1/status/", "/v1/openapi.json/x", "/v2/status", "/v1//repositories", "/v1/repositories/a/tags", "/%2D",
        "/v1/-/tags", "/v1/x/a/-/tags",
    ],
)  # fmt: skip
def test_an_unknown_path_is_a_404_problem(registry: Client, path: str) -> None:
    answer = registry.get(f"/api{path}")
    assert answer.status == 404, answer
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.json()["code"] == "PATH_UNKNOWN"


@pytest.mark.parametrize("name", ["A", "a//b", "a%20b", "%C3%A4", "_", "a/", "..", "a/../b", "%2e%2e", "a" * 256, ""])
def test_a_name_that_cannot_be_is_refused(api: Api, name: str) -> None:
    for path in ("tags", "tags/v1", "manifests/v1"):
        problem = api.refused(f"/repositories/{name}/-/{path}")
        assert (problem["status"], problem["code"]) == (400, "NAME_INVALID")


def test_a_repository_may_be_called_as_the_api_calls_its_parts(registry: Client, api: Api) -> None:
    for name in ("tags/v1", "repositories", "a/manifests/tags", "status"):
        repository = Repository(registry, f"{name}")
        repository.push_image("v1")
        assert api.get(f"/repositories/{name}/-/tags/v1")["name"] == "v1"


@pytest.mark.parametrize(
    "target", ["/api/v1/repositories/\xe4/-/tags", "/api/v1/repositories?filter=\xe4", "/api/\xff"]
)
def test_bytes_that_no_address_may_hold_are_refused(registry: Client, target: str) -> None:
    answer = registry.get(target)
    assert 400 <= answer.status < 500, answer


def test_the_status_tells_how_the_registry_is(data: Path) -> None:
    with OrlopServer(data=data) as server, Client(address_of(server)) as client:
        repository = Repository(client, "a/b")
        pushed = repository.push_image("v1")
        repository.put_manifest("v2", pushed.content, pushed.media_type)
        status = Api(client).get("/status")
        assert status["version"] in server.log
        assert status["storage"]["driver"] == "local"
        assert status["storage"]["url"] == f"file:{data}/store"
        assert status["storage"]["total"] > status["storage"]["free"] > 0
        assert 0 < status["storage"]["floor"] <= 1 << 30
        assert status["database"]["kind"] == "sqlite"
        assert status["database"]["size"] >= (data / "orlop.db").stat().st_size
        assert status["counts"] == {"repositories": 1, "manifests": 1, "tags": 2}
        assert status["started_at"].startswith("20")


def test_the_status_of_a_store_in_memory_has_no_disk() -> None:
    with OrlopServer(storage="memory") as server, Client(address_of(server)) as client:
        storage = Api(client).get("/status")["storage"]
    assert storage == {"driver": "memory", "url": "memory:", "total": None, "free": None, "floor": None}


def test_the_description_is_one_that_clients_can_read(registry: Client) -> None:
    answer = registry.get("/api/v1/openapi.json")
    check_described(registry, "GET", "/api/v1/openapi.json", answer)
    document = answer.json()
    assert document["openapi"] == "3.1.0"
    operations = [item[method] for item in document["paths"].values() for method in item if method != "parameters"]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    for operation in operations:
        assert operation["summary"]
        assert "400" in operation["responses"]
