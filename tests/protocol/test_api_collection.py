"""Orlop's own API: collection, what keeps a digest, and the end of a repository."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop.maintenance.turn import COLLECTION, turn
from tests.protocol.accounts import ADMIN, PEOPLE, house
from tests.protocol.api import Api
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import absent_digest, random_bytes
from tests.protocol.repository import Repository
from tests.servers import OrlopServer


@pytest.fixture(scope="module")
def server() -> Iterator[OrlopServer]:
    """A registry whose leases are over soon."""
    with OrlopServer(LIMITS_LEASE="1s", RETENTION="ci/** untagged 1s", LOG_LEVEL="warning") as server:
        yield server
        assert "Traceback" not in server.log


@pytest.fixture
def client(server: OrlopServer) -> Iterator[Client]:
    with Client(address_of(server)) as client:
        yield client


@pytest.fixture
def api(client: Client) -> Api:
    return Api(client)


def collect(api: Api) -> None:
    """Starts a run and waits for its end."""
    before = api.get("/gc")["last"]
    assert api.request("POST", "/gc").json() == {"started": True, "preview": None}
    deadline = time.monotonic() + 20
    while (state := api.get("/gc"))["running"] or state["last"] == before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_collection_is_started_and_tells_what_it_took(client: Client, api: Api) -> None:
    repository = Repository(client)
    content = random_bytes(1000)
    digest = repository.push_blob(content)
    kept = repository.push_image("latest")
    assert api.get("/gc")["retention"] == ["ci/** untagged 1s"]
    assert api.get("/gc")["interval"] == 3600
    chains = api.get(f"/why/{digest}")["chains"]
    assert [step["kind"] for step in chains[0]] == ["lease", "content"]
    time.sleep(1.2)
    assert api.get(f"/why/{digest}")["chains"] == []
    assert api.get(f"/why/{digest}")["waits_since"] is not None
    shown = api.request("POST", "/gc?dry_run=true").json()
    assert shown["started"] is False
    assert {"digest": digest, "size": 1000} in shown["preview"]["blobs"]
    assert repository.get(f"blobs/{digest}").status == 200
    collect(api)
    last = api.get("/gc")["last"]
    assert (last["blobs"], last["bytes"]) == (shown["preview"]["blob_count"], shown["preview"]["bytes"])
    assert repository.head(f"blobs/{digest}").status == 404
    assert api.get(f"/why/{digest}")["state"] == "removed"
    assert repository.get("manifests/latest").body == kept.content
    repository.push_blob(content)
    assert repository.get(f"blobs/{digest}").body == content


def test_a_rule_lets_go_of_what_no_tag_names(client: Client, api: Api) -> None:
    repository = Repository(client, "ci/build")
    first, second = repository.push_image("v1"), repository.push_image("v1")
    why = api.get(f"/why/{first.digest}")
    assert [step["kind"] for chain in why["chains"] for step in chain][-2:] == ["untagged", "manifest"]
    time.sleep(1.2)
    collect(api)
    assert repository.get(f"manifests/{first.digest}").status == 404
    assert repository.get("manifests/v1").body == second.content


def test_one_collection_at_a_time(server: OrlopServer, api: Api) -> None:
    with turn(server.data, COLLECTION):
        assert api.get("/gc")["running"] is True
        assert api.refused("/gc", "POST")["code"] == "BUSY"
    collect(api)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/why/latest", "DIGEST_INVALID"),
        (f"/why/{absent_digest()}", "BLOB_UNKNOWN"),
        (f"/why/{'0' * 40}", "BLOB_UNKNOWN"),
        ("/why/sha256:..%2f..", "DIGEST_INVALID"),
        ("/gc?dry_run=true", "PARAMETER_UNKNOWN"),
    ],
)
def test_what_cannot_be_asked_is_refused(api: Api, path: str, code: str) -> None:
    assert api.refused(path)["code"] == code


def test_an_open_upload_is_kept(client: Client, api: Api) -> None:
    repository = Repository(client)
    location = repository.start()
    upload_id = location.rpartition("/")[2]
    (chain,) = api.get(f"/why/{upload_id}")["chains"]
    assert (chain[0]["kind"], chain[0]["name"]) == ("upload", repository.name)
    assert repository.client.request("DELETE", location).status == 204


def test_a_repository_is_deleted_whole(client: Client, api: Api) -> None:
    repository, other = Repository(client), Repository(client)
    pushed = repository.push_image("v1")
    repository.put_manifest("v2", pushed.content, pushed.media_type)
    kept = other.push_image("v1")
    path = f"/repositories/{repository.name}/-"
    told = api.request("DELETE", f"{path}?dry_run=true").json()
    assert (told["repository"], told["dry_run"], told["tags"], told["manifests"]) == (repository.name, True, 2, 1)
    assert repository.tags() == ["v1", "v2"]
    assert api.request("DELETE", path).json() == {**told, "dry_run": False}
    assert repository.get("tags/list").status == 404
    assert repository.get(f"manifests/{pushed.digest}").status == 404
    assert repository.name not in client.get("/v2/_catalog?n=1000").json()["repositories"]
    assert other.get("manifests/v1").body == kept.content
    assert api.refused(path, "DELETE")["code"] == "REPOSITORY_UNKNOWN"
    repository.push_image("v1")
    assert repository.tags() == ["v1"]


def test_a_deleted_repository_is_gone_after_a_restart_and_a_rebuild(tmp_path: Path) -> None:
    with OrlopServer(tmp_path / "data") as server, Client(address_of(server)) as client:
        repository = Repository(client)
        repository.push_image("v1")
        assert Api(client).request("DELETE", f"/repositories/{repository.name}/-").status == 200
        server.restart()
        with Client(address_of(server)) as again:
            assert again.get("/v2/_catalog").json()["repositories"] == []
    assert not list((tmp_path / "data" / "store" / "repositories").rglob("*"))


def test_collection_is_for_admins_and_a_repository_for_who_may_delete() -> None:
    with house() as people:
        alice, root, nobody = people.by_password(PEOPLE[0]), people.by_password(ADMIN), people.client()
        own = f"/api/v1/repositories/{PEOPLE[0]}/none/-"
        for method, path in (("GET", "/api/v1/gc"), ("POST", "/api/v1/gc"), ("GET", f"/api/v1/why/{absent_digest()}")):
            assert alice.request(method, path).status == 403
        assert root.request("GET", "/api/v1/gc").status == 200
        assert alice.request("DELETE", "/api/v1/repositories/somebody/app/-").status == 403
        assert alice.request("DELETE", own).status == 404
        assert nobody.request("GET", "/api/v1/gc").status == 401
        assert nobody.request("DELETE", own).status == 401


def test_a_repository_is_told_by_itself_as_in_the_list(client: Client, api: Api) -> None:
    repository = Repository(client)
    repository.push_image("v1")
    path = f"/repositories/{repository.name}/-"
    (listed,) = [item for item in api.all("/repositories?n=1000") if item["name"] == repository.name]
    assert api.get(path) == listed
    assert api.refused("/repositories/none/such/-")["code"] == "REPOSITORY_UNKNOWN"
