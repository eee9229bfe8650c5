"""Orlop's own API: what differs between images, what they ship for nothing, what they cost."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.protocol.api import ROOT, Api
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import digest_of
from tests.protocol.images import directory, file, layer, push, push_index, wait_until_known
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

STATUS = "Package: {}\nStatus: install ok installed\nVersion: {}\nArchitecture: amd64\n\n"
BASE = layer(
    file("etc/app.conf", b"one\ntwo\nthree\n"), file("usr/bin/env", b"\x7fELF" * 100, mode=0o755),
    file("root/.netrc", b"password"), file("var/lib/dpkg/status", STATUS.format("openssl", "3.0.9").encode()),
    file("cache/big", b"c" * 5000),
)  # fmt: skip
TOP = layer(
    file("etc/app.conf", b"one\n2\nthree\n"), file("usr/bin/env", b"\x7fELF" * 100, mode=0o4755),
    file("root/.wh..netrc"),
    file("var/lib/dpkg/status", (STATUS.format("openssl", "3.0.11") + STATUS.format("curl", "8.1")).encode()),
    file("new\x1b[31m", b"12345"), file(b"new\xff", b"1"), file(".wh.cache"), directory("made"),
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[OrlopServer]:
    with OrlopServer(CONTENTS_ENABLED="true") as server:
        yield server


@pytest.fixture(scope="module")
def name(server: OrlopServer) -> str:
    """Of a repository with `v1` and, a layer above it, `v2`."""
    with Client(address_of(server)) as client:
        repository = Repository(client)
        push(repository, "v1", BASE, run={"Env": ["PATH=/bin", "TOKEN=secret"], "Cmd": ["sh"]}, steps=("ADD base",))
        run = {"Env": ["PATH=/usr/bin", "MODE=x"], "Cmd": ["sh"], "User": "app", "Labels": {"a": "1"}}
        push(repository, "v2", BASE, TOP, run=run, steps=("ADD base", "RUN rm -rf /cache"))
        wait_until_known(repository, "v1", "v2")
        return repository.name


@pytest.fixture
def api(registry: Client) -> Api:
    return Api(registry)


def diff(api: Api, name: str, query: str = "", a: str = "v1", b: str = "v2") -> Any:
    return api.get(f"/diff?a={name}:{a}&b={name}:{b}{query}")


# Files


def test_files_are_told_with_what_was_changed(api: Api, name: str) -> None:
    found = diff(api, name)
    told = [(item["path"], item["how"], item["what"]) for item in found["items"]]
    assert told == [
        ("/cache", "removed", []),
        ("/cache/big", "removed", []),
        ("/etc/app.conf", "changed", ["content"]),
        ("/made", "added", []),
        ("/new\x1b[31m", "added", []),
        ("/new\ufffd", "added", []),
        ("/root/.netrc", "removed", []),
        ("/usr/bin/env", "changed", ["mode"]),
        ("/var/lib/dpkg/status", "changed", ["content"]),
    ]
    assert {key: found["totals"][key] for key in ("added", "changed", "removed", "added_size", "removed_size")} == {
        "added": 2, "changed": 3, "removed": 2, "added_size": 6, "removed_size": 5008,
    }  # fmt: skip
    mode = found["items"][7]
    assert (mode["before"]["mode"], mode["after"]["mode"]) == ("0755", "4755")
    assert (found["a"]["reference"], found["b"]["reference"]) == ("v1", "v2")


def test_the_other_way_round_it_is_the_opposite(api: Api, name: str) -> None:
    there, back = diff(api, name), diff(api, name, a="v2", b="v1")
    opposite = {"added": "removed", "removed": "added", "changed": "changed"}
    assert [(item["path"], opposite[item["how"]]) for item in back["items"]] == [
        (item["path"], item["how"]) for item in there["items"]
    ]
    assert back["totals"]["grown"] == -there["totals"]["grown"]


def test_pages_hold_all_and_nothing_twice(api: Api, name: str) -> None:
    everything = diff(api, name)
    assert everything["next"] is None
    for query in ("&n=1", "&n=4", "&n=4&platform=linux/amd64"):
        page, items = diff(api, name, query), []
        while True:
            items += page["items"]
            assert page["totals"] == everything["totals"]
            if page["next"] is None:
                break
            page = api.get(page["next"].removeprefix(ROOT))
        assert items == everything["items"]


def test_only_what_is_below_a_path(api: Api, name: str) -> None:
    assert [item["path"] for item in diff(api, name, "&path=/usr")["items"]] == ["/usr/bin/env"]
    assert diff(api, name, "&path=usr/bin&n=1")["next"] is None
    assert diff(api, name, "&path_b64=L2NhY2hl")["items"][0]["path"] == "/cache/big"


def test_an_image_does_not_differ_from_itself(api: Api, name: str) -> None:
    for kind in ("files", "packages", "config"):
        found = diff(api, name, f"&kind={kind}", b="v1")
        assert not any(found[kind].values() if kind == "packages" else found["items" if kind == "files" else kind])


# Packages, config, text


def test_packages_are_told_with_their_versions(api: Api, name: str) -> None:
    packages = diff(api, name, "&kind=packages")["packages"]
    told = {how: [(item["name"], item["before"], item["after"]) for item in items] for how, items in packages.items()}
    assert told == {
        "added": [("curl", None, "8.1")],
        "upgraded": [("openssl", "3.0.9", "3.0.11")],
        "downgraded": [],
        "removed": [],
    }
    back = diff(api, name, "&kind=packages", a="v2", b="v1")["packages"]
    assert [item["name"] for item in back["downgraded"]] == ["openssl"]
    assert [item["name"] for item in back["removed"]] == ["curl"]


def test_of_the_config_no_value_of_a_variable_is_told(api: Api, name: str) -> None:
    found = diff(api, name, "&kind=config")
    told = [(item["field"], item["name"], item["how"], item["before"], item["after"]) for item in found["config"]]
    assert sorted(told, key=str) == [
        ("env", "MODE", "added", None, None),
        ("env", "PATH", "changed", None, None),
        ("env", "TOKEN", "removed", None, None),
        ("labels", "a", "added", None, "1"),
        ("user", None, "added", None, "app"),
    ]
    assert "secret" not in str(found)


def test_the_lines_of_a_file(api: Api, name: str) -> None:
    text = diff(api, name, "&kind=text&path=/etc/app.conf")["text"]
    assert text["difference"] == (
        f"--- {name}:v1/etc/app.conf\n+++ {name}:v2/etc/app.conf\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
    )
    assert (text["refusal"], text["before"]["size"], text["after"]["size"]) == (None, 14, 12)
    gone = diff(api, name, "&kind=text&path=/root/.netrc")["text"]
    assert "+++ /dev/null\n" in gone["difference"]
    assert gone["after"] is None
    assert diff(api, name, "&kind=text&path=/usr/bin/env")["text"]["difference"] == ""


def test_what_has_no_lines_is_not_shown_as_if(api: Api, registry: Client) -> None:
    repository = Repository(registry)
    for tag, last in (("a", b"1"), ("b", b"2")):
        push(
            repository,
            tag,
            layer(file("binary", b"\0" + last), file("latin", b"\xe4" + last), file("large", b"x" * (2 << 20) + last)),
        )
    wait_until_known(repository, "a", "b")
    for path, refusal in (("binary", "binary"), ("latin", "binary"), ("large", "large")):
        text = diff(api, repository.name, f"&kind=text&path={path}", "a", "b")["text"]
        assert (text["refusal"], text["difference"]) == (refusal, "")


def test_images_of_different_repositories_and_digests_are_compared(api: Api, registry: Client, name: str) -> None:
    other = Repository(registry)
    pushed = push(other, "x", BASE, run={"Env": ["PATH=/bin", "TOKEN=secret"], "Cmd": ["sh"]}, steps=("ADD base",))
    wait_until_known(other, "x")
    found = api.get(f"/diff?a={name}:v1&b={other.name}@{pushed.digest}")
    assert (found["items"], found["b"]["reference"]) == ([], pushed.digest)
    assert len(api.get(f"/diff?a={other.name}:x@{pushed.digest}&b={name}:v2")["items"]) == 9


def test_indexes_are_compared_for_one_platform(api: Api, registry: Client) -> None:
    repository = Repository(registry)
    images = {}
    for tag in ("a", "b"):
        images[tag] = {
            machine: push(repository, "", layer(file(machine, tag.encode())), architecture=machine)
            for machine in ("amd64", "arm64")
        }
        push_index(repository, tag, **images[tag])
    wait_until_known(repository, *[image.digest for both in images.values() for image in both.values()])
    assert [item["path"] for item in diff(api, repository.name, "", "a", "b")["items"]] == ["/amd64"]
    arm = diff(api, repository.name, "&platform=linux/arm64", "a", "b")
    assert [item["path"] for item in arm["items"]] == ["/arm64"]
    # The second is compared for the platform of the first.
    found = api.get(f"/diff?a={repository.name}@{images['a']['arm64'].digest}&b={repository.name}:b")
    assert found["b"]["digest"] == images["b"]["arm64"].digest


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "PARAMETER_INVALID"), ("a=x:1", "PARAMETER_INVALID"), ("a=x&b=y:1", "PARAMETER_INVALID"),
        ("a=X:1&b=y:1", "NAME_INVALID"),
        ("a=x:.&b=y:1", "TAG_INVALID"), ("a=x@sha256:1&b=y:1", "DIGEST_INVALID"),
        ("a=x:1&b=y:1&kind=all", "PARAMETER_INVALID"),
        ("a=x:1&b=y:1&kind=text", "PARAMETER_INVALID"), ("a=x:1&b=y:1&kind=config&path=/a", "PARAMETER_INVALID"),
        ("a=x:1&b=y:1&path=/a&path_b64=L2E", "PARAMETER_INVALID"), ("a=x:1&b=y:1&n=0", "PARAMETER_INVALID"),
        ("a=x:1&b=y:1&c=1", "PARAMETER_UNKNOWN"), ("a=x:1&b=y:1", "REPOSITORY_UNKNOWN"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(api: Api, query: str, code: str) -> None:
    assert api.refused(f"/diff?{query}")["code"] == code


def test_a_path_that_neither_has_is_unknown(api: Api, name: str) -> None:
    for query in ("&kind=text&path=/nothing", "&path=/nothing", "&path=/etc/app.conf", "&kind=text&path=/etc"):
        assert api.refused(f"/diff?a={name}:v1&b={name}:v2{query}")["code"] == "FILE_UNKNOWN"


# Waste


def test_what_is_shipped_for_nothing(api: Api, name: str) -> None:
    found = api.get(f"/repositories/{name}/-/waste/v2?live=true")
    wasted = [(item["file"]["path"], item["how"], item["step"]) for item in found["files"]]
    by = "RUN rm -rf /cache"
    assert wasted == [
        ("/cache/big", "deleted", by),
        ("/usr/bin/env", "unchanged", by),
        ("/var/lib/dpkg/status", "replaced", by),
        ("/etc/app.conf", "replaced", by),
        ("/root/.netrc", "deleted", by),
    ]
    assert [item["file"]["path"] for item in found["secrets"]] == ["/root/.netrc"]
    assert (found["secret_count"], found["live_secrets"]) == (1, [])
    base, top = found["layers"]
    assert (base["step"], base["wasted_files"], top["wasted"]) == ("ADD base", 5, 0)
    assert found["shipped"] == base["shipped"] + top["shipped"]
    assert found["wasted"] == base["wasted"] == base["shipped"]
    assert found["efficiency"] == round(100 * top["shipped"] / found["shipped"], 2)
    assert len(api.get(f"/repositories/{name}/-/waste/v2?n=2")["files"]) == 2
    assert api.get(f"/repositories/{name}/-/waste/v1")["efficiency"] == 100


# Cost


def test_what_a_pull_costs_where_another_is_there(api: Api, name: str) -> None:
    whole = api.get(f"/repositories/{name}/-/cost/v2")
    assert [(item["size"], item["had"]) for item in whole["layers"]] == [(len(BASE), False), (len(TOP), False)]
    base, top = whole["layers"]
    assert (base["tags"] >= 2, top["tags"]) == (True, 1)  # other tests have the base, too
    assert whole["download"] == len(BASE) + len(TOP) + whole["documents"]
    assert (whole["had"], whole["have"]) == (0, None)
    found = api.get(f"/repositories/{name}/-/cost/v2?have={name}:v1")
    assert [item["had"] for item in found["layers"]] == [True, False]
    assert (found["download"], found["had"]) == (len(TOP) + found["documents"], len(BASE))
    assert api.get(f"/repositories/{name}/-/cost/v2?have={name}:v2")["download"] == 0
    assert found["layers"][0]["digest"] == digest_of(BASE)


def test_a_cost_needs_nobody_who_has_looked_into_it(api: Api, registry: Client) -> None:
    repository = Repository(registry)
    push(repository, "v1", b"no layer at all")
    assert api.get(f"/repositories/{repository.name}/-/cost/v1")["layers"][0]["size"] == 15
    for query, code in (("have=x", "PARAMETER_INVALID"), ("have=nothing:v1", "REPOSITORY_UNKNOWN")):
        assert api.refused(f"/repositories/{repository.name}/-/cost/v1?{query}")["code"] == code
    repository.push_image("artifact")
    assert api.refused(f"/repositories/{repository.name}/-/cost/artifact")["code"] == "NOT_AN_IMAGE"


def test_deleting_a_tag_tells_what_it_would_free(api: Api, registry: Client) -> None:
    repository = Repository(registry)
    own = layer(file("own", b"1"))
    first = push(repository, "v1", BASE, own)
    push(repository, "v2", BASE)
    path = f"/repositories/{repository.name}/-/tags/v1"
    told = api.request("DELETE", f"{path}?dry_run=true").json()
    config = first.document["config"]["size"]
    assert (told["freed_blobs"], told["freed"]) == (3, len(own) + len(first.content) + config)
    assert api.request("DELETE", path).json()["freed"] == told["freed"]
