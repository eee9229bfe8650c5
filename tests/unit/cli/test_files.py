"""The commands that look into images: `orlop files`, `cat`, `diff`, `waste` and `cost`."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from orlop.cli import images
from orlop.cli.client import Where
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.images import file, hardlink, layer, push, push_index, symlink, wait_until_known
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

BINARY = bytes(range(256)) * 3000
STATUS = b"Package: openssl\nStatus: install ok installed\nVersion: 3.0.%d\nArchitecture: amd64\n\n"
BASE = layer(
    file("etc/motd", b"one\ntwo\n", mode=0o600, uid=5, gid=60), file("bin/tool", BINARY, mode=0o4755),
    symlink("way", "etc/motd"),
    file("root/.env", b"KEY=1"), file("var/lib/dpkg/status", STATUS % 9), file("a/b/c/d", b"deep"),
)  # fmt: skip
TOP = layer(
    file("etc/motd", b"one\n2\n"), file("root/.wh..env"), file("etc/es\x1b[31mc", b"hi"),
    file(b"etc/l\xe4tin", b"latin"),
    hardlink("etc/hard", "etc/motd"), file("var/lib/dpkg/status", STATUS % 11), file("bin/tool", BINARY, mode=0o755),
)  # fmt: skip


class Done(NamedTuple):
    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()


def command(*words: str | bytes) -> list[str | bytes]:
    return [sys.executable, "-m", "orlop", *words]


def environment(server: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ORLOP_")}
    return kept | ({"ORLOP_SERVER": server} if server else {})


@pytest.fixture(scope="module")
def server() -> Iterator[OrlopServer]:
    with OrlopServer(storage="memory", CONTENTS_ENABLED="true") as server:
        with Client(address_of(server)) as client:
            repository = Repository(client, "team/app")
            push(repository, "v1", BASE, steps=("/bin/sh -c #(nop) ADD base",))
            push(repository, "v2", BASE, TOP, run={"Cmd": ["sh"]}, steps=("ADD base", "RUN  rm   /root/.env"))
            wait_until_known(repository, "v1", "v2")
        yield server


@pytest.fixture
def repository(server: OrlopServer) -> Iterator[Repository]:
    with Client(address_of(server)) as client:
        yield Repository(client)


class Orlop:
    def __init__(self, server: OrlopServer) -> None:
        self.server = server

    def __call__(self, *words: str | bytes) -> Done:
        done = subprocess.run(command(*words), env=environment(self.server.url), capture_output=True)
        return Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


@pytest.fixture
def orlop(server: OrlopServer) -> Orlop:
    return Orlop(server)


# Files


def test_a_directory_looks_as_ls_shows_it(orlop: Orlop) -> None:
    done = orlop("files", "team/app:v1", "/etc")
    assert done == (0, b"-rw------- 5:60 8 2023-11-14 22:13 motd\n", "")
    lines = orlop("files", f"{orlop.server.host_port}/team/app:v2").lines
    assert [line.split(maxsplit=5)[5] for line in lines] == ["a", "bin", "etc", "root", "var", "way -> etc/motd"]
    assert orlop("files", "team/app:v1", "bin/tool").lines == ["-rwsr-xr-x 0:0 768000 2023-11-14 22:13 /bin/tool"]
    assert orlop("files", "team/app:v1", "/way").lines[0].endswith("/way -> etc/motd")


def test_names_cannot_command_a_terminal(orlop: Orlop) -> None:
    listed = [line.split(maxsplit=5)[5] for line in orlop("files", "team/app:v2", "etc").lines]
    assert listed == ["es\\x1b[31mc", "hard link to /etc/motd", "l\\xe4tin", "motd"]
    assert b"\x1b" not in orlop("files", "team/app:v2", "--tree", "--depth", "9").out
    assert b"\x1b" not in orlop("diff", "team/app:v1", ":v2").out
    assert "\x1b" not in orlop("files", "team/app:v2", "etc/\x1b[31m").err


def test_what_is_below_is_listed_and_drawn(orlop: Orlop) -> None:
    paths = [line.split(maxsplit=5)[5] for line in orlop("files", "team/app:v1", "-R", "a").lines]
    assert paths == ["/a/b", "/a/b/c", "/a/b/c/d"]
    assert orlop("files", "team/app:v1", "--tree").lines == [
        "/", "├── a/", "│   └── b/", "├── bin/", "│   └── tool  750.0 KiB", "├── etc/", "│   └── motd  8 B",
        "├── root/", "│   └── .env  5 B", "├── var/", "│   └── lib/", "└── way -> etc/motd",
    ]  # fmt: skip
    cut = orlop("files", "team/app:v1", "/", "--tree", "-n", "2")
    assert (len(cut.lines), "--limit" in cut.err) == (3, True)
    cut = orlop("files", "team/app:v1", "--limit", "2")
    assert (len(cut.lines), "--limit" in cut.err) == (2, True)


def test_programs_get_json(orlop: Orlop) -> None:
    document = json.loads(orlop("files", "team/app:v2", "-R", "--json").out)
    assert len(document["items"]) == 17
    assert document["entry"]["path"] == "/"
    assert json.loads(orlop("files", "team/app:v2", "bin/tool", "--json").out)["items"] is None
    assert json.loads(orlop("diff", "team/app:v1", ":v2", "--json").out).keys() == {
        "a",
        "b",
        "config",
        "packages",
        "files",
    }
    assert json.loads(orlop("waste", "team/app:v2", "--json").out)["secret_count"] == 1
    assert json.loads(orlop("cost", "team/app:v2", "--json").out)["had"] == 0


def test_the_one_for_a_platform(orlop: Orlop, repository: Repository) -> None:
    children = {name: push(repository, "", layer(file(name)), architecture=name) for name in ("amd64", "arm64")}
    pushed = push_index(repository, "latest", **children)
    wait_until_known(repository, *[child.digest for child in children.values()])
    for ref in (repository.name, f"{repository.name}@{pushed.digest}", f"{repository.name}:latest@{pushed.digest}"):
        assert orlop("files", ref).out.endswith(b" amd64\n")
        assert orlop("files", ref, "--platform", "linux/arm64").out.endswith(b" arm64\n")


# One file


def test_a_file_comes_byte_by_byte(orlop: Orlop, tmp_path: Path) -> None:
    assert orlop("cat", "team/app:v2", "/bin/tool") == (0, BINARY, "")
    assert orlop("cat", "team/app:v2", "way").out == b"one\n2\n"
    assert orlop("cat", "team/app:v2", b"etc/l\xe4tin").out == b"latin"
    assert orlop("cat", "team/app:v2", "etc/es\x1b[31mc").out == b"hi"
    output = tmp_path / "tool"
    output.write_bytes(b"before")
    assert orlop("cat", "team/app:v2", "bin/tool", "-o", str(output)) == (0, b"", "")
    assert output.read_bytes() == BINARY
    assert orlop("cat", "team/app:v2", "bin/none", "--output", str(output)).code == 1
    assert output.read_bytes() == BINARY
    assert os.listdir(tmp_path) == ["tool"]


def test_who_has_read_enough_may_go(orlop: Orlop) -> None:
    with subprocess.Popen(
        command("cat", "team/app:v2", "bin/tool"), env=environment(orlop.server.url), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == BINARY[:4]
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


# What differs


def test_two_images_are_compared(orlop: Orlop) -> None:
    assert orlop("diff", "team/app:v1", ":v2").lines == [
        "Config",
        '  + cmd: ["sh"]',
        "Packages: 1 upgraded",
        "  ~ openssl 3.0.9 -> 3.0.11  (dpkg)",
        "Files: 3 added (13 B), 3 changed (-1 B), 1 removed (5 B)",
        "  ~ /bin/tool  mode 4755 -> 0755",
        "  + /etc/es\\x1b[31mc  2 B",
        "  + /etc/hard  6 B",
        "  + /etc/l\\xe4tin  5 B",
        "  ~ /etc/motd  content 8 B -> 6 B, mode 0600 -> 0644, owner 5:60 -> 0:0",
        "  - /root/.env  5 B",
        "  ~ /var/lib/dpkg/status  content 82 B -> 83 B",
    ]
    assert orlop("diff", "team/app:v1", "team/app:v1").lines == [
        "Config: no difference", "Packages: no difference", "Files: no difference",
    ]  # fmt: skip
    assert orlop("diff", "team/app:v1", ":v2", "--files", "-n", "1").lines[-1].startswith("  … and 6 more")


def test_lines_of_a_file_and_files_of_a_directory(orlop: Orlop) -> None:
    assert orlop("diff", "team/app:v1", ":v2", "etc/motd").lines[3:] == [" one", "-two", "+2"]
    assert orlop("diff", "team/app:v1", ":v2", "bin").lines[1:] == ["  ~ /bin/tool  mode 4755 -> 0755"]
    same = orlop("diff", "team/app:v1", ":v2", "bin/tool")
    assert (same.out, same.err) == (b"", "/bin/tool has the same content in both\n")
    assert "neither image" in orlop("diff", "team/app:v1", ":v2", "nothing").err


# Waste and cost


def test_waste_names_layers_files_and_secrets(orlop: Orlop) -> None:
    text = orlop("waste", "team/app:v2").out.decode()
    assert text.startswith("team/app:v2: 1.5 MiB of files shipped, 750.1 KiB there at the top: efficiency 50.0%")
    assert "unchanged  /bin/tool" in text
    assert "RUN rm /root/.env" in text
    assert "/root/.env  in layer sha256:" in text
    assert "keys or passwords" not in orlop("waste", "team/app:v1").out.decode()
    assert "/root/.env" in orlop("waste", "team/app:v1", "--live").out.decode()


def test_cost_tells_what_is_there_already(orlop: Orlop) -> None:
    first, _, _, base, top = orlop("cost", "team/app:v2", "--have", ":v1").lines
    assert "to pull, " in first
    assert base.split()[3:5] == ["there", "2"]
    assert top.split()[3:5] == ["pulled", "1"]
    assert "RUN rm /root/.env" in top


def test_deleting_a_tag_says_what_is_freed_and_when(orlop: Orlop) -> None:
    text = orlop("tag", "delete", "team/app:v2", "--dry-run").out.decode()
    assert "nothing else keeps " in text
    assert "collected or deleted" in text


# What goes wrong: one line, with the remedy


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("files", "team/app:v1", "/etc/motdd"), 1, "did you mean /etc/motd?"),
        (("files", "team/app:v1", "/x/y"), 1, "the nearest that is there is /"),
        (("files", "team/app:v11"), 1, "did you mean v1?"),
        (("files", "team/apq:v1"), 1, "did you mean team/app?"),
        (("files", "team/app:v1", "--platform", "arm"), 1, "os/architecture"),
        (("files", "team/app:v1", "--platform", "linux/arm64"), 1, "not for linux/arm64"),
        (("files", ":v1"), 2, "NAME:TAG"),
        (("files", "app@"), 2, "NAME@DIGEST"),
        (("files", "app@sha256:1"), 1, "digest"),
        (("files", "team/app:v1", "--wait", "soon"), 2, "30s"),
        (("cat", "team/app:v1", "/etc"), 1, "orlop files team/app:v1 /etc"),
        (("cat", "team/app:v1", "etc/motd", "-o", "/nowhere/file"), 1, "/nowhere"),
        (("diff", "a.example/app:v1", "b.example/app:v1"), 2, "two servers"),
        (("diff", "app:v1", ":v2", "/etc", "--packages"), 2, "--packages"),
        (("cost", "a.example/app:v1", "--have", "b.example/app:v1"), 2, "two servers"),
    ],
)
def test_a_failure_is_one_line_with_the_remedy(orlop: Orlop, words: tuple[str, ...], code: int, told: str) -> None:
    done = orlop(*words)
    assert (done.code, done.out, done.err.count("\n")) == (code, b"", 1), done
    assert told in done.err
    assert "Traceback" not in done.err


def test_it_waits_for_what_nobody_has_looked_into(orlop: Orlop, repository: Repository) -> None:
    push(repository, "v1", layer(file("late", os.urandom(3_000_000))))
    assert orlop("files", f"{repository.name}:v1").lines[0].endswith(" late")


def test_it_does_not_wait_for_ever(repository: Repository) -> None:
    with OrlopServer(CONTENTS_ENABLED="true", CONTENTS_WORKER="false") as server, Client(address_of(server)) as client:
        push(Repository(client, "app"), "v1", layer(file("a")))
        done = Orlop(server)("files", "app:v1", "--wait", "0.2s")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "--wait" in done.err


def test_on_a_terminal_lines_are_escaped_and_in_a_pipe_they_are_not(orlop: Orlop, repository: Repository) -> None:
    for tag, text in (("a", b"plain\n"), ("b", b"\x1b[31mred\tline\n")):
        push(repository, tag, layer(file("t", text)))
    wait_until_known(repository, "a", "b")
    words = ("diff", f"{repository.name}:a", ":b", "t")
    assert b"+\x1b[31mred\tline\n" in orlop(*words).out
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(*words), env=environment(orlop.server.url), stdout=theirs) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:  # how a terminal ends
            pass
    os.close(ours)
    assert process.returncode == 0
    assert b"\x1b" not in written
    assert b"+\\x1b[31mred" in written


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("app", Where("", "app", "latest")),
        ("app:v1", Where("", "app", "v1")),
        ("h.example/team/app:v1", Where("h.example", "team/app", "v1")),
        ("localhost:5000/app@sha256:ab", Where("localhost:5000", "app", "", "sha256:ab")),
        ("app:v1@sha256:ab", Where("", "app", "v1", "sha256:ab")),
    ],
)
def test_references_are_dockers(text: str, where: Where) -> None:
    assert images.parse_image(text) == where
    assert where.reference == (where.digest or where.tag)


@pytest.mark.parametrize("text", ["", ":v1", "app@", "@sha256:ab", "localhost/"])
def test_what_names_no_image_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="names no image"):
        images.parse_image(text)


@pytest.mark.parametrize(
    ("mode", "kind", "shown"),
    [
        ("0644", "file", "-rw-r--r--"), ("4755", "file", "-rwsr-xr-x"), ("4644", "file", "-rwSr--r--"),
        ("2755", "file", "-rwxr-sr-x"), ("1777", "directory", "drwxrwxrwt"), ("1776", "directory", "drwxrwxrwT"),
        ("0000", "symlink", "l---------"), ("0600", "block", "brw-------"), ("0600", "fifo", "prw-------"),
        ("0600", "hardlink", "-rw-------"), ("0600", "character", "crw-------"),
    ],
)  # fmt: skip
def test_modes_are_shown_as_ls_shows_them(mode: str, kind: str, shown: str) -> None:
    assert images.mode_text({"mode": mode, "type": kind}) == shown


def test_times_that_no_calendar_has_are_numbers() -> None:
    assert images.time_text(0) == "1970-01-01 00:00"
    assert images.time_text(2**62) == str(2**62)
    assert images.time_text(-(2**62)) == str(-(2**62))
