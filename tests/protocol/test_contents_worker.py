"""What was pushed is looked into soon, by a process beside the server that comes and goes as it is needed."""

import hashlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orlop.contents import toc
from orlop.contents.resting import HOLD, Traffic
from orlop.storage.local import LocalStorage
from tests.protocol import layers
from tests.servers import OrlopServer, command

BASE = layers.layer({"etc/os-release": b"ID=test\n", "bin/sh": b"\x7fELF"})
TOP = layers.layer({"etc/.wh.os-release": b"", "app": b"1"})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OrlopServer]:
    with OrlopServer(tmp_path / "data", CONTENTS_ENABLED="true") as server:
        yield server


def worker(server: OrlopServer, *words: str) -> str:
    """`orlop worker` beside the server, to its end; what it prints."""
    done = subprocess.run(
        command("worker", "--data", str(server.data), *words),
        env=server.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def workers_of(server: OrlopServer) -> list[int]:
    """The processes that the server has started."""
    assert server.process is not None
    listed = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    return [int(pid) for children in listed for pid in children.read_text().split()]


def jobs_of(server: OrlopServer) -> dict[str, int]:
    with urllib.request.urlopen(f"{server.url}/api/v1/status") as answer:
        found: dict[str, int] = json.load(answer)["contents"]
    return found


def is_idle(server: OrlopServer) -> bool:
    found = jobs_of(server)
    return found["waiting"] == found["running"] == 0


def test_an_image_is_looked_into_after_its_push(server: OrlopServer) -> None:
    layers.push(server.url, "team/app", "v1", BASE, TOP)
    layers.until(lambda: layers.paths(server.url, "team/app", "v1") == ["/app", "/bin", "/etc"])
    layers.until(lambda: is_idle(server))
    # The documents of the image are there, too.
    (trie,) = (server.data / "store" / "images").rglob("files.trie")
    assert json.loads(trie.with_name("diffs.json").read_text()) == {
        "added": ["/app"],
        "changed": [],
        "removed": ["/etc/os-release"],
    }
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        metrics = answer.read().decode()
    assert 'orlop_jobs_ended_total{kind="layer",outcome="ready"} 2.0' in metrics
    (pid,) = workers_of(server)

    asked = time.monotonic()
    server.stop()
    assert time.monotonic() - asked < 4
    assert not Path(f"/proc/{pid}").exists()


def test_a_worker_ends_with_a_server_that_is_killed(server: OrlopServer) -> None:
    layers.push(server.url, "team/app", "v1", BASE)
    layers.until(lambda: workers_of(server))
    (pid,) = workers_of(server)
    server.kill()
    layers.until(lambda: not Path(f"/proc/{pid}/exe").exists(), 5)


def test_a_worker_that_is_killed_comes_again(server: OrlopServer) -> None:
    layers.push(server.url, "team/app", "v1", BASE)
    layers.until(lambda: workers_of(server))
    os.kill(workers_of(server)[0], signal.SIGKILL)
    layers.push(server.url, "team/other", "v1", TOP)
    layers.until(lambda: layers.paths(server.url, "team/other", "v1") == ["/app", "/etc"])
    assert "the worker has died" in server.log


def test_what_is_known_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with OrlopServer(data, CONTENTS_ENABLED="true", CONTENTS_WORKER="false") as server:
        layers.push(server.url, "team/app", "v1", BASE, TOP)
        layers.push(server.url, "team/other", "v1", BASE)
        assert worker(server, "--until-idle") == "looked into 2 images, 2 layers\n"
        for path in data.glob("contents.db*"):
            path.unlink()
        assert worker(server, "--until-idle") == "looked into 2 images, 2 layers\n"
        assert layers.paths(server.url, "team/app", "v1") == ["/app", "/bin", "/etc"]
        assert worker(server, "--until-idle") == "looked into 0 images, 0 layers\n"
        # Also what is in the tree.
        shutil.rmtree(data / "store" / "layers")
        shutil.rmtree(data / "store" / "chains")
        (data / "contents.db").unlink()
        assert worker(server, "--until-idle") == "looked into 2 images, 2 layers\n"
        with LocalStorage(data / "store") as storage:
            tables = [entry.path for entry in storage.walk(storage.layers)]
            assert len(tables) == 2
            assert all(toc.verify(storage, path) for path in tables)


def test_what_was_pushed_while_nobody_looked_is_looked_into_later(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with OrlopServer(data, CONTENTS_ENABLED="true", CONTENTS_WORKER="false"):
        pass
    with OrlopServer(data) as server:
        layers.push(server.url, "team/app", "v1", BASE)
        assert jobs_of(server) == {"enabled": False, "waiting": 0, "running": 0, "failed": 0}
    with OrlopServer(data, CONTENTS_ENABLED="true") as server:
        layers.until(lambda: layers.paths(server.url, "team/app", "v1") == ["/bin", "/etc"])


def test_a_layer_that_is_no_archive_is_told_and_never_tried_again(tmp_path: Path) -> None:
    with OrlopServer(tmp_path / "data", CONTENTS_ENABLED="true", CONTENTS_WORKER="false") as server:
        layers.push(server.url, "team/app", "v1", b"no archive", BASE)
        worker(server, "--until-idle")
        assert jobs_of(server) == {"enabled": True, "waiting": 0, "running": 0, "failed": 0}
        with pytest.raises(AssertionError, match="CONTENTS_UNINDEXABLE"):
            layers.paths(server.url, "team/app", "v1")
        with closing(sqlite3.connect(server.data / "contents.db")) as connection:
            states = connection.execute("SELECT state FROM layers ORDER BY state").fetchall()
        assert states == [("ready",), ("unindexable",)]


def test_a_registry_in_memory_has_its_worker_inside() -> None:
    with OrlopServer(storage="memory", CONTENTS_ENABLED="true") as server:
        layers.push(server.url, "team/app", "v1", BASE, TOP)
        layers.until(lambda: layers.paths(server.url, "team/app", "v1") == ["/app", "/bin", "/etc"])
        assert workers_of(server) == []


def test_a_worker_says_where_there_is_nothing_for_it(tmp_path: Path) -> None:
    def said(**settings: str) -> str:
        environment = {**os.environ, **{f"ORLOP_{name}": value for name, value in settings.items()}}
        words = command("worker", "--data", str(tmp_path))
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1
        return done.stderr

    assert "contents.enabled is false" in said(CONTENTS_ENABLED="false")
    assert "there is no registry" in said()
    assert "a registry in memory" in said(STORAGE_URL="memory:")


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[OrlopServer]:
    """A server without a worker of its own."""
    with OrlopServer(tmp_path / "data", CONTENTS_ENABLED="true", CONTENTS_WORKER="false") as server:
        yield server


@pytest.fixture
def traffic(idle: OrlopServer) -> Iterator[Traffic]:
    """What a worker beside it sees of its clients."""
    with closing(Traffic(idle.data / "contents.db")) as traffic:
        yield traffic


def test_who_runs_a_worker_while_the_disk_is_full_is_told_so(idle: OrlopServer) -> None:
    layers.push(idle.url, "team/app", "v1", BASE)
    words = command("worker", "--data", str(idle.data), "--until-idle")
    environment = idle.environment() | {"ORLOP_STORAGE_FREE_FLOOR": "99%"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("orlop: 2 jobs are left, and can be done when this is over: the registry's storage is full")
    assert worker(idle, "--until-idle") == "looked into 1 image, 1 layer\n"


def test_workers_see_that_clients_push_and_pull(idle: OrlopServer, traffic: Traffic) -> None:
    def is_noted(ask: Callable[[], object]) -> bool:
        layers.until(lambda: not traffic.is_there())
        ask()
        return traffic.is_there()

    assert is_noted(lambda: layers.push(idle.url, "team/app", "v1", BASE))
    assert is_noted(lambda: urllib.request.urlopen(f"{idle.url}/v2/team/app/manifests/v1").close())
    # Who waits for an answer about the image asks often, and should not make it come later.
    assert not is_noted(lambda: jobs_of(idle))


def test_workers_see_the_clients_of_v1(tmp_path: Path) -> None:
    settings = {"CONTENTS_ENABLED": "true", "CONTENTS_WORKER": "false", "V1_MODE": "read"}
    with OrlopServer(tmp_path / "data", **settings) as server, closing(Traffic(server.data / "contents.db")) as traffic:
        layers.until(lambda: not traffic.is_there())
        urllib.request.urlopen(f"{server.url}/v1/_ping").close()
        assert traffic.is_there()


def test_a_large_upload_is_noted_all_the_while(idle: OrlopServer, traffic: Traffic) -> None:
    size, seen = 20 * 200_000, []
    digest = f"sha256:{hashlib.sha256(bytes(size)).hexdigest()}"
    path = f"/v2/team/app/blobs/uploads/?digest={digest}"
    host, _, port = idle.host_port.rpartition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(20):
            client.sendall(bytes(size // 20))
            time.sleep(HOLD / 2)
            seen.append(traffic.is_there())
        assert client.recv(12) == b"HTTP/1.1 201"
    assert seen.count(True) > 10
