"""A registry that is backed up while it is used, lost whole, and made again from the backup."""

import base64
import json
import math
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.faults.disks import fill, small_disk
from tests.faults.history import History
from tests.faults.pusher import Pusher
from tests.faults.refusals import refusal
from tests.faults.requests import Requester
from tests.faults.sequence import Sequence
from tests.faults.test_first_start import tracing
from tests.faults.verification import Verification
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.content import MIB, OCI_IMAGE, OCI_INDEX, digest_of, encode, index, random_bytes
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

PUSHERS = 4
PASSWORD = "correct horse"
SETTINGS = {"ACCESS_MODE": "accounts", "ACCESS_RULES": "anyone may all on **", "LOG_LEVEL": "warning"}
CALLS = ("fsync", "fdatasync", "renameat", "rename", "unlink", "mkdirat", "write", "pwrite64", "unlinkat")


def ask(
    data: Path, *words: str | Path, wrapper: tuple[str, ...] = (), stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORLOP_")}
    command = [*wrapper, sys.executable, "-m", "orlop", *map(str, words), "--data", str(data)]
    return subprocess.run(
        command, env=environment, input=stdin, capture_output=True, text=True, check=False, timeout=300
    )


def orlop(data: Path, *words: str | Path, stdin: str = "") -> str:
    done = ask(data, *words, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a command says that fails."""
    assert done.returncode in (1, 2), done
    (line,) = done.stderr.splitlines()
    assert line.startswith("orlop: "), line
    return line


def as_of(history: History, begun: float, ended: float) -> History:
    """What a copy may hold that was made at some moment between these two."""
    copied = history.copied()
    for register in copied.registers.values():
        register.writes = [write for write in register.writes if write.started <= ended]
        for write in register.writes:
            if write.ended > begun:
                write.ended = math.inf
    return copied


class Fixed:
    """A repository that nobody changes after this: an index with its children, referrers, sha512, tags that moved."""

    def __init__(self, client: Client) -> None:
        repository = Repository(client, "fixed/app")
        self.repository = repository
        children = [repository.push_image(), repository.push_image()]
        self.index = repository.push_manifest(index([child.descriptor() for child in children]), "latest")
        repository.push_image("moved")
        self.moved = repository.push_image("moved")
        repository.push_image("gone")
        assert repository.delete("manifests/gone").status == 202
        self.referrer = repository.push_image(subject=self.moved.descriptor())
        self.blob = random_bytes(100_000)
        repository.push_blob(self.blob, "sha512")
        document = repository.new_image(annotations={"a": "sha512"})
        self.long = repository.push_manifest(document, digest_of(encode(document), "sha512"), "sha512")
        repository.start()
        assert repository.get("manifests/moved").status == 200

    def paths(self) -> Iterator[str]:
        base, api = "/v2/fixed/app", "/api/v1/repositories/fixed/app/-"
        for manifest in (self.index, self.moved, self.referrer, self.long):
            yield f"{base}/manifests/{manifest.digest}"
        yield f"{base}/tags/list"
        yield f"{base}/referrers/{self.moved.digest}"
        yield f"{base}/blobs/{digest_of(self.blob, 'sha512')}"
        yield f"{api}/tags"
        for tag in ("latest", "moved"):
            yield f"{base}/manifests/{tag}"
            yield f"{api}/tags/{tag}"
        yield f"{api}/manifests/{self.moved.digest}"

    def seen(self, client: Client) -> dict[str, bytes]:
        answers = {path: client.get(path) for path in self.paths()}
        assert {answer.status for answer in answers.values()} == {200}, answers
        return {path: answer.body for path, answer in answers.items()}


def signed_in(client: Client, name: str, secret: str) -> dict[str, object]:
    credentials = base64.b64encode(f"{name}:{secret}".encode()).decode()
    answer = client.get("/api/v1/me", {"Authorization": f"Basic {credentials}"})
    assert answer.status == 200, answer
    return dict(answer.json())


class Load:
    """Clients that push and delete while the block lasts."""

    def __init__(self, server: OrlopServer, history: History, seed: str) -> None:
        self.pushers = [Pusher(server.host_port, history, f"{seed}/{number}") for number in range(PUSHERS)]
        self.threads = [threading.Thread(target=pusher.run) for pusher in self.pushers]

    def __enter__(self) -> None:
        for thread in self.threads:
            thread.start()
        time.sleep(1.0)

    def __exit__(self, *_: object) -> None:
        time.sleep(0.5)
        for pusher in self.pushers:
            pusher.alive = False
        for thread in self.threads:
            thread.join(timeout=30)


class Drill:
    """A registry with accounts that is backed up under load, destroyed, and restored."""

    def __init__(self, folder: Path, seed: str) -> None:
        self.data, self.backup, self.new = folder / "data", folder / "backup", folder / "new"
        self.seed = seed
        self.history = History()
        self.begun = self.ended = 0.0
        orlop(self.data, "user", "create", "alice", "--admin", "--password-file", "-", stdin=f"{PASSWORD}\n")
        orlop(self.data, "user", "create", "ci", "--robot")
        orlop(self.data, "group", "create", "dev")
        orlop(self.data, "group", "add", "dev", "alice")
        self.token = orlop(self.data, "token", "create", "ci")

    def run(self) -> None:
        """Until nothing is left but the backup."""
        with OrlopServer(self.data, **SETTINGS) as server:
            with Client(address_of(server)) as client:
                self.fixed = Fixed(client)
                asked = client.get("/token?service=orlop&scope=registry:catalog:*", basic("alice"))
                self.bearer = asked.json()["token"]
            with Load(server, self.history, self.seed):
                orlop(self.data, "backup", self.backup, "--content")
                time.sleep(1.0)
                self.begun = time.monotonic()
                self.told = json.loads(orlop(self.data, "backup", self.backup, "--content", "--json"))
                self.ended = time.monotonic()
            with Client(address_of(server)) as client:
                self.seen = self.fixed.seen(client)
            server.kill()
            shutil.rmtree(self.data)

    def check(self, server: OrlopServer) -> None:
        with Client(address_of(server)) as client:
            # What was pulled since is not known to have been pulled.
            seen = self.fixed.seen(client)
            assert {path: without_pulls(body) for path, body in seen.items()} == {
                path: without_pulls(body) for path, body in self.seen.items()
            }
            assert signed_in(client, "alice", PASSWORD)["account"] == "alice"
            assert signed_in(client, "ci", self.token)["account"] == "ci"
            assert client.get("/v2/_catalog", {"Authorization": f"Bearer {self.bearer}"}).status == 200
            assert client.get("/v2/_catalog", {"Authorization": "Bearer x"}).status == 401
        known = as_of(self.history, self.begun, self.ended)
        with Requester(server.host_port) as requester:
            Verification(requester, known).check()
            orlop(self.new, "gc")
            Verification(requester, known).check()
        # It is a registry like any other.
        Pusher(server.host_port, known, f"{self.seed}/again").run(most=50)
        assert known.surprises == []
        assert "Traceback" not in server.log


def test_the_drill(memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is destroyed but the backup, which was made under load."""
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    drill = Drill(memory, seed)
    drill.run()
    told = drill.told
    assert told["problems"] == []
    assert 0 < told["new_blobs"] < told["blobs"]
    begun = time.monotonic()
    restored = json.loads(orlop(drill.new, "restore", drill.backup, "--json"))
    with OrlopServer(drill.new, **SETTINGS) as server:
        ready = time.monotonic()
        drill.check(server)
    assert json.loads(orlop(drill.new, "group", "list", "--json"))["items"] == [{"name": "dev", "members": ["alice"]}]
    entries = json.loads(orlop(drill.new, "audit", "--json", "-n", "100000"))["items"]
    assert {"account.create", "token.create", "manifest.push"} <= {entry["action"] for entry in entries}
    # The backup itself is a tree that can be rebuilt, and the restored store goes on being backed up.
    shutil.copytree(drill.backup, memory / "copy")
    (memory / "copy" / "orlop.db").unlink()
    assert "left out" not in orlop(memory / "copy", "rebuild")
    orlop(drill.new, "backup", drill.backup, "--content", "--verify")
    with capsys.disabled():
        print(
            f"\nbacked up under load: {told['blobs']} blobs, {told['bytes'] / 1e6:.0f} MB, of which"
            f" {told['new_bytes'] / 1e6:.0f} MB new, in {drill.ended - drill.begun:.2f} s; serving again"
            f" {ready - begun:.2f} s after the restore began ({restored['bytes'] / restored['seconds'] / 1e6:.0f} MB/s)"
        )


def without_pulls(body: bytes) -> bytes:
    return re.sub(rb'"last_pulled_at": ?("[^"]*"|null)', b"", body)


def basic(name: str, secret: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


class Backups:
    """A registry of which there is a backup, and which has gone on since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.backup = folder / "backup"
        self.histories: dict[int, History] = {}
        """What the backup of that mark holds."""
        self.history = History()

    def go_on(self, seed: str) -> None:
        with OrlopServer(self.data, LOG_LEVEL="warning") as server:
            Sequence(server.host_port, self.history, seed).run()
            self.history.uploads.clear()

    def make(self) -> None:
        orlop(self.data, "backup", self.backup, "--content")
        self.note()

    def note(self) -> None:
        self.histories[self.mark()] = self.history.copied()

    def mark(self) -> int:
        return int(json.loads((self.backup / "backup.json").read_text())["mark"])

    def assert_restorable(self) -> int:
        """The mark of the backup that there is."""
        target = self.folder / "restored"
        orlop(target, "restore", self.backup)
        mark = self.mark()
        with OrlopServer(target, LOG_LEVEL="warning") as server, Requester(server.host_port) as requester:
            Verification(requester, self.histories.get(mark, self.history).copied()).check()
        shutil.rmtree(target)
        return mark


@pytest.fixture
def backups(memory: Path) -> Backups:
    backups = Backups(memory)
    backups.go_on("first")
    backups.make()
    backups.go_on("second")
    return backups


@pytest.mark.full
def test_backups_that_are_killed_leave_one_that_can_be_restored(
    backups: Backups, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.monotonic()
    shutil.copytree(backups.backup, backups.folder / "spare")
    orlop(backups.data, "backup", backups.folder / "spare", "--content")
    longest = time.monotonic() - begun
    command = [sys.executable, "-m", "orlop", "backup", str(backups.backup), "--content", "--data", str(backups.data)]
    killed = 0
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.2, longest))
        process.kill()
        killed += process.wait() == -9
        backups.assert_restorable()
    backups.make()
    assert backups.assert_restorable() == max(backups.histories)
    with capsys.disabled():
        print(f"\n{killed} backups of {longest:.2f} s killed: each time the one before, or the new one, was whole")


def killed_at(backups: Backups, call: str, number: int, *words: str | Path) -> bool:
    """Whether the command came to that call, and was killed there."""
    done = ask(backups.data, *words, wrapper=tracing("-e", f"inject={call}:signal=SIGKILL:when={number}"))
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


def test_a_backup_that_is_killed_at_some_call_leaves_one_that_can_be_restored(backups: Backups) -> None:
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    points = [
        (call, number) for call in ("fsync", "rename", "renameat", "unlink", "pwrite64") for number in (1, 2, 3, 9)
    ]
    for call, number in random.Random(seed).sample(points, 2):
        killed_at(backups, call, number, "backup", backups.backup, "--content")
        backups.assert_restorable()
    backups.make()
    backups.assert_restorable()


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", CALLS)
def test_a_backup_that_is_killed_at_any_call_leaves_one_that_can_be_restored(
    backups: Backups, call: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(backups.backup, backups.folder / "before")
    killed = 0
    for number in count(1):
        if not killed_at(backups, call, number, "backup", backups.backup, "--content"):
            break
        backups.assert_restorable()
        shutil.rmtree(backups.backup)
        shutil.copytree(backups.folder / "before", backups.backup)
        killed += 1
    with capsys.disabled():
        print(f"\nbackup killed at {killed} calls of {call}: each time one was whole")


def assert_goes_on(backups: Backups, target: Path) -> None:
    """What a killed restore left is no registry, and the next restore makes one of it."""
    store = target / "store"
    begun = (store / "orlop.json").exists()
    if begun and json.loads((store / "orlop.json").read_text()).get("restoring"):
        assert "a restore into this store was not finished" in refusal(target, in_use=True)
    orlop(target, "restore", backups.backup, "--replace")
    with OrlopServer(target, LOG_LEVEL="warning") as server, Requester(server.host_port) as requester:
        Verification(requester, backups.histories[backups.mark()].copied()).check()


def test_a_restore_that_is_killed_at_some_call_is_no_registry_and_goes_on(backups: Backups) -> None:
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    points = [(call, number) for call in ("fsync", "rename", "renameat", "write") for number in (1, 3, 10, 30)]
    for call, number in random.Random(seed).sample(points, 2):
        target = backups.folder / f"{call}-{number}"
        wrapper = tracing("-e", f"inject={call}:signal=SIGKILL:when={number}")
        assert ask(target, "restore", backups.backup, wrapper=wrapper).returncode in (0, -9)
        assert_goes_on(backups, target)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", CALLS)
def test_a_restore_that_is_killed_at_any_call_is_no_registry_and_goes_on(
    backups: Backups, call: str, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = 0
    for number in count(1):
        target = backups.folder / str(number)
        wrapper = tracing("-e", f"inject={call}:signal=SIGKILL:when={number}")
        done = ask(target, "restore", backups.backup, wrapper=wrapper)
        if done.returncode != -9:
            break
        assert_goes_on(backups, target)
        shutil.rmtree(target)
        killed += 1
    with capsys.disabled():
        print(f"\nrestore killed at {killed} calls of {call}: each time the next one finished it")


def test_a_backup_onto_a_full_disk_leaves_the_one_before(memory: Path) -> None:
    with small_disk(memory / "disk", "48m") as disk:
        backups = Backups(memory)
        backups.backup = disk / "backup"
        backups.go_on("first")
        backups.make()
        backups.go_on("second")
        with OrlopServer(backups.data) as server, Client(address_of(server)) as client:
            Repository(client, "large").push_blob(random_bytes(60 * MIB))
        line = one_line(ask(backups.data, "backup", backups.backup, "--content"))
        assert "does not fit" in line
        assert "make room on the disk" in line
        assert backups.assert_restorable() == min(backups.histories)
        # Not even the database.
        ballast = fill(disk)
        assert "does not fit" in one_line(ask(backups.data, "backup", backups.backup, "--content"))
        assert backups.assert_restorable() == min(backups.histories)
        ballast.unlink()


@pytest.mark.full
def test_a_disk_that_is_full_in_the_middle_leaves_the_backup_before(backups: Backups) -> None:
    """Where nobody could tell in advance."""
    for call, number in (("fsync", 4), ("fsync", 10), ("rename", 2), ("mkdirat", 6)):
        wrapper = tracing("-e", f"inject={call}:error=ENOSPC:when={number}")
        done = ask(backups.data, "backup", backups.backup, "--content", wrapper=wrapper)
        assert done.returncode == 0 or "does not fit" in one_line(done), (call, number)
        backups.assert_restorable()


def test_a_restore_onto_a_full_disk_goes_on_when_there_is_room(backups: Backups, memory: Path) -> None:
    with small_disk(memory / "disk", "48m") as disk:
        ballast = fill(disk, leave=1_000_000)
        line = one_line(ask(disk / "data", "restore", backups.backup))
        assert "does not fit" in line
        assert "make room" in line
        ballast.unlink()
        orlop(disk / "data", "restore", backups.backup)
        with OrlopServer(disk / "data") as server, Requester(server.host_port) as requester:
            Verification(requester, backups.histories[backups.mark()].copied()).check()


def test_a_damaged_object_is_told_and_all_else_is_backed_up(memory: Path) -> None:
    data, backup = memory / "data", memory / "backup"
    with OrlopServer(data) as server, Client(address_of(server)) as client:
        repository = Repository(client, "app")
        image = repository.push_image("latest")
        content = b"x" * 1000
        damaged = repository.push_blob(content)
        (data / "store" / "blobs" / "sha256" / damaged[7:9] / damaged[7:]).write_bytes(b"y" * 1000)
        done = ask(data, "backup", backup, "--content")
        assert done.returncode == 1
        assert done.stderr == f"orlop: not backed up: {damaged}: damaged in the store\n"
    done = ask(memory / "restored", "restore", backup)
    assert done.returncode == 1
    assert done.stderr == f"orlop: not restored: {damaged}: missing in the backup: push it again\n"
    with OrlopServer(memory / "restored") as server, Client(address_of(server)) as client:
        repository = Repository(client, "app")
        assert repository.get("manifests/latest").body == image.content
        assert repository.head(f"blobs/{damaged}").status == 404
        repository.push_blob(content)
        assert repository.get(f"blobs/{damaged}").body == content


def test_a_database_that_was_lost_comes_back_for_a_store_that_has_gone_on(memory: Path) -> None:
    data, backup = memory / "data", memory / "backup"
    orlop(data, "user", "create", "alice", "--admin", "--password-file", "-", stdin=f"{PASSWORD}\n")
    with OrlopServer(data, **SETTINGS) as server:
        with Client(address_of(server)) as client:
            fixed = Fixed(client)
            before = fixed.seen(client)
        # Pulls are written down when the server stops.
        server.restart()
        orlop(data, "backup", backup)
        with Client(address_of(server)) as client:
            repository = Repository(client, "later")
            image = repository.push_image("new")
            elsewhere = Repository(client, "fixed/app").push_image("newer")
            list_ = Repository(client, "fixed/app").push_manifest(
                index([{"mediaType": OCI_IMAGE, "digest": elsewhere.digest, "size": len(elsewhere.content)}])
            )
            assert list_.media_type == OCI_INDEX
    for path in data.glob("orlop.db*"):
        path.unlink()
    shutil.copy(backup / "orlop.db", data / "orlop.db")
    assert "older than the store" in refusal(data, in_use=True)
    (data / "orlop.db").unlink()
    said = orlop(data, "restore", backup)
    assert said.startswith("Restored the database as of ")
    with OrlopServer(data, **SETTINGS) as server, Client(address_of(server)) as client:
        assert Repository(client, "later").get("manifests/new").body == image.content
        assert Repository(client, "fixed/app").get("manifests/newer").body == elsewhere.content
        assert Repository(client, "fixed/app").get(f"manifests/{list_.digest}").body == list_.content
        assert signed_in(client, "alice", PASSWORD)["account"] == "alice"
        for path in ("/api/v1/repositories/fixed/app/-/tags/moved", "/api/v1/repositories/fixed/app/-/tags/latest"):
            assert without_pulls(client.get(path).body) == without_pulls(before[path])
        assert (
            client.get(f"/v2/fixed/app/referrers/{fixed.moved.digest}").body
            == before[f"/v2/fixed/app/referrers/{fixed.moved.digest}"]
        )


def test_what_cannot_be_restored_is_refused_in_one_line(backups: Backups, memory: Path) -> None:
    assert "holds no backup" in one_line(ask(memory / "new", "restore", memory / "absent"))
    assert not (memory / "new").exists()
    line = one_line(ask(backups.data, "restore", backups.backup))
    assert "--replace" in line
    assert "--keep-store" in line
    with OrlopServer(backups.data) as server:
        assert server.process is not None
        line = one_line(ask(backups.data, "restore", backups.backup, "--replace"))
        assert f"another server (process {server.process.pid})" in line
    orlop(backups.data, "backup", memory / "database")
    assert "--content" in one_line(ask(memory / "new", "restore", memory / "database"))
    assert "lie in one another" in one_line(ask(backups.data, "backup", backups.data / "backup"))
    assert "not a folder" in one_line(ask(backups.data, "backup", backups.backup / "backup.json"))
    assert "make it, or mount" in one_line(ask(backups.data, "backup", memory / "no" / "backup"))
    assert "--data" in one_line(ask(memory / "nothing", "backup", memory / "other"))
    assert "--content" in one_line(ask(backups.data, "backup", memory / "other", "--verify"))
    (memory / "letters").mkdir()
    (memory / "letters" / "letter.txt").touch()
    assert "holds something else" in one_line(ask(backups.data, "backup", memory / "letters"))
    error = ask(memory / "new", "restore", memory / "absent", "--json")
    assert "holds no backup" in json.loads(error.stderr)["errors"][0]["message"]


def test_a_backup_on_a_disk_that_cannot_be_written_is_restored(backups: Backups) -> None:
    for path in [backups.backup, *backups.backup.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = sorted(backups.backup.rglob("*"))
    backups.assert_restorable()
    assert sorted(backups.backup.rglob("*")) == before
