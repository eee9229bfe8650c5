"""Orlop's own API: search across all images, and the packages of one."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.protocol.accounts import House, basic, bearer, house, issued, scope_of
from tests.protocol.api import ROOT, Api
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.images import directory, file, layer, push, push_index, symlink, wait_until_known
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

STATUS = (
    b"Package: libssl3\nStatus: install ok installed\nSource: openssl\nArchitecture: amd64\nVersion: %b\n\n"
    b"Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: %b\n\n"
)


def base(version: bytes) -> bytes:
    return layer(
        directory("usr/lib"), file("usr/lib/libssl.so.3", b"ssl " + version),
        symlink("usr/lib/libssl.so", "libssl.so.3"), file("var/lib/dpkg/status", STATUS % (version, version)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[OrlopServer]:
    with OrlopServer(storage="memory", CONTENTS_ENABLED="true") as server:
        fill(server)
        yield server


def fill(server: OrlopServer) -> None:
    old, new = base(b"3.0.11-1"), base(b"3.0.13-1")
    with Client(address_of(server)) as client:
        team, index = Repository(client, "team/app"), Repository(client, "team/index")
        for number in range(5):
            own = layer(file(f"srv/app-{number}.py", b"1"))
            run = {"Labels": {"maintainer": "Ann"}}
            push(team, f"1.{number}", old, own, steps=("ADD base /", "COPY app.py /srv"), run=run)
        push(team, "2.0", old, layer(file("usr/lib/.wh.libssl.so.3"), file(b"srv/l\xe4tin.txt", b"1")))
        children = {
            name: push(index, "", new, layer(file(name, b"1")), architecture=name) for name in ("amd64", "arm64")
        }
        push_index(index, "multi", **children)
        wait_until_known(team, *team.tags())
        wait_until_known(index, *(child.digest for child in children.values()))


@pytest.fixture
def api(server: OrlopServer) -> Iterator[Api]:
    with Client(address_of(server)) as client:
        yield Api(client)


def search(api: Api, q: str, **more: object) -> Any:
    return api.get(f"/search?{urlencode({'q': q, **more})}")


def test_files_are_found_with_their_images_layer_and_step(api: Api) -> None:
    found = search(api, "libssl.so", type="files")
    assert (found["next"], found["total"], found["more"], found["pending"]) == (None, None, [], 0)
    by_digest = {item["digest"]: item for item in found["items"]}
    assert len(found["items"]) == len(by_digest) == 3
    link = by_digest[None]
    assert (link["type"], link["kind"], link["link"], link["layers"], link["image_count"]) == (
        "file", "symlink", "libssl.so.3", 2, 7,
    )  # fmt: skip
    (old,) = (item for item in found["items"] if item["size"] and item["image_count"] == 5)
    assert [(image["reference"], image["platform"]) for image in old["images"]] == [
        ("1.0", None), ("1.1", None), ("1.2", None),
    ]  # fmt: skip
    assert (old["path"], old["step"], old["more"]) == ("/usr/lib/libssl.so.3", "ADD base /", False)
    (new,) = (item for item in found["items"] if item["size"] and item["image_count"] == 1)
    assert [(image["repository"], image["reference"], image["platform"]) for image in new["images"]] == [
        ("team/index", "multi", "linux/amd64")
    ]


def test_a_hit_leads_to_the_file(api: Api) -> None:
    for text in ("arm64", "app-3.py"):
        (item,) = search(api, text, type="files")["items"]
        image = item["images"][0]
        platform = f"?platform={image['platform']}" if image["platform"] else ""
        path = f"/repositories/{image['repository']}/-/files/{image['reference']}{quote(item['path'])}{platform}"
        answer = api.client.get(ROOT + path)
        assert (answer.status, answer.body) == (200, b"1")


def test_a_path_that_is_no_text_is_told_in_base64(api: Api) -> None:
    (item,) = search(api, "tin.txt", type="files")["items"]
    assert (item["path"], item["path_b64"]) == ("/srv/l\ufffdtin.txt", "L3Nydi9s5HRpbi50eHQ=")


def test_pages_follow_one_another(api: Api) -> None:
    items, path = [], "/search?q=app-&type=files&n=2&in=team/*"
    while path:
        page = api.get(path)
        assert len(page["items"]) <= 2
        items += page["items"]
        path = (page["next"] or "").removeprefix(ROOT)
    assert sorted(item["path"] for item in items) == [f"/srv/app-{number}.py" for number in range(5)]


def test_each_type_has_its_items(api: Api) -> None:
    assert search(api, "TEAM", type="names")["items"] == [
        {"type": "name", "repository": "team/app"}, {"type": "name", "repository": "team/index"},
    ]  # fmt: skip
    tags = search(api, "app:1.", type="tags", n=2)
    assert [(item["type"], item["repository"], item["tag"]) for item in tags["items"]] == [
        ("tag", "team/app", "1.0"), ("tag", "team/app", "1.1"),
    ]  # fmt: skip
    assert [item["tag"] for item in api.get(tags["next"].removeprefix(ROOT))["items"]] == ["1.2", "1.3"]
    (label,) = search(api, "maint", type="labels")["items"]
    assert (label["type"], label["key"], label["value"], label["image_count"]) == ("label", "maintainer", "Ann", 5)
    packages = search(api, "openssl < 3.0.13", type="packages")["items"]
    assert [(item["type"], item["name"], item["version"], item["image_count"]) for item in packages] == [
        ("package", "openssl", "3.0.11-1", 6), ("package", "libssl3", "3.0.11-1", 6),
    ]  # fmt: skip


def test_without_a_type_there_are_a_few_of_each(api: Api) -> None:
    found = search(api, "app")
    assert [item["type"] for item in found["items"]] == ["name", *["file"] * 5]
    assert found["next"] is None
    found = search(api, "1.")
    assert [item["type"] for item in found["items"]] == ["tag"] * 5
    found = search(api, "team/app:")
    assert (len(found["items"]), found["more"]) == (5, ["tags"])


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "q"), ("q=", "q"), (f"q={'x' * 1001}", "q"), ("q=ab&type=files", "q"), ("q=ab&type=labels", "q"),
        ("q=abc&type=file", "type"), ("q=abc&type=files&n=0", "n"), ("q=abc&type=files&n=1001", "n"),
        ("q=abc&last=x", "last"), ("q=abc&type=files&last=x", "last"), ("q=abc&type=files&in=A", "in"),
        ("q=abc&typ=files", "typ"), ("q=abc&q=abc", "q"), ("q=sha256:12&type=files", "q"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(api: Api, query: str, parameter: str) -> None:
    problem = api.refused(f"/search?{query}")
    assert problem["status"] == 400
    assert problem["context"]["parameter"] == parameter
    assert "\n" not in problem["detail"]


def test_a_query_for_packages_that_cannot_be_read_is_refused(api: Api) -> None:
    problem = api.refused("/search?q=openssl+%3C&type=packages")
    assert (problem["status"], problem["code"]) == (400, "PARAMETER_INVALID")


# The packages of one image


def test_the_packages_of_an_image_come_page_by_page(api: Api) -> None:
    path = "/repositories/team/app/-/packages/1.0"
    items = api.all(f"{path}?n=1")
    assert [(item["name"], item["version"], item["source"], item["path"]) for item in items] == [
        ("libssl3", "3.0.11-1", "openssl", "/var/lib/dpkg/status"),
        ("openssl", "3.0.11-1", "openssl", "/var/lib/dpkg/status"),
    ]  # fmt: skip
    assert items[0]["layer"].startswith("sha256:")
    assert api.get(f"{path}?ecosystem=pypi")["total"] == 0
    page = api.get("/repositories/team/index/-/packages/multi?platform=linux/arm64")
    assert (page["image"]["platform"], page["total"]) == ("linux/arm64", 2)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("team/app/-/packages/9.9", 404), ("nobody/-/packages/v1", 404), ("team/app/-/packages/1.0?ecosystem=x", 400),
        ("team/app/-/packages/1.0?last=x", 400), ("team/app/-/packages/1.0?platform=linux/arm64", 404),
    ],
)  # fmt: skip
def test_packages_that_cannot_be_told_are_refused(api: Api, path: str, status: int) -> None:
    assert api.refused(f"/repositories/{path}")["status"] == status


# Who may read what


@pytest.fixture(scope="module")
def registry() -> Iterator[House]:
    with house(CONTENTS_ENABLED="true") as opened:
        yield opened


@pytest.fixture(scope="module")
def vault(registry: House) -> House:
    shared, theirs = base(b"3.0.11-1"), layer(*[file(f"srv/vault-{number}.txt", b"1") for number in range(300)])
    run = {"Labels": {"vault": "vault-label"}}
    for name, layers in (("team/app", [shared]), ("vault/app", [shared, theirs])):
        repository = registry.repository(name)
        push(repository, "vault" if name == "vault/app" else "v1", *layers, run=run if name == "vault/app" else {})
        wait_until_known(repository, *repository.tags())
    return registry


QUERIES = [
    f"q={text}&type={kind}"
    for text in ("libssl.so", "vault", "/srv/vault-1.txt", "name:vault-2.txt", "vault-*.txt", "/srv/*", "openssl")
    for kind in ("names", "tags", "labels", "files", "packages")
]


def test_an_account_finds_nothing_of_what_it_may_not_read(vault: House) -> None:
    """Not in hits, images, counts or cursors."""
    client = vault.client(basic("alice"))
    admin = vault.client(basic("root"))
    told = 0
    for query in QUERIES:
        answer = client.get(f"{ROOT}/search?{query}")
        told += b"vault" in admin.get(f"{ROOT}/search?{query}").body
        if answer.status == 200:
            document = answer.json()
            assert b"vault" not in answer.body
            assert (document["next"], document["pending"]) == (None, 0)
            assert all(item.get("image_count", 1) == 1 for item in document["items"])
    assert told == 10
    (item,) = (item for item in client.get(f"{ROOT}/search?q=libssl.so.3&type=files").json()["items"])
    assert (item["image_count"], item["layers"], len(item["images"])) == (1, 1, 1)


@pytest.mark.parametrize("guest", ["carol", "nobody", "a token without the catalog"])
def test_who_may_read_nothing_finds_nothing(vault: House, guest: str) -> None:
    header = {
        "carol": lambda: basic("carol"),
        "nobody": lambda: "",
        "a token without the catalog": lambda: bearer(issued(vault.by_password("alice"), scope_of("team/app"))),
    }[guest]()
    client = vault.client(header)
    for query in QUERIES:
        answer = client.get(f"{ROOT}/search?{query}")
        if answer.status == 200:
            assert answer.json()["items"] == []
        else:
            assert answer.status in (400, 401)


def test_a_repository_that_may_not_be_read_tells_of_no_packages(vault: House) -> None:
    client = vault.client(basic("alice"))
    assert client.get(f"{ROOT}/repositories/team/app/-/packages/v1").status == 200
    there = client.get(f"{ROOT}/repositories/vault/app/-/packages/vault")
    absent = client.get(f"{ROOT}/repositories/vault/nil/-/packages/vault")
    assert there.status == absent.status == 403
    assert there.json()["code"] == absent.json()["code"]


def test_images_are_pending_until_a_worker_has_looked(vault: House) -> None:
    repository = vault.repository("team/late")
    push(repository, "v1", layer(file("late.txt", b"1")))
    client = vault.client(basic("alice"))
    deadline = time.monotonic() + 20
    while not client.get(f"{ROOT}/search?q=late.txt&type=files").json()["items"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    while client.get(f"{ROOT}/search?q=late.txt&type=files").json()["pending"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
