"""Orlop's own API: one tag, its history, and its end."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.protocol.api import Api
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.repository import Repository
from tests.servers import OrlopServer


@pytest.fixture
def api(registry: Client) -> Api:
    return Api(registry)


def path_of(repository: Repository, tag: str) -> str:
    return f"/repositories/{repository.name}/-/tags/{tag}"


def test_a_tag_is_told_with_every_change_of_it(repository: Repository, api: Api) -> None:
    first, second = repository.push_image("v1"), repository.push_image("v1")
    repository.put_manifest("v1", second.content, second.media_type)  # no change
    assert repository.delete("manifests/v1").status == 202
    repository.put_manifest("v1", first.content, first.media_type)
    tag = api.get(path_of(repository, "v1"))
    assert tag["digest"] == first.digest
    assert [(change["previous"], change["digest"]) for change in tag["history"]] == [
        (None, first.digest),
        (second.digest, None),
        (first.digest, second.digest),
        (None, first.digest),
    ]
    times = [change["at"] for change in tag["history"]]
    assert times == sorted(times, reverse=True)
    assert {change["address"] for change in tag["history"]} == {"127.0.0.1"}
    assert {change["account"] for change in tag["history"]} == {None}


def test_a_tag_is_deleted_and_nothing_else(repository: Repository, api: Api) -> None:
    pushed = repository.push_image("v1")
    repository.put_manifest("latest", pushed.content, pushed.media_type)
    answer = api.request("DELETE", path_of(repository, "v1"))
    assert answer.status == 200
    assert answer.json() == {
        "repository": repository.name,
        "tag": "v1",
        "dry_run": False,
        "digest": pushed.digest,
        "manifest_stays": True,
        "siblings": ["latest"],
        "sibling_count": 1,
        "freed_blobs": 0,
        "freed": 0,
    }
    assert repository.tags() == ["latest"]
    assert repository.get(f"manifests/{pushed.digest}").body == pushed.content
    assert repository.get("manifests/v1").status == 404
    assert api.refused(path_of(repository, "v1"), "DELETE")["code"] == "TAG_UNKNOWN"


def test_a_dry_run_tells_the_same_and_changes_nothing(repository: Repository, api: Api) -> None:
    repository.push_image("v1")
    told = [api.request("DELETE", path_of(repository, "v1") + "?dry_run=true").json() for _ in range(2)]
    assert told[0] == told[1]
    assert repository.tags() == ["v1"]
    assert len(api.get(path_of(repository, "v1"))["history"]) == 1
    done = api.request("DELETE", path_of(repository, "v1") + "?dry_run=false").json()
    assert done == {**told[0], "dry_run": False}
    assert repository.get("tags/list").json()["tags"] == []


@pytest.mark.parametrize("query", ["dry_run", "dry_run=1", "dry_run=yes", "dry_run=TRUE", "dryrun=true", "n=1"])
def test_a_dry_run_that_is_misspelt_deletes_nothing(repository: Repository, api: Api, query: str) -> None:
    repository.push_image("v1")
    problem = api.refused(f"{path_of(repository, 'v1')}?{query}", "DELETE")
    assert problem["status"] == 400
    assert problem["code"] in ("PARAMETER_INVALID", "PARAMETER_UNKNOWN")
    assert repository.tags() == ["v1"]


def test_what_is_not_there_is_named(repository: Repository, api: Api) -> None:
    assert api.refused(f"/repositories/{repository.name}/-/tags")["code"] == "REPOSITORY_UNKNOWN"
    assert api.refused(path_of(repository, "v1"))["code"] == "REPOSITORY_UNKNOWN"
    assert api.refused(path_of(repository, "v1"), "DELETE")["code"] == "TAG_UNKNOWN"
    repository.push_image("v1")
    problem = api.refused(path_of(repository, "v2"))
    assert problem["code"] == "TAG_UNKNOWN"
    assert problem["context"] == {"name": repository.name, "tag": "v2"}
    assert repository.name in problem["detail"]


def test_a_pull_is_told_to_the_hour_and_a_restart_loses_none(data: Path) -> None:
    with OrlopServer(data=data) as server:
        with Client(address_of(server)) as client:
            repository = Repository(client, "pulled")
            pushed = repository.push_image("v1")
            repository.put_manifest("other", pushed.content, pushed.media_type)
            before = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
            assert repository.get("manifests/v1").status == 200
            after = datetime.now(UTC)
        server.restart()  # pulls are written each minute and at the end
        with Client(address_of(server)) as client:
            api = Api(client)
            pulled, other = api.get(path_of(repository, "v1")), api.get(path_of(repository, "other"))
            (listed,) = api.get("/repositories")["items"]
            manifest = api.get(f"/repositories/pulled/-/manifests/{pushed.digest}")
            assert [tag["name"] for tag in api.all("/repositories/pulled/-/tags?sort=-pulled")] == ["v1", "other"]
    at = datetime.fromisoformat(pulled["last_pulled_at"])
    assert before <= at <= after
    assert (at.minute, at.second, at.microsecond) == (0, 0, 0)
    assert other["last_pulled_at"] is None
    assert manifest["last_pulled_at"] == listed["last_pulled_at"] == pulled["last_pulled_at"]
