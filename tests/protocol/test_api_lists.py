"""Orlop's own API: lists of repositories and of tags."""

import itertools
from typing import Any

import pytest

from tests.protocol.api import Api
from tests.protocol.client import Client
from tests.protocol.content import OCI_CONFIG, OCI_LAYER, descriptor, encode, image, index, random_bytes
from tests.protocol.repository import Repository

SORTS = {"repositories": ("name", "pushed"), "tags": ("name", "updated", "pulled", "size")}


@pytest.fixture
def api(registry: Client) -> Api:
    return Api(registry)


def push_of_size(repository: Repository, tag: str, size: int) -> None:
    """An image with one layer of `size` bytes."""
    layer = random_bytes(size)
    config = encode({"os": "linux", "architecture": "arm64", "variant": "v8"})
    for blob in (layer, config):
        repository.push_blob(blob)
    repository.push_manifest(image(descriptor(config, OCI_CONFIG), [descriptor(layer, OCI_LAYER)]), tag)


def key_of(sort: str, item: dict[str, Any]) -> Any:
    value = {"name": "", "pushed": "pushed_at", "updated": "updated_at", "pulled": "last_pulled_at", "size": "size"}[
        sort
    ]
    return (item.get(value) or "" if value else "", item["name"])


def test_a_repository_is_told_with_what_it_holds(repository: Repository, api: Api) -> None:
    first = repository.push_image("v1")
    layer = first.document["layers"][0]
    # The same layer once more: it is stored once.
    second = repository.push_manifest({**first.document, "annotations": {"a": "b"}}, "v2")
    repository.put_manifest("v3", second.content, second.media_type)
    (item,) = api.get(f"/repositories?filter={repository.name}")["items"]
    assert item["name"] == repository.name
    assert (item["tags"], item["manifests"]) == (3, 2)
    assert item["size"] == len(first.content) + len(second.content) + layer["size"] + len(b"{}")
    assert item["last_pulled_at"] is None


def test_a_blob_that_no_manifest_names_is_not_counted(repository: Repository, api: Api) -> None:
    repository.push_image("v1")
    (before,) = api.get(f"/repositories?filter={repository.name}")["items"]
    repository.push_blob(random_bytes(1000))
    (after,) = api.get(f"/repositories?filter={repository.name}")["items"]
    assert after == before


def test_a_repository_without_a_manifest_is_not_listed(repository: Repository, api: Api) -> None:
    repository.push_blob(b"something")
    assert api.get(f"/repositories?filter={repository.name}") == {"items": [], "next": None, "total": 0}
    pushed = repository.push_image()
    assert api.get(f"/repositories?filter={repository.name}")["total"] == 1
    assert repository.delete(f"manifests/{pushed.digest}").status == 202
    assert api.get(f"/repositories?filter={repository.name}")["total"] == 0


@pytest.mark.parametrize(("sort", "sign"), [*itertools.product(SORTS["repositories"], ["", "-"])])
def test_repositories_come_sorted_page_by_page(repository: Repository, api: Api, sort: str, sign: str) -> None:
    names = [f"{repository.name}/{part}" for part in ("b", "a-1", "a", "a/x", "c_c", "a.2", "b0")]
    for name in names:
        Repository(repository.client, name).push_image("v1")
    found = api.all(f"/repositories?filter={repository.name}/&sort={sign}{sort}&n=2")
    assert sorted(item["name"] for item in found) == sorted(names)
    assert found == sorted(found, key=lambda item: key_of(sort, item), reverse=bool(sign))


@pytest.mark.parametrize(("sort", "sign"), [*itertools.product(SORTS["tags"], ["", "-"])])
def test_tags_come_sorted_page_by_page(repository: Repository, api: Api, sort: str, sign: str) -> None:
    sizes = {"b": 30, "a": 700, "B": 30, "_x": 5, "a.b": 10_000, "latest": 30, "0": 1}
    for tag, size in sizes.items():
        push_of_size(repository, tag, size)
    found = api.all(f"/repositories/{repository.name}/-/tags?sort={sign}{sort}&n=2")
    assert sorted(item["name"] for item in found) == sorted(sizes)
    assert found == sorted(found, key=lambda item: key_of(sort, item), reverse=bool(sign))


@pytest.mark.parametrize("sort", [f"{sign}{sort}" for sort in SORTS["tags"] for sign in ("", "-")])
def test_a_page_begins_where_the_one_before_ended_though_tags_come_and_go(
    repository: Repository, api: Api, sort: str
) -> None:
    for tag in "abcdef":
        push_of_size(repository, tag, 100 + ord(tag))
    first = api.get(f"/repositories/{repository.name}/-/tags?n=3&sort={sort}")
    gone = first["items"][-1]["name"]
    assert repository.delete(f"manifests/{gone}").status == 202
    rest = api.get(first["next"].removeprefix("/api/v1"))
    assert sorted([item["name"] for item in first["items"] + rest["items"]]) == list("abcdef")
    assert rest["next"] is None


def test_a_tag_is_told_with_all_that_was_recorded(repository: Repository, api: Api) -> None:
    push_of_size(repository, "v1", 1000)
    content = repository.get("manifests/v1")
    digest = content.header("Docker-Content-Digest")
    for tag in ("stable", "latest"):
        repository.put_manifest(tag, content.body, content.header("Content-Type"))
    (item,) = api.get(f"/repositories/{repository.name}/-/tags?filter=v1")["items"]
    assert item["digest"] == digest
    assert item["media_type"] == content.header("Content-Type")
    assert item["artifact_type"] is None
    assert item["platforms"] == ["linux/arm64/v8"]
    assert item["size"] == len(content.body) + sum(
        part["size"] for part in (content.json()["config"], *content.json()["layers"])
    )
    assert item["pushed_by"] is item["updated_by"] is None
    assert item["pushed_from"] == item["updated_from"] == "127.0.0.1"
    assert (item["siblings"], item["sibling_count"]) == (["latest", "stable"], 2)


def test_the_size_of_an_index_holds_what_its_children_name(repository: Repository, api: Api) -> None:
    push_of_size(repository, "arm", 5000)
    child = repository.get("manifests/arm")
    entry = {
        "mediaType": child.header("Content-Type"),
        "digest": child.header("Docker-Content-Digest"),
        "size": len(child.body),
        "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
    }
    pushed = repository.push_manifest(index([entry]), "multi")
    arm, multi = api.all(f"/repositories/{repository.name}/-/tags")
    assert multi["size"] == len(pushed.content) + arm["size"]
    assert multi["platforms"] == ["linux/arm64/v8"]
    assert api.get(f"/repositories/{repository.name}/-/manifests/multi")["size"] == multi["size"]


def test_very_many_siblings_are_counted_and_the_first_hundred_named(repository: Repository, api: Api) -> None:
    pushed = repository.push_image()
    tags = [f"t{number:03}" for number in range(150)]
    for start in range(0, 150, 50):
        query = "&".join(f"tag={tag}" for tag in tags[start : start + 50])
        answer = repository.put_manifest(f"{pushed.digest}?{query}", pushed.content, pushed.media_type)
        assert answer.status == 201, answer
    found = {item["name"]: item for item in api.all(f"/repositories/{repository.name}/-/tags")}
    assert list(found) == tags
    assert {item["sibling_count"] for item in found.values()} == {149}
    assert found["t000"]["siblings"] == tags[1:101]
    assert found["t149"]["siblings"] == tags[:100]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1_0", ["v1_0"]),
        ("1.0", ["v1.0"]),
        ("%25", []),
        ("_", ["_x", "v1_0"]),
        ("!", []),
        ("LATEST", ["Latest", "latest"]),
        ("%E2%84%AA", []),  # a Kelvin sign, whose lower case is k
        ("v1", ["v1.0", "v1_0"]),
    ],
)
def test_a_filter_takes_every_character_for_itself(
    repository: Repository, api: Api, text: str, wanted: list[str]
) -> None:
    pushed = repository.push_image()
    for tag in ("v1_0", "v1.0", "_x", "latest", "Latest", "k"):
        repository.put_manifest(tag, pushed.content, pushed.media_type)
    page = api.get(f"/repositories/{repository.name}/-/tags?filter={text}")
    assert [item["name"] for item in page["items"]] == wanted
    assert page["total"] == len(wanted)


@pytest.mark.parametrize(
    ("query", "code", "told"),
    [
        ("filer=a", "PARAMETER_UNKNOWN", "did you mean filter?"),
        ("page=2", "PARAMETER_UNKNOWN", "Known: n, last, sort, filter"),
        ("sort=nam", "PARAMETER_INVALID", "did you mean name?"),
        ("sort=name;drop", "PARAMETER_INVALID", "Known: name, -name"),
        ("sort=", "PARAMETER_INVALID", "Known: name, -name"),
        ("n=0", "PARAMETER_INVALID", "from 1 to 1000"),
        ("n=1001", "PARAMETER_INVALID", "from 1 to 1000"),
        ("n=-1", "PARAMETER_INVALID", "from 1 to 1000"),
        ("n=%D9%A3", "PARAMETER_INVALID", "from 1 to 1000"),
        ("n=1e2", "PARAMETER_INVALID", "from 1 to 1000"),
        ("n=99999999999999999999", "PARAMETER_INVALID", "from 1 to 1000"),
        ("n=1&n=2", "PARAMETER_INVALID", "n is given twice"),
        ("sort=-size&last=abc", "PARAMETER_INVALID", "sort=-size"),
        ("sort=size&last=-1,abc", "PARAMETER_INVALID", "sort=size"),
        ("sort=size&last=99999999999999999999,abc", "PARAMETER_INVALID", "sort=size"),
        ("sort=size&last=9223372036854775808,abc", "PARAMETER_INVALID", "sort=size"),
        (f"filter={'a' * 301}", "PARAMETER_INVALID", "300"),
        (f"last={'a' * 301}", "PARAMETER_INVALID", "300"),
        ("filter=%FF", "PARAMETER_INVALID", ""),
        ("filter=%00", "PARAMETER_INVALID", ""),
        ("filter=%ED%A0%80", "PARAMETER_INVALID", ""),
        ("&".join(f"a{number}=1" for number in range(300)), "PARAMETER_INVALID", ""),
    ],
)
def test_a_query_that_is_wrong_is_refused_with_what_is_known(
    repository: Repository, api: Api, query: str, code: str, told: str
) -> None:
    repository.push_image("v1")
    problem = api.refused(f"/repositories/{repository.name}/-/tags?{query}")
    assert (problem["status"], problem["code"]) == (400, code)
    assert told in problem["detail"]


@pytest.mark.parametrize("last", ["", "~~~", "%F0%9F%90%B3", "'%3B--", "9223372036854775807,x", "0,", "00,%25"])
@pytest.mark.parametrize("sort", ["name", "-updated"])
def test_any_last_is_a_place_in_the_list_or_refused(repository: Repository, api: Api, sort: str, last: str) -> None:
    repository.push_image("v1")
    answer = api.request("GET", f"/repositories/{repository.name}/-/tags?sort={sort}&last={last}")
    assert answer.status in ((200,) if sort == "name" or "," in last else (400,)), answer


def test_what_has_not_changed_is_not_sent_again(repository: Repository, api: Api) -> None:
    repository.push_image("v1")
    for path in (
        f"/repositories?filter={repository.name}",
        f"/repositories/{repository.name}/-/tags",
        f"/repositories/{repository.name}/-/tags/v1",
        f"/repositories/{repository.name}/-/manifests/v1",
    ):
        etag = api.request("GET", path).header("ETag")
        for header in (etag, f'"other", W/{etag}', "*"):
            answer = api.request("GET", path, {"If-None-Match": header})
            assert (answer.status, answer.header("ETag"), answer.body) == (304, etag, b"")
        repository.push_image("v2" if "/v1" not in path else "v1")
        answer = api.request("GET", path, {"If-None-Match": etag})
        assert answer.status == 200
        assert answer.header("ETag") != etag
