"""The commands that search: `orlop find` and `orlop packages`, as a new user meets them."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from orlop.cli.find import _PACKAGES
from orlop.cli.hits import Hits, images_text, say_what_is_left
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.images import file, layer, push, push_index, symlink, wait_until_known
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

STATUS = b"Package: openssl\nStatus: install ok installed\nVersion: %b\nArchitecture: amd64\n\n"
VERSIONS = (b"3.0.11-1~deb12u2", b"1.1.1n-0+deb11u5", b"3.0.13-1")
LIBRARY = "/usr/lib/x86_64-linux-gnu/libssl.so.3"


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run(*words: str, server: str) -> Done:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORLOP_")}
    environment |= {"ORLOP_SERVER": server, "COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-m", "orlop", *words], env=environment, capture_output=True, text=True)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def server() -> Iterator[OrlopServer]:
    """50 images of 5 repositories, on three bases; the last one for two platforms."""
    bases = [
        layer(
            file(LIBRARY, version.ljust(600_000)), symlink(LIBRARY[:-2], "libssl.so.3"),
            file("var/lib/dpkg/status", STATUS % version), file("etc/es\x1b[31mc.conf", b"1"),
        )
        for version in VERSIONS
    ]  # fmt: skip
    with OrlopServer(storage="memory", CONTENTS_ENABLED="true") as server, Client(address_of(server)) as client:
        steps = ("/bin/sh -c #(nop) ADD file:0123456789 in / ", "COPY --chown=app:app main.py /srv/app # buildkit")
        for number in range(50):
            repository = Repository(client, f"team/app{number % 5}")
            run_as = {"Labels": {"org.opencontainers.image.source": f"https://example.com/app{number % 5}"}}
            own = layer(file(f"srv/main{number}.py", b"1"))
            push(repository, f"1.{number}", bases[number % 3], own, steps=steps, run=run_as)
        index = Repository(client, "arm")
        children = {
            name: push(index, "", layer(file(f"only-{name}", b"1")), architecture=name) for name in ("amd64", "arm64")
        }
        push_index(index, "v1", **children)
        for number in range(50):
            wait_until_known(Repository(client, f"team/app{number % 5}"), f"1.{number}")
        wait_until_known(index, *(child.digest for child in children.values()))
        yield server


def test_a_library_in_50_images_is_one_screen_that_can_be_read(server: OrlopServer) -> None:
    done = run("find", "libssl.so", server=server.url)
    assert (done.code, done.err) == (0, "")
    assert len(done.lines) <= 24
    assert max(map(len, done.lines)) <= 80
    first = done.lines[0]
    assert first.startswith(f"{LIBRARY[:-2]} -> libssl.so.3 ")
    assert first.endswith("symlink")
    assert done.lines[1] == "  team/app0:1.0, team/app0:1.5, team/app0:1.10 +47"
    assert done.lines[2].split(maxsplit=1)[1] == "ADD file:0123456789 in /"
    sizes = {line.split()[-2] for line in done.lines if line.startswith(f"{LIBRARY} ")}
    assert sizes == {"585.9"}


def test_the_last_line_fetches_the_first_hit(server: OrlopServer) -> None:
    done = run("find", "main7.py", server=server.url)
    assert done.lines[-1] == "orlop cat team/app2:1.7 /srv/main7.py"
    assert run(*shlex.split(done.lines[-1])[1:], server=server.url).out == "1"
    done = run("find", "only-arm", server=server.url)
    assert run(*shlex.split(done.lines[-1])[1:], server=server.url).out == "1"
    done = run("find", "name:srv", server=server.url)
    assert shlex.split(done.lines[-1])[:2] == ["orlop", "files"]
    elsewhere = run("find", "main7.py", "--server", server.url, server="http://127.0.0.1:1")
    assert elsewhere.lines[-1].endswith(f"--server {server.url}")


def test_hits_come_page_by_page(server: OrlopServer) -> None:
    done = run("find", "main", "-n", "30", server=server.url)
    assert done.err.startswith("there may be more: orlop find main --last ")
    rest = run(*shlex.split(done.err.partition(": orlop ")[2]), server=server.url)
    assert rest.err == ""
    paths = [line.split()[0] for page in (done, rest) for line in page.lines if line.startswith("/srv/")]
    assert sorted(paths) == sorted(f"/srv/main{number}.py" for number in range(50))


def test_control_characters_in_names_do_not_reach_the_terminal(server: OrlopServer) -> None:
    done = run("find", "conf", server=server.url)
    assert done.lines[0].startswith("/etc/es\\x1b[31mc.conf")
    assert "\x1b" not in done.out
    assert "orlop cat" not in done.out


@pytest.mark.parametrize("text", ["ab", "*", "sha256:12"])
def test_a_text_that_is_too_short_is_answered_in_one_line_with_the_remedy(server: OrlopServer, text: str) -> None:
    done = run("find", text, server=server.url)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)


def test_what_is_nowhere_is_said(server: OrlopServer) -> None:
    assert run("find", "nowhere", server=server.url) == (0, "", "nothing is found\n")
    assert "without the first /" in run("find", "/libssl.so", server=server.url).err


def test_packages_are_found_by_a_query(server: OrlopServer) -> None:
    done = run("find", "openssl < 3.0.13", server=server.url)
    again = run("packages", "--query", "openssl < 3.0.13", server=server.url)
    assert (done.code, done.out) == (0, again.out)
    assert done.lines[0].split() == ["PACKAGE", "VERSION", "ECOSYSTEM", "SOURCE", "IMAGES"]
    assert [line.split()[:3] for line in done.lines[1:]] == [
        ["openssl", "1.1.1n-0+deb11u5", "dpkg"], ["openssl", "3.0.11-1~deb12u2", "dpkg"],
    ]  # fmt: skip
    assert done.lines[1].endswith(" +15")
    assert "orlop find openssl --type packages" in run("find", "openssl", server=server.url).err
    assert "no image" in run("packages", "--query", "openssl > 4", server=server.url).err


def test_the_packages_of_an_image_are_listed(server: OrlopServer) -> None:
    done = run("packages", "team/app2:1.2", server=server.url)
    assert done.lines[1].split() == ["openssl", "3.0.13-1", "dpkg", "-"]
    assert "no file" in run("packages", "team/app2:1.2", "--ecosystem", "npm", server=server.url).err
    document = json.loads(run("packages", "team/app2:1.2", "--json", server=server.url).out)
    assert (document["total"], document["items"][0]["name"]) == (1, "openssl")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("team/app2:1.2", "--query", "openssl"),
        ("team/app2:1.2", "--in", "team/*"),
        ("team/app2:1.2", "--last", "x"),
    ],
)
def test_packages_are_asked_for_in_one_way(server: OrlopServer, words: tuple[str, ...]) -> None:
    done = run("packages", *words, server=server.url)
    assert (done.code, done.out) == (2, "")


def test_labels_tags_and_repositories_are_found(server: OrlopServer) -> None:
    done = run("find", "source=", "--type", "labels", "--in", "team/app3", server=server.url)
    assert done.lines == [
        "org.opencontainers.image.source=https://example.com/app3",
        "  team/app3:1.3, team/app3:1.8, team/app3:1.13 +7",
    ]
    done = run("find", "app3:1.4", "--type", "tags", server=server.url)
    assert [line.split()[0] for line in done.lines] == ["TAG", "team/app3:1.43", "team/app3:1.48"]
    assert run("find", "APP", "--type", "names", server=server.url).lines == [f"team/app{n}" for n in range(5)]


def test_answers_for_programs_are_json(server: OrlopServer) -> None:
    for words in (("libssl",), ("openssl < 3",), ("nowhere",), ("app", "--type", "names")):
        document = json.loads(run("find", *words, "--json", server=server.url).out)
        assert document.keys() == {"items", "last", "pending"}


def test_images_that_are_not_indexed_are_told_of_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    for pending, told in (
        (0, ""),
        (1, "1 image is not"),
        (2, "2 images are not"),
        (1000, "1000 or more images are not"),
    ):
        say_what_is_left(Hits([], "", pending), ["orlop"])
        assert capsys.readouterr().err == (f"{told} indexed yet\n" if told else "")


def test_images_are_named_in_few_words() -> None:
    image = {"repository": "app", "reference": f"sha256:{'0' * 64}", "platform": None}
    item = {"images": [image], "image_count": 1, "more": True}
    assert images_text(item) == "app@sha256:000000000000 and more"


@pytest.mark.parametrize(
    ("text", "is_query"),
    [
        ("openssl < 3.0.13", True), ("openssl<3", True), ("python:requests >= 2, < 2.32", True), ("pkg:deb/x@1", True),
        ("curl = 8.*", True), ("libssl.so", False), ("a=b.txt", False), ("etc/x=1", False), ("/x = 1", False),
    ],
)  # fmt: skip
def test_a_query_for_packages_is_known_by_its_conditions(text: str, is_query: bool) -> None:
    assert (_PACKAGES.match(text) is not None) == is_query
