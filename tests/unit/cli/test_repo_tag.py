"""The commands that ask a server: `orlop repo` and `orlop tag`."""

import http.server
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from orlop.cli import columns
from orlop.cli.client import DEFAULT, Client, ServerError, Where, client_for, parse_where
from orlop.config import load
from tests.protocol.client import Client as ProtocolClient
from tests.protocol.conftest import address_of
from tests.protocol.repository import Repository
from tests.servers import OrlopServer


class Done(NamedTuple):
    code: int
    out: str
    err: str


def run(*words: str, server: str = "") -> Done:
    """`orlop` with these words, in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORLOP_")}
    if server:
        environment["ORLOP_SERVER"] = server
    done = subprocess.run([sys.executable, "-m", "orlop", *words], env=environment, capture_output=True, text=True)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def server() -> Iterator[OrlopServer]:
    with OrlopServer(storage="memory") as server:
        yield server


@pytest.fixture
def repository(server: OrlopServer) -> Iterator[Repository]:
    with ProtocolClient(address_of(server)) as client:
        yield Repository(client)


# What is printed


def test_repositories_are_listed_in_columns(server: OrlopServer, repository: Repository) -> None:
    repository.push_image("v1")
    done = run("repo", "list", "--filter", repository.name, server=server.url)
    header, row = done.out.splitlines()
    assert header.split() == ["REPOSITORY", "TAGS", "SIZE", "PUSHED", "PULLED"]
    assert re.split(r"\s{2,}", row)[0] == repository.name
    assert row.endswith("just now  never")
    assert (done.code, done.err) == (0, "")


def test_tags_are_listed_with_their_digests(server: OrlopServer, repository: Repository) -> None:
    pushed = repository.push_image("v1")
    for reference in (repository.name, f"{server.host_port}/{repository.name}"):
        done = run("tag", "list", reference, server=server.url if "/" not in reference or ":" not in reference else "")
        header, row = done.out.splitlines()
        assert header.split() == ["TAG", "DIGEST", "PLATFORMS", "SIZE", "PUSHED", "PULLED"]
        assert row.split()[:2] == ["v1", pushed.digest[:19]]


def test_lists_are_sorted_filtered_and_cut_as_asked(server: OrlopServer, repository: Repository) -> None:
    for tag in ("a1", "b1", "a2", "c"):
        repository.push_image(tag)
    done = run("tag", "list", repository.name, "--sort", "-name", "--filter", "A", "--json", server=server.url)
    assert [item["name"] for item in json.loads(done.out)["items"]] == ["a2", "a1"]
    done = run("tag", "list", repository.name, "--sort=-updated", "-n", "2", "--json", server=server.url)
    assert [item["name"] for item in json.loads(done.out)["items"]] == ["c", "a2"]


def test_a_list_on_a_terminal_is_a_table(server: OrlopServer, repository: Repository) -> None:
    pushed = repository.push_image("v1")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "ORLOP_SERVER": server.url, "COLUMNS": "100", "TERM": "xterm"}
    command = [sys.executable, "-m", "orlop", "tag", "list", repository.name]
    with subprocess.Popen(command, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        written = b""
        try:
            while piece := os.read(ours, 4096):
                written += piece
        except OSError:  # how a terminal ends
            pass
    os.close(ours)
    assert process.returncode == 0
    assert b"\x1b[1m" in written
    assert pushed.digest[:19].encode() in written


def test_a_tag_is_deleted_by_dockers_reference(server: OrlopServer, repository: Repository) -> None:
    pushed = repository.push_image("v1")
    repository.put_manifest("latest", pushed.content, pushed.media_type)
    reference = f"{server.host_port}/{repository.name}:v1"
    dry = run("tag", "delete", reference, "--dry-run")
    assert dry.out.splitlines()[0] == f"would delete {repository.name}:v1"
    assert repository.tags() == ["latest", "v1"]
    done = run("tag", "delete", reference)
    assert done.out.splitlines() == [
        f"deleted {repository.name}:v1",
        f"  it named {pushed.digest}, which stays and can be pulled by that digest",
        "  these tags are on it too, and stay: latest",
    ]
    assert repository.tags() == ["latest"]
    done = run("tag", "delete", f"{repository.name}:latest", "--json", "--server", server.url)
    assert json.loads(done.out)["digest"] == pushed.digest


def test_an_empty_list_says_so(server: OrlopServer, repository: Repository) -> None:
    done = run("repo", "list", "--filter", repository.name, server=server.url)
    assert (done.code, done.out, done.err) == (0, "", "there is no such repository\n")
    assert json.loads(run("repo", "list", "--filter", repository.name, "--json", server=server.url).out) == {
        "items": []
    }


# What goes wrong: one line, with the remedy


def test_a_server_that_cannot_be_reached_is_named_with_the_remedy() -> None:
    done = run("repo", "list", "--server", "http://127.0.0.1:1")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "http://127.0.0.1:1" in done.err
    assert "orlop serve" in done.err
    assert "--server" in done.err


def test_what_is_unknown_comes_with_the_nearest_name(server: OrlopServer, repository: Repository) -> None:
    name = repository.name
    repository.push_image("release")
    for words, told in (
        (("tag", "list", f"{name}x"), f"did you mean {name}?"),
        (("tag", "delete", f"{name}x:release"), f"did you mean {name}?"),
        (("tag", "delete", f"{name}:relaese"), "did you mean release?"),
        (("tag", "delete", f"{name}:zzz"), f"`orlop tag list {name}`"),
        (("repo", "list", "--sort", "nam"), "did you mean name?"),
        (("tag", "list", "No/Name"), "invalid repository name"),
    ):
        done = run(*words, server=server.url)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1), done
        assert told in done.err
    assert repository.tags() == ["release"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("tag", "delete", "app"), "app names no tag: write app:TAG"),
        (("tag", "delete", "localhost:5000/app"), "names no tag"),
        (("tag", "delete", "app@sha256:abc"), "write NAME:TAG"),
        (("tag", "list", "app:v1"), "write app"),
        (("repo", "list", "-n", "0"), "-n"),
    ],
)
def test_a_command_that_is_misused_says_how_to_use_it(words: tuple[str, ...], told: str) -> None:
    done = run(*words)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert told in done.err


Answer = tuple[int, str, bytes]


@pytest.fixture
def answering() -> Iterator[Callable[[Answer], str]]:
    """A server that answers everything alike: gives its address."""
    servers = []

    def serve(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content_type, body = answer
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "answer",
    [
        (200, "text/html", b"<html>"),
        (200, "application/json", b"[]"),
        (200, "application/json", b"{}"),
        (200, "application/json", b'{"items": 5, "next": null}'),
        (200, "application/json", b'{"items": [], "next": '),
        (404, "text/plain", b"404 page not found"),
        (404, "application/json", b'{"errors": []}'),
        (500, "application/json", b"null"),
        (200, "text/plain", b"\xff\xfe"),
    ],
)
def test_a_server_of_another_kind_is_told_apart(answering: Callable[[Answer], str], answer: Answer) -> None:
    url = answering(answer)
    with pytest.raises(ServerError, match="does not answer as Orlop does: name another server with --server"):
        list(Client(url).items("/api/v1/repositories", None))


def test_a_server_cannot_send_its_client_elsewhere(answering: Callable[[Answer], str]) -> None:
    client = Client(answering((200, "application/json", b'{"items": [{}], "next": "@127.0.0.1:1/"}')))
    assert list(client.items("/api/v1/repositories", None)) == [{}]


@pytest.mark.parametrize(
    "server", ["", "x", "ftp://x", "http://", "http://a b", "http://u:p@a", "https://a?b", "http://:5"]
)
def test_an_address_that_is_none_is_refused(server: str) -> None:
    with pytest.raises(ServerError, match=r"write http://HOST\[:PORT\]"):
        Client(server)


def test_control_characters_of_a_server_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    columns.show([columns.Column("NAME")], [["a\x1b[2Jb\x07\u202e"]])
    assert capsys.readouterr().out == "NAME\na?[2Jb??\n"


# Which server


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("app", Where("", "app", "")),
        ("app:v1", Where("", "app", "v1")),
        ("team/app:v1", Where("", "team/app", "v1")),
        ("localhost/app", Where("localhost", "app", "")),
        ("localhost:5000/team/app:v1", Where("localhost:5000", "team/app", "v1")),
        ("registry.example.com/app:v1", Where("registry.example.com", "app", "v1")),
        ("[::1]:5000/app:v1", Where("[::1]:5000", "app", "v1")),
        ("host:5000/a", Where("host:5000", "a", "")),
    ],
)
def test_references_are_read_as_docker_reads_them(text: str, where: Where) -> None:
    assert parse_where(text) == where


@pytest.mark.parametrize(
    ("server", "text", "asked"),
    [
        (None, "app", DEFAULT),
        ("http://a:1/", "app", "http://a:1"),
        (None, "localhost:1/app", "http://localhost:1"),
        (None, "127.0.0.2/app", "http://127.0.0.2"),
        (None, "[::1]:1/app", "http://[::1]:1"),
        (None, "r.example.com/app", "https://r.example.com"),
        ("http://a:1", "r.example.com/app", "https://r.example.com"),
        ("http://r.example.com:80", "r.example.com:80/app", "http://r.example.com:80"),
        ("https://localhost:1", "localhost:1/app", "https://localhost:1"),
    ],
)
def test_a_reference_names_its_server_before_all_else(server: str | None, text: str, asked: str) -> None:
    assert client_for(server, parse_where(text)).server == asked


def test_the_variable_for_these_commands_is_no_setting_of_the_registry() -> None:
    load(None, {"ORLOP_SERVER": "http://127.0.0.1:1", "ORLOP_CONFIG": ""}, {})


# Sizes and ages


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1048575, "1.0 MiB"), (1 << 20, "1.0 MiB"),
        (5 << 30, "5.0 GiB"), (1 << 50, "1.0 PiB"), (2**63 - 1, "8.0 EiB"),
    ],
)  # fmt: skip
def test_sizes_are_in_iec_units(number: int, text: str) -> None:
    assert columns.size(number) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (None, "never"),
        ("2026-06-15T12:00:00Z", "just now"),
        ("2026-06-15T12:00:05.250000Z", "just now"),  # by a clock that is ahead
        ("2026-06-15T11:59:00Z", "1 minute ago"),
        ("2026-06-15T10:00:00Z", "2 hours ago"),
        ("2026-06-12T12:00:00Z", "3 days ago"),
        ("2026-03-15T12:00:00Z", "3 months ago"),
        ("2024-06-14T12:00:00Z", "2 years ago"),
    ],
)
def test_ages_are_as_people_say_them(at: str | None, text: str) -> None:
    assert columns.age(at, datetime(2026, 6, 15, 12, tzinfo=UTC)) == text


def test_the_commands_start_without_what_only_a_server_needs() -> None:
    code = "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\nimport orlop.__main__"
    done = subprocess.run([sys.executable, "-c", code, "repo", "list", "--help"], capture_output=True, text=True)
    heavy = {"aiohttp", "alembic", "asyncio", "msgspec", "prometheus_client", "rich", "sqlalchemy", "uvloop"}
    assert "orlop.cli.repo" in done.stderr.split()
    assert heavy & set(done.stderr.split()) == set()
