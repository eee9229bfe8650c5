"""What cannot be served is refused: in one line that ends with the remedy, with nothing changed."""

import json
import os
import re
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests import left_out
from tests.faults.history import History
from tests.faults.rebuild import rebuild
from tests.faults.refusals import UNPRIVILEGED, refusal
from tests.faults.requests import Requester
from tests.faults.sequence import Sequence
from tests.faults.verification import Verification
from tests.servers import OrlopServer


class Store:
    """A data folder with content, and what clients know of it."""

    def __init__(self, data: Path, history: History) -> None:
        self.data = data
        self.database = data / "orlop.db"
        self.description = data / "store" / "orlop.json"
        self.history = history

    @classmethod
    def made(cls, data: Path) -> "Store":
        """A new one."""
        history = History()
        with OrlopServer(data, CONTENTS_ENABLED="true", CONTENTS_WORKER="false") as server:
            Sequence(server.host_port, history, data.name).run()
            history.uploads.clear()
        return cls(data, history)

    def copied(self, data: Path) -> "Store":
        shutil.copytree(self.data, data)
        return Store(data, self.history.copied())

    def change(self, statement: str) -> None:
        with closing(sqlite3.connect(self.database)) as connection:
            connection.execute(statement)
            connection.commit()

    def describe(self, **changes: object) -> None:
        document = json.loads(self.description.read_text())
        self.description.write_text(json.dumps(document | changes))

    def assert_served(self, *, rebuilt: bool = False) -> None:
        with OrlopServer(self.data) as server, Requester(server.host_port) as requester:
            Verification(requester, self.history, blobs_may_be_unlinked=rebuilt).check()

    def assert_rebuilt(self) -> None:
        """The remedy helps."""
        server = OrlopServer(self.data)
        rebuild(server)
        self.assert_served(rebuilt=True)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.made(tmp_path_factory.mktemp("refused") / "data")


@pytest.fixture
def store(memory: Path, template: Store) -> Store:
    return template.copied(memory / "data")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_second_server_on_the_same_data(store: Store) -> None:
    with OrlopServer(store.data) as server:
        assert server.process is not None
        line = refusal(store.data, in_use=True)
        assert re.search(rf"another server \(process {server.process.pid}\) runs on .*: stop it, or .* --data", line)
        # Nor may the database be replaced under a server.
        assert "stop it" in refusal(store.data, command="rebuild", in_use=True)
        with Requester(server.host_port) as requester:
            Verification(requester, store.history).check()


def test_a_lock_that_a_killed_server_left(store: Store) -> None:
    with OrlopServer(store.data) as server:
        server.kill()
    store.assert_served()


def test_a_port_in_use(store: Store, taken_port: int) -> None:
    line = refusal(store.data, "--listen", f"127.0.0.1:{taken_port}")
    assert f"127.0.0.1:{taken_port} is in use" in line
    assert "--listen" in line


def test_an_address_that_is_not_ours(store: Store) -> None:
    line = refusal(store.data, "--listen", "192.0.2.1:0", "--allow-anonymous-push")
    assert "cannot listen on 192.0.2.1:0" in line
    assert "--listen" in line


def test_an_address_that_others_reach_while_everyone_may_push(store: Store) -> None:
    line = refusal(store.data, "--listen", "0.0.0.0:0")
    assert "everyone who reaches this address could push" in line
    assert "--allow-anonymous-push" in line
    with OrlopServer(store.data, listen="0.0.0.0:0", arguments=("--allow-anonymous-push",)):
        pass


def give_away(folder: Path) -> None:
    """Make nobody the owner of it all."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)


@pytest.mark.parametrize("where", ["data", "database", "store"])
def test_a_folder_that_cannot_be_written(store: Store, where: str) -> None:
    if os.geteuid() != 0:
        left_out.leave_out("another user", "only root can run a server as another one: run the tests as root")
    if reason := left_out.missing_programs("setpriv"):
        left_out.leave_out("another user", reason)
    give_away(store.data)
    closed = {"data": store.data, "database": store.database, "store": store.data / "store"}[where]
    if where == "data":
        (store.data / "orlop.lock").unlink()
    paths = [closed, *closed.rglob("*")] if where == "store" else [closed]
    modes = {path: path.stat().st_mode for path in paths}
    for path in paths:
        os.chown(path, 0, 0)
        path.chmod(0o555 if path.is_dir() else 0o444)
    line = refusal(store.data, wrapper=UNPRIVILEGED)
    assert str(closed) in line
    assert re.search("cannot be written|can't be written", line)
    assert re.search("--data|right to write|owner", line)
    for path, mode in modes.items():
        path.chmod(mode)
        os.chown(path, 65534, 65534)
    with OrlopServer(store.data, wrapper=UNPRIVILEGED):
        pass


def test_a_data_folder_that_is_a_file(memory: Path) -> None:
    path = memory / "file"
    path.write_bytes(b"")
    line = refusal(path)
    assert str(path) in line
    assert "--data" in line


def test_the_database_of_another_store(store: Store, memory: Path) -> None:
    other = Store.made(memory / "other")
    shutil.copy(other.database, store.database)
    assert re.search(r"another store's: .*orlop rebuild", refusal(store.data))
    store.assert_rebuilt()


def test_a_database_older_than_the_store(store: Store) -> None:
    old = store.data / "copy"
    shutil.copy(store.database, old)
    with OrlopServer(store.data) as server:
        Sequence(server.host_port, store.history, "later").run()
        store.history.uploads.clear()
    shutil.copy(store.database, store.data / "newest")
    shutil.copy(old, store.database)
    assert re.search(r"older than the store: .*orlop rebuild", refusal(store.data))
    shutil.copy(store.data / "newest", store.database)
    store.assert_served()


def test_a_newer_schema(store: Store) -> None:
    """B48."""
    store.change("UPDATE alembic_version SET version_num = '9999'")
    line = refusal(store.data)
    assert "schema 9999, newer than this version's" in line
    assert "install" in line
    store.assert_rebuilt()


@pytest.mark.parametrize("left", ["nothing", "an empty file", "empty tables"])
def test_an_empty_database_beside_a_full_store(store: Store, memory: Path, left: str) -> None:
    """B20."""
    for path in store.data.glob("orlop.db*"):
        path.unlink()
    if left == "an empty file":
        store.database.write_bytes(b"")
    elif left == "empty tables":
        with OrlopServer(memory / "other") as server:
            server.stop()
            shutil.copy(memory / "other" / "orlop.db", store.database)
        store.change("DELETE FROM store")
    assert re.search(r"database is (empty|missing).*orlop rebuild", refusal(store.data))
    if left == "empty tables":
        store.assert_rebuilt()


def test_a_store_of_a_newer_format(store: Store) -> None:
    store.describe(format=2)
    line = refusal(store.data)
    assert "format 2" in line
    assert "install" in line
    # Rebuilding would describe a tree that this version cannot read as one of its own.
    assert "newer" in refusal(store.data, command="rebuild")
    store.describe(format=1)
    store.assert_served()


def test_an_empty_store_beside_a_full_database(store: Store) -> None:
    shutil.move(store.data / "store", store.data / "elsewhere")
    assert re.search(r"another store than this one: check storage.url", refusal(store.data))
    shutil.rmtree(store.data / "store", ignore_errors=True)
    shutil.move(store.data / "elsewhere", store.data / "store")
    store.assert_served()


@pytest.mark.parametrize("content", [b"", b'{"format": "x"}'])
def test_a_description_that_cannot_be_read(store: Store, content: bytes) -> None:
    store.description.write_bytes(content)
    assert re.search(r"orlop.json in the store cannot be read .*: run `orlop rebuild`", refusal(store.data))
    if not content:
        store.assert_rebuilt()


def test_content_without_a_description(store: Store) -> None:
    store.description.unlink()
    for path in store.data.glob("orlop.db*"):
        path.unlink()
    assert re.search(r"holds content and no orlop.json: run `orlop rebuild`", refusal(store.data))
    store.database.write_bytes(b"")
    store.assert_rebuilt()


def test_a_database_that_is_none(store: Store) -> None:
    store.database.write_bytes(b"This is no database. " * 1000)
    line = refusal(store.data)
    assert str(store.database) in line
    assert "orlop rebuild" in line
    store.assert_rebuilt()


def test_a_database_that_is_damaged_is_not_the_end(store: Store) -> None:
    """B03: whatever page is broken, nothing crashes, and the remedy is a rebuild."""
    with store.database.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096))
    store.assert_rebuilt()
