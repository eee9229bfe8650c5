"""Orlop's own API: what is in an image, listed, told of and sent."""

import base64
import bz2
import gzip
import random
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from backports import zstd

from tests.protocol.answer import Answer
from tests.protocol.api import ROOT, Api
from tests.protocol.client import Client, Headers
from tests.protocol.conftest import address_of
from tests.protocol.content import OCI_CONFIG, OCI_EMPTY, descriptor, digest_of, encode, image
from tests.protocol.images import (
    directory,
    file,
    hardlink,
    layer,
    push,
    push_index,
    symlink,
    tar,
    wait_until_known,
)
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

BIG = random.Random(1).randbytes(3_000_000)
RAW = b"etc/l\xe4tin\x1b"
ETC = [
    file("etc/os-release", b"NAME=old\n"), file("etc/passwd", b"root:x:0:0\n", mode=0o600, uid=7, gid=8),
    file("etc/empty"),
    directory("usr/bin"), file("usr/bin/env", b"\x7fELF" * 20_000, mode=0o4755), symlink("bin", "usr/bin"),
    symlink("etc/up", "../../../../../etc/passwd"), symlink("etc/loop", "loop"), symlink("etc/gone", "/nothing"),
    hardlink("etc/passwd2", "etc/passwd"), file("big", BIG), file("root/.npmrc", b"secret"),
]  # fmt: skip
TOP = [
    file("etc/os-release", b"NAME=new\n"), file("root/.wh..npmrc"), hardlink("opt/also", "etc/passwd"),
    file(RAW, b"raw"),
    file("opt/page.html", b"<script>alert(1)</script>"), file("opt/a b+c%.txt", b"odd"),
]  # fmt: skip


@pytest.fixture(scope="module", params=["local", "memory"])
def server(request: pytest.FixtureRequest) -> Iterator[OrlopServer]:
    with OrlopServer(storage=request.param, CONTENTS_ENABLED="true") as server:
        yield server


@pytest.fixture(scope="module")
def shared(server: OrlopServer) -> str:
    """The name of a repository with the image above as `v1`, which no test changes."""
    with Client(address_of(server)) as client:
        repository = Repository(client)
        push(repository, "v1", layer(*ETC), layer(*TOP), steps=("FROM base", "RUN top"))
        wait_until_known(repository, "v1")
        return repository.name


class Files:
    """The files of one image."""

    def __init__(self, client: Client, name: str, reference: str = "v1") -> None:
        self.client = client
        self.api = Api(client)
        self.base = f"/repositories/{name}/-/files/{reference}"

    def get(self, path: str, headers: Headers = (), method: str = "GET") -> Answer:
        """A file, or a refusal."""
        return self.client.request(method, f"{ROOT}{self.base}{path}", headers)

    def list(self, path: str = "") -> list[str]:
        """The paths in a directory, of all pages."""
        found: list[str] = []
        following: str | None = self.base + path
        while following:
            page = self.api.get(following)
            found += [item["path"] for item in page["items"]]
            following = page["next"] and page["next"].removeprefix(ROOT)
        return found

    def stat(self, path: str, query: str = "") -> dict[str, object]:
        entry = self.api.get(f"{self.base}{path}?stat=true{query}")["entry"]
        assert isinstance(entry, dict)
        return entry

    def refused(self, path: str) -> tuple[int, str]:
        problem = self.api.refused(self.base + path)
        return problem["status"], problem["code"]


@pytest.fixture
def files(registry: Client, shared: str) -> Files:
    return Files(registry, shared)


# Directories


def test_a_directory_is_listed_by_name(files: Files, shared: str) -> None:
    page = files.api.get(files.base)
    assert [item["path"] for item in page["items"]] == ["/big", "/bin", "/etc", "/opt", "/root", "/usr"]
    assert (page["path"], page["total"], page["next"]) == ("/", 6, None)
    assert page["image"]["repository"] == shared
    assert page["image"]["platform"] == "linux/amd64"
    assert files.list("/root") == []
    assert files.list("/bin/") == ["/usr/bin/env"]
    assert files.list("/etc//../usr/./bin") == ["/usr/bin/env"]


def test_pages_hold_all_and_nothing_twice(files: Files) -> None:
    everything = files.list("?recursive=true")
    assert len(everything) == 19
    assert everything == sorted(everything, key=lambda path: path.encode(errors="surrogateescape").split(b"/"))
    assert files.list("?recursive=true&n=1") == files.list("?recursive=true&n=7") == everything
    assert files.list("/etc?n=2") == files.list("/etc")
    assert files.list("?recursive=true&depth=2&n=3") == everything[:-1]
    assert files.list("?recursive=true&depth=1") == files.list()


def test_each_item_says_what_it_is_and_where_it_comes_from(files: Files) -> None:
    told = files.stat("/etc/passwd")
    assert told == {
        "path": "/etc/passwd",
        "path_b64": None,
        "type": "file",
        "size": 11,
        "mode": "0600",
        "uid": 7,
        "gid": 8,
        "mtime": 1_700_000_000,
        "digest": digest_of(b"root:x:0:0\n"),
        "link": None,
        "link_b64": None,
        "layer": told["layer"],
    }
    assert files.stat("/usr/bin/env")["mode"] == "4755"
    assert files.api.get(f"{files.base}/etc/os-release?stat=true")["step"] == "RUN top"
    assert files.api.get(f"{files.base}/etc/passwd?stat=true")["step"] == "FROM base"
    assert files.stat("/etc")["type"] == "directory"


def test_a_link_is_followed_unless_it_itself_is_asked_for(files: Files) -> None:
    assert files.stat("/bin/env")["path"] == "/usr/bin/env"
    assert files.stat("/etc/up")["path"] == "/etc/passwd"
    link = files.stat("/etc/up", "&follow=false")
    assert (link["type"], link["link"]) == ("symlink", "../../../../../etc/passwd")
    assert files.stat("/etc/gone", "&follow=false")["link"] == "/nothing"
    assert files.refused("/etc/gone") == (404, "FILE_UNKNOWN")
    assert files.refused("/etc/loop") == (404, "FILE_UNKNOWN")


def test_a_name_that_is_no_text_is_told_and_asked_for_in_base64(files: Files) -> None:
    (item,) = [item for item in files.api.get(f"{files.base}/etc")["items"] if item["path_b64"]]
    assert base64.b64decode(item["path_b64"]) == b"/" + RAW
    assert item["path"] == "/etc/l\ufffdtin\x1b"
    for encoded in (item["path_b64"], base64.urlsafe_b64encode(RAW).decode().rstrip("=")):
        assert files.get(f"?path_b64={quote(encoded, safe='')}").body == b"raw"
        assert files.stat("", f"&path_b64={quote(encoded)}")["size"] == 3
    folder = base64.b64encode(b"/usr").decode()
    assert files.list(f"?path_b64={folder}&recursive=true&n=1") == ["/usr/bin", "/usr/bin/env"]


# Bytes


def test_a_file_is_an_attachment_that_no_browser_runs(files: Files) -> None:
    answer = files.get("/opt/page.html")
    assert (answer.status, answer.body) == (200, b"<script>alert(1)</script>")
    assert answer.header("Content-Type") == "application/octet-stream"
    assert answer.header("Content-Disposition") == "attachment; filename*=UTF-8''page.html"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Content-Security-Policy").startswith("sandbox")
    assert answer.header("Accept-Ranges") == "bytes"
    assert answer.header("ETag") == f'"{digest_of(answer.body)}"'
    text = files.get("/opt/page.html?as=text")
    assert text.header("Content-Type") == "text/plain; charset=utf-8"
    assert text.header("X-Content-Type-Options") == "nosniff"
    assert "Content-Disposition" not in dict(text.headers)
    odd = files.get("/opt/" + quote("a b+c%.txt"))
    assert odd.header("Content-Disposition") == "attachment; filename*=UTF-8''a%20b%2Bc%25.txt"


@pytest.mark.parametrize("path", ["/etc/os-release", "/etc/empty", "/usr/bin/env", "/big"])
def test_head_tells_what_get_sends(files: Files, path: str) -> None:
    got, head = files.get(path), files.get(path, method="HEAD")
    told = [[pair for pair in answer.headers if pair[0] != "Date"] for answer in (got, head)]
    assert told[0] == told[1]
    assert head.body == b""
    assert len(got.body) == int(got.header("Content-Length"))


def test_layers_lie_over_one_another(files: Files) -> None:
    assert files.get("/etc/os-release").body == b"NAME=new\n"
    assert files.refused("/root/.npmrc") == (404, "FILE_UNKNOWN")
    for path in ("/etc/passwd2", "/opt/also", "/etc/up"):
        assert files.get(path).body == b"root:x:0:0\n"
    assert files.get("/big").body == BIG


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("0-0", 0, 0), ("100-199", 100, 199), ("2999999-", 2_999_999, 2_999_999), ("-5", 2_999_995, 2_999_999),
        ("1000000-2500000", 1_000_000, 2_500_000), ("0-99999999", 0, 2_999_999),
    ],
)  # fmt: skip
def test_a_part_of_a_file_is_sent(files: Files, asked: str, first: int, last: int) -> None:
    answer = files.get("/big", {"Range": f"bytes={asked}"})
    assert answer.status == 206
    assert answer.header("Content-Range") == f"bytes {first}-{last}/3000000"
    assert answer.body == BIG[first : last + 1]


@pytest.mark.parametrize("asked", ["3000000-", "5-2", "-0", "x-y", "-"])
def test_a_part_that_is_not_there_is_refused_with_the_size(files: Files, asked: str) -> None:
    answer = files.get("/big", {"Range": f"bytes={asked}"})
    assert (answer.status, answer.json()["code"]) == (416, "RANGE_UNSATISFIABLE")
    assert answer.header("Content-Range") == "bytes */3000000"


def test_what_the_client_has_is_not_sent_again(files: Files) -> None:
    etag = files.get("/big", method="HEAD").header("ETag")
    assert files.get("/big", {"If-None-Match": etag}).status == 304
    assert files.get("/big", {"If-None-Match": '"other"'}).status == 200
    assert files.get("/big", {"Range": "bytes=0-1", "If-Range": etag}).status == 206
    assert len(files.get("/big", {"Range": "bytes=0-1", "If-Range": '"other"'}).body) == len(BIG)
    listing = files.get("/etc")
    assert files.get("/etc", {"If-None-Match": listing.header("ETag")}).status == 304


@pytest.mark.parametrize("packed", ["gzip", "zstd", "bzip2", "plain"])
def test_every_form_of_a_layer_gives_its_files(registry: Client, packed: str) -> None:
    content = random.Random(2).randbytes(400_000)
    archive = tar(file("a", b"1" * 300_000), file("b", content), file("c", b"3"))
    pack = {
        "gzip": gzip.compress, "zstd": zstd.compress, "bzip2": bz2.compress, "plain": bytes
    }[packed]  # fmt: skip
    repository = Repository(registry)
    push(repository, "v1", pack(archive), media_type="application/vnd.oci.image.layer.v1.tar")
    wait_until_known(repository, "v1")
    files = Files(registry, repository.name)
    assert files.get("/b").body == content
    assert files.get("/b", {"Range": "bytes=399000-399099"}).body == content[399_000:399_100]
    assert files.get("/c").body == b"3"


def test_of_an_index_the_image_for_the_platform(registry: Client) -> None:
    repository = Repository(registry)
    images = {
        name: push(repository, "", layer(file("which", name.encode())), architecture=name)
        for name in ("arm64", "amd64")
    }
    pushed = push_index(repository, "v1", **images)
    wait_until_known(repository, *[image.digest for image in images.values()])
    for reference in ("v1", pushed.digest, pushed.digest.replace(":", "%3A")):
        files = Files(registry, repository.name, reference)
        assert files.get("/which").body == b"amd64"
        assert files.get("/which?platform=linux/arm64").body == b"arm64"
        assert files.list("?platform=linux/arm64&n=1") == ["/which"]
        assert files.refused("?platform=linux/s390x") == (404, "MANIFEST_UNKNOWN")
    assert files.refused("?platform=arm") == (400, "PARAMETER_INVALID")
    manifest = files.api.get(f"/repositories/{repository.name}/-/manifests/v1")
    assert manifest["contents"]["state"] == "none"


# What is refused


def test_a_missing_file_is_answered_with_what_is_near(files: Files) -> None:
    problem = files.api.refused(f"{files.base}/etc/os-relaese")
    assert problem["code"] == "FILE_UNKNOWN"
    assert problem["context"] == {"path": "/etc/os-relaese", "nearest": "/etc", "similar": "/etc/os-release"}
    assert "did you mean /etc/os-release?" in problem["detail"]
    for path, nearest in (
        ("/a/b/c", "/"),
        ("/etc/passwd/x/y", "/etc/passwd"),
        ("/bin/no/x", "/bin"),
        ("/etc/loop/x", "/etc"),
    ):
        assert files.api.refused(files.base + path)["context"]["nearest"] == nearest


@pytest.mark.parametrize(
    "query",
    [
        "?n=0", "?n=1001", "?recursive=maybe", "?depth=2", "?recursive=true&depth=0", "?as=html", "?stat=1",
        "?follow=false",
        "?path_b64=%25", "?nonsense=1", "?last=%21", "?path_b64=AAAA",
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_is_refused(files: Files, query: str) -> None:
    assert files.refused(query)[0] == 400


def test_what_goes_with_other_paths_is_refused(files: Files) -> None:
    assert files.refused("/etc?path_b64=L2V0Yw==") == (400, "PARAMETER_INVALID")
    assert files.refused("/etc?as=text") == (400, "PARAMETER_INVALID")
    assert files.refused("/etc/os-release?as=text&stat=true") == (400, "PARAMETER_INVALID")
    assert files.refused("/" + "a/" * 3000) == (400, "PARAMETER_INVALID")
    assert files.refused("/" + "a/" * 2000)[0] == 404
    assert files.get("/%ff").status == 400
    assert files.get("/%00").status == 400


def test_what_is_no_image_and_what_is_not_there_is_named(registry: Client, files: Files) -> None:
    repository = Repository(registry)
    assert Files(registry, repository.name).refused("/etc") == (404, "REPOSITORY_UNKNOWN")
    repository.push_image("artifact")
    assert Files(registry, repository.name, "artifact").refused("") == (422, "NOT_AN_IMAGE")
    assert Files(registry, repository.name, "v9").refused("") == (404, "TAG_UNKNOWN")
    assert Files(registry, repository.name, digest_of(b"absent")).refused("") == (404, "MANIFEST_UNKNOWN")
    assert Files(registry, repository.name, ".wrong").refused("") == (400, "TAG_INVALID")
    assert Files(registry, repository.name, "sha256:wrong").refused("") == (400, "DIGEST_INVALID")


def test_a_layer_that_is_no_archive_is_refused_with_the_reason(registry: Client) -> None:
    repository = Repository(registry)
    push(repository, "v1", gzip.compress(b"this is no archive at all" * 100))
    wait_until_known(repository, "v1")
    problem = Files(registry, repository.name).api.refused(f"/repositories/{repository.name}/-/files/v1")
    assert (problem["status"], problem["code"]) == (422, "CONTENTS_UNINDEXABLE")
    assert problem["context"]["reason"] in problem["detail"]
    told = Api(registry).get(f"/repositories/{repository.name}/-/manifests/v1")["contents"]
    assert told == {"state": "unindexable", "reason": problem["context"]["reason"]}


def test_what_nobody_has_looked_into_yet_says_when_to_come_back(registry: Client) -> None:
    repository = Repository(registry)
    push(repository, "v1", layer(file("a", random.Random().randbytes(9_000_000))))
    answer = Files(registry, repository.name).get("/a")
    if answer.status == 409:  # a quick worker may have been faster
        assert answer.json()["code"] == "CONTENTS_PENDING"
        assert int(answer.header("Retry-After")) > 0
    wait_until_known(repository, "v1")
    assert Files(registry, repository.name).get("/a").status == 200


def test_where_nobody_looks_into_images_it_says_so() -> None:
    with OrlopServer(storage="memory") as server, Client(address_of(server)) as client:
        repository = Repository(client)
        config = encode({"os": "linux"})
        repository.push_blob(config)
        repository.push_manifest(image(descriptor(config, OCI_CONFIG), [descriptor(b"absent", OCI_EMPTY)][:0]), "v1")
        assert Files(client, repository.name).refused("") == (422, "CONTENTS_UNINDEXABLE")
        told = Api(client).get(f"/repositories/{repository.name}/-/manifests/v1")["contents"]
    assert (told["state"], "contents.enabled" in told["reason"]) == ("none", True)


# How much is read, and how fast


def test_a_listing_and_a_stat_take_milliseconds(registry: Client) -> None:
    repository = Repository(registry)
    wide = [file(f"wide/{number}") for number in range(3000)]
    push(repository, "v1", layer(*ETC, *wide), layer(*TOP))
    wait_until_known(repository, "v1")
    files = Files(registry, repository.name)
    for path in ("", "/usr/bin", "/etc/passwd?stat=true", "/bin/env?stat=true", "/wide?n=200", "?recursive=true&n=200"):
        files.get(path)
        times = []
        for _ in range(9):
            begun = time.perf_counter()
            assert files.get(path).status == 200
            times.append(time.perf_counter() - begun)
        assert sorted(times)[4] < 0.06, path  # 1 to 12 ms here
