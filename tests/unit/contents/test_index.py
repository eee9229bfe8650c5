"""contents.db may go at any time, be damaged, or be of another version, and several processes have it open at once."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from orlop.contents import index as module
from orlop.contents.index import Index
from orlop.contents.layers import layer_state, layer_states, layers, mark_unindexable
from orlop.domain.errors import ContentsPending, StorageFull, Unavailable

DIGEST = "sha256:" + "1" * 64


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "LOOK", 0.0)
    return tmp_path / "contents.db"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    index = Index(path)
    yield index
    index.close()


def note(index: Index, digest: str = DIGEST) -> None:
    index.write(lambda connection: mark_unindexable(connection, digest, "for a test"))


def is_noted(index: Index, digest: str = DIGEST) -> bool:
    with index.reading() as connection:
        return layer_state(connection, digest) is not None


def test_what_was_written_is_there_when_it_is_opened_again(index: Index, path: Path) -> None:
    note(index)
    index.close()
    again = Index(path)
    assert is_noted(again)
    assert again.generation == index.generation
    again.close()


@pytest.mark.parametrize("bad", [b"", b"no database at all " * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_database_is_made_anew(path: Path, bad: bytes) -> None:
    path.write_bytes(bad)
    with capture_logs() as logs:
        index = Index(path)
    assert [entry["log_level"] for entry in logs] == ["warning"]
    note(index)
    assert is_noted(index)
    index.close()


def test_a_file_of_another_version_is_made_anew(index: Index, path: Path) -> None:
    note(index)
    index.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with capture_logs() as logs:
        again = Index(path)
    assert [entry["error"] for entry in logs] == ["it is of version 999"]
    assert not is_noted(again)
    assert again.generation != index.generation
    again.close()


def test_another_programs_database_is_made_anew(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with capture_logs():
        index = Index(path)
    assert not is_noted(index)
    index.close()


def test_a_place_that_cannot_hold_it_is_told_of(path: Path) -> None:
    path.mkdir()
    with pytest.raises(Unavailable, match=r"contents\.db cannot be"):
        Index(path)


def test_it_may_be_deleted_at_any_time(index: Index, path: Path) -> None:
    note(index)
    assert is_noted(index)
    for name in ("contents.db", "contents.db-wal", "contents.db-shm"):
        path.with_name(name).unlink(missing_ok=True)
    before = index.generation
    assert not is_noted(index)
    assert index.generation != before
    note(index)
    assert is_noted(index)


def test_an_old_log_does_not_get_into_a_new_file(index: Index, path: Path) -> None:
    note(index)
    path.unlink()
    other = Index(path)
    assert not is_noted(other)
    note(index, "sha256:2")
    assert is_noted(other, "sha256:2")
    assert not is_noted(index)
    other.close()


def test_all_notice_that_one_made_it_anew(index: Index, path: Path) -> None:
    other = Index(path)
    note(other)
    assert is_noted(index)
    index.renew(index.generation)
    assert not is_noted(index)
    assert not is_noted(other)
    assert other.generation == index.generation
    note(other)
    assert is_noted(index)
    other.close()


def test_only_the_first_who_finds_it_damaged_throws_it_away(index: Index, path: Path) -> None:
    before = index.generation
    index.renew(before)
    note(index)
    index.renew(before)
    assert is_noted(index)


def damaged(index: Index, path: Path, table: str) -> Index:
    """The index again, when the pages of that table are damaged."""
    for number in range(500):
        note(index, f"sha256:{number:064x}")
    (size,) = index.reader().execute("PRAGMA page_size").fetchone()
    (page,) = index.reader().execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    index.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    return Index(path)


@pytest.mark.parametrize("writing", [False, True])
def test_damage_that_is_noticed_later_has_it_made_anew(index: Index, path: Path, writing: bool) -> None:
    again = damaged(index, path, "layers")
    with capture_logs() as logs, pytest.raises(ContentsPending):
        note(again) if writing else is_noted(again, f"sha256:{7:064x}")
    assert [entry["event"] for entry in logs] == ["contents.db is damaged and is made anew"]
    assert again.generation != index.generation
    assert not is_noted(again)
    note(again)
    assert is_noted(again)
    again.close()


def test_processes_that_come_at_once_have_one_file(path: Path) -> None:
    program = f"""
from pathlib import Path
from orlop.contents.index import Index
from orlop.contents.layers import mark_unindexable
import os
index = Index(Path({str(path)!r}))
for number in range(20):
    index.write(lambda connection: mark_unindexable(connection, f"{{os.getpid()}} {{number}}", ""))
print(index.generation)
index.close()
"""
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(4)]
    told = {process.communicate()[0] for process in running}
    assert len(told) == 1
    index = Index(path)
    assert told == {f"{index.generation}\n".encode()}
    assert len(layers(index.reader(), "", 1000)) == 80
    index.close()


def test_readers_wait_for_no_writer(index: Index) -> None:
    inside, done = threading.Event(), threading.Event()

    def unit(connection: sqlite3.Connection) -> None:
        mark_unindexable(connection, DIGEST, "")
        inside.set()
        assert done.wait(20)

    writer = threading.Thread(target=index.write, args=(unit,))
    writer.start()
    assert inside.wait(20)
    assert not is_noted(index)
    done.set()
    writer.join()
    assert is_noted(index)


def test_one_block_sees_one_state(index: Index) -> None:
    with index.reading() as connection:
        assert layer_state(connection, DIGEST) is None
        thread = threading.Thread(target=note, args=(index,))
        thread.start()
        thread.join()
        with index.reading() as again:
            assert layer_state(again, DIGEST) is None
    assert is_noted(index)


def test_what_fails_is_undone_alone(index: Index) -> None:
    def unit(connection: sqlite3.Connection) -> None:
        mark_unindexable(connection, DIGEST, "")
        raise KeyError

    with pytest.raises(KeyError):
        index.write(unit)
    assert not is_noted(index)
    note(index)
    assert is_noted(index)


def test_a_full_disk_is_told_of(index: Index) -> None:
    def unit(connection: sqlite3.Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        for number in range(1000):
            mark_unindexable(connection, str(number), "x" * 1000)

    with pytest.raises(StorageFull):
        index.write(unit)
    assert layers(index.reader(), "", 1) == []


def test_readers_cannot_write(index: Index) -> None:
    with pytest.raises(Unavailable), index.reading() as connection:
        connection.execute("DELETE FROM layers")


def test_layers_are_listed_by_pages(index: Index) -> None:
    for digest in ("sha256:b", "sha256:a", "sha512:c"):
        note(index, digest)
    assert layers(index.reader(), "", 2) == ["sha256:a", "sha256:b"]
    assert layers(index.reader(), "sha256:b", 2) == ["sha512:c"]
    states = layer_states(index.reader(), ["sha256:b", "sha256:x"])
    assert [state and (state.digest, state.state, state.reason) for state in states] == [
        ("sha256:b", "unindexable", "for a test"),
        None,
    ]
