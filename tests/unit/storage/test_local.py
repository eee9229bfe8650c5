"""What the local driver promises beyond the contract: it stays below its root, and works on real file systems."""

import errno
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orlop.storage.local import LocalStorage


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def storage(root: Path) -> Iterator[LocalStorage]:
    with LocalStorage(root) as store:
        yield store


@pytest.mark.parametrize("absolute", [True, False])
def test_links_out_of_the_root_are_not_followed(
    storage: LocalStorage, root: Path, tmp_path: Path, absolute: bool
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "a").mkdir()
    (root / "a" / "folder").symlink_to(outside if absolute else "../../outside")
    (root / "a" / "object").symlink_to(outside / "secret" if absolute else "../../outside/secret")
    storage.put_content("source", b"source")
    for path in ("a/object", "a/folder/secret"):
        assert not storage.exists(path)
        reads: list[Callable[[], object]] = [
            lambda path=path: storage.get_content(path),
            lambda path=path: storage.get_size(path),
            lambda path=path: next(storage.stream_read(path)),
            lambda path=path: storage.stream_read_file(path),
            lambda path=path: storage.open_descriptor(path),
            lambda path=path: storage.open_writer(path, append=True),
            lambda path=path: storage.copy(path, "copied"),
        ]
        for read in reads:
            with pytest.raises(FileNotFoundError):
                read()
    for take in (storage.move, storage.link):
        with pytest.raises(FileNotFoundError):
            take("a/folder/secret", "taken")
    with pytest.raises(FileNotFoundError):
        storage.remove("a/folder/secret")
    writes: list[Callable[[], object]] = [
        lambda: storage.put_content("a/folder/new", b"new"),
        lambda: storage.put_content("a/folder/deep/new", b"new"),
        lambda: storage.stream_write("a/folder/secret", io.BytesIO(b"new")),
        lambda: storage.open_writer("a/folder/new"),
        lambda: storage.open_writer("a/folder/secret"),
        lambda: storage.copy("source", "a/folder/new"),
        lambda: storage.link("source", "a/folder/new"),
        lambda: storage.move("source", "a/folder/new"),
    ]
    for write in writes:
        with pytest.raises(OSError):
            write()
    assert [entry.path for entry in storage.walk()] == ["source"]
    assert list(storage.walk("a/folder")) == []
    with pytest.raises(FileNotFoundError):
        next(storage.list_directory("a/folder"))
    storage.put_content("a/object", b"new")
    assert os.listdir(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"secret"
    storage.remove("a")
    assert (outside / "secret").read_bytes() == b"secret"


def test_what_others_put_there_is_neither_listed_nor_walked(storage: LocalStorage, root: Path) -> None:
    storage.put_content("a/object", b"content")
    os.mkfifo(root / "a" / "fifo")
    (root / "a" / ".hidden").write_bytes(b"")
    (root / "a" / "with space").write_bytes(b"")
    (root / "a" / "ß").write_bytes(b"")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "object").write_bytes(b"")
    assert list(storage.list_directory()) == ["a"]
    assert list(storage.list_directory("a")) == ["a/object"]
    assert [entry.path for entry in storage.walk()] == ["a/object"]


def test_links_share_bytes(storage: LocalStorage, root: Path) -> None:
    storage.put_content("a", b"content")
    storage.link("a", "b/c")
    assert os.path.samefile(root / "a", root / "b" / "c")


@pytest.mark.parametrize("over", [True, False])
def test_links_to_an_object_that_is_replaced_meanwhile(storage: LocalStorage, over: bool) -> None:
    """link(2) finds nothing there, for a moment, when rename(2) puts another file in its source's place."""
    contents = [b"first", b"second"]
    storage.put_content("source", contents[0])
    ended = threading.Event()

    def replace() -> None:
        while not ended.is_set():
            for content in contents:
                storage.put_content("source", content, durable=False)

    replacing = threading.Thread(target=replace)
    replacing.start()
    try:
        for number in range(3000):
            target = "target" if over else f"target-{number}"
            storage.link("source", target)
            assert storage.get_content(target) in contents
    finally:
        ended.set()
        replacing.join()


@pytest.mark.parametrize("number", [errno.EMLINK, errno.EXDEV, errno.EPERM, errno.ENOTSUP])
@pytest.mark.parametrize("replaced", [True, False])
def test_links_are_copies_where_the_file_system_has_none(
    storage: LocalStorage, root: Path, monkeypatch: pytest.MonkeyPatch, number: int, replaced: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    storage.put_content("a", b"content")
    if replaced:
        storage.put_content("b/c", b"old")
    monkeypatch.setattr("orlop.storage.local._link", refuse)
    storage.link("a", "b/c")
    assert storage.get_content("b/c") == b"content"
    assert not os.path.samefile(root / "a", root / "b" / "c")


def test_a_link_over_an_object_is_a_copy_after_too_many_links(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object that is there is found first, EEXIST; only the link beside it meets the limit."""
    numbers = iter([errno.EEXIST, errno.EMLINK])

    def refuse(*_: object, **__: object) -> None:
        number = next(numbers)
        raise OSError(number, os.strerror(number))

    storage.put_content("a", b"content")
    storage.put_content("b/c", b"old")
    monkeypatch.setattr("orlop.storage.local._link", refuse)
    storage.link("a", "b/c")
    assert storage.get_content("b/c") == b"content"


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
@pytest.mark.parametrize("after", [0, 5])
def test_copies_go_on_where_the_kernel_does_not_copy(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch, number: int, after: int
) -> None:
    copy = os.copy_file_range
    calls = iter(range(1000))

    def refuse(source: int, target: int, count: int, **offsets: int) -> int:
        if next(calls) == 0 and after:
            return copy(source, target, after, **offsets)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "copy_file_range", refuse)
    content = os.urandom(3_000_000)
    storage.put_content("a", content)
    storage.copy("a", "b")
    assert storage.get_content("b") == content


def test_writes_that_stop_half_way_are_continued(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    write, writev = os.write, os.writev
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:7]))
    monkeypatch.setattr(
        os,
        "writev",
        lambda descriptor, buffers: write(descriptor, b"".join(map(bytes, buffers))[:10]) if buffers else 0,
    )
    content = bytes(range(100))
    storage.put_content("a", content)
    with storage.open_writer("b") as writer:
        writer.write(memoryview(content))
        writer.writev([content[:5], content[5:50], b"", content[50:]])
    monkeypatch.setattr(os, "writev", writev)
    assert storage.get_content("a") == content
    assert storage.get_content("b") == content * 2


def test_a_writer_tells_how_much_arrived_before_the_disk_was_full(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    room = 70

    def nearly_full(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, bytes(data)[:room])
        room -= written
        return written

    with storage.open_writer("a") as writer:
        monkeypatch.setattr(os, "write", nearly_full)
        with pytest.raises(OSError, match="No space"):
            writer.write(bytes(100))
        assert writer.size == 70
        monkeypatch.setattr(os, "write", write)
        writer.write(b"and on")
    assert storage.get_content("a") == bytes(70) + b"and on"


def test_there_is_one_writer_among_processes(storage: LocalStorage, root: Path) -> None:
    code = (
        "import sys; from orlop.storage.local import LocalStorage\n"
        f"with LocalStorage({str(root)!r}).open_writer('a/b') as writer:\n"
        "    writer.write(b'theirs'); print('open', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        for append in (True, False):
            with pytest.raises(BlockingIOError):
                storage.open_writer("a/b", append=append)
        child.kill()
        child.wait()
        # It ends with the process, not with what that had come to do.
        with storage.open_writer("a/b", append=True) as writer:
            assert writer.size == 6


def test_a_writer_that_comes_while_the_object_is_moved_does_not_get_it(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has opened the file, and gets the lock, when the file is no longer an upload but a blob."""
    from orlop.storage import local_writer

    storage.put_content("uploads/1/data", b"content")
    lock = local_writer.fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(local_writer.fcntl, "flock", lock)
        storage.move("uploads/1/data", "blobs/a")
        lock(descriptor, operation)

    monkeypatch.setattr(local_writer.fcntl, "flock", late)
    with pytest.raises(FileNotFoundError):
        storage.open_writer("uploads/1/data", append=True)
    storage.open_writer("blobs/a", append=True).close()


def test_more_than_four_gibibytes(storage: LocalStorage) -> None:
    size = (5 << 30) + 7
    with storage.open_writer("a") as writer:
        os.ftruncate(writer.fileno(), size)
        os.lseek(writer.fileno(), 0, os.SEEK_END)
        writer.write(b"the end")
        assert writer.size == size + 7
    assert storage.get_size("a") == size + 7
    assert b"".join(storage.stream_read("a", (size - 2, size + 2))) == b"\0\0the"
    assert next(storage.walk())[:2] == ("a", size + 7)
    with storage.open_writer("a", append=True) as writer:
        assert writer.size == size + 7


def test_no_descriptor_is_left_open(storage: LocalStorage) -> None:
    def all_kinds() -> None:
        storage.put_content("a/b", b"content")
        storage.put_content("c/d/e", b"content", durable=False)
        storage.put_contents([("a/b", b"content"), ("a", b"a folder"), ("a/b/c", b"below"), ("c/f", b"content")])
        for method in (storage.copy, storage.link, storage.move):
            method("a/b", "f/g")
            storage.put_content("a/b", b"content")
            for paths in (("missing", "x"), ("a/b", "f"), ("a/b", "a/b/c"), ("missing/too", "x")):
                with pytest.raises(OSError):
                    method(*paths)
        stream = storage.stream_read("a/b")
        next(stream)
        list(storage.stream_read("a/b"))
        list(storage.walk())
        next(storage.list_directory())
        storage.exists("a/b")
        storage.exists("missing")
        storage.get_size("a/b")
        for call in (storage.get_content, storage.get_size, storage.open_descriptor, storage.remove):
            for path in ("missing", "a/b/c"):
                with pytest.raises(FileNotFoundError):
                    call(path)
        for path in ("f", "a/b/c"):
            with pytest.raises(OSError):
                storage.put_content(path, b"")
            with pytest.raises(OSError):
                storage.open_writer(path)
        with storage.open_writer("a/w"), pytest.raises(BlockingIOError):
            storage.open_writer("a/w")
        with storage.open_writer("a/w"), pytest.raises(BlockingIOError):
            storage.open_writer("a/w", append=True)
        with pytest.raises(FileNotFoundError):
            storage.open_writer("a/x", append=True)
        storage.sync(["a/b", "missing/too", "x"])
        storage.remove("c")
        storage.free_space()

    all_kinds()
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        all_kinds()
    assert set(os.listdir("/proc/self/fd")) == before


def test_closing_closes_all(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    storage = LocalStorage(tmp_path)
    storage.put_content("a", b"")
    storage.close()
    storage.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(tmp_path / ".tmp") == []


def test_the_first_folder_stays(storage: LocalStorage, root: Path) -> None:
    with storage.open_writer("uploads/1/data"):
        storage.move("uploads/1/data", "blobs/x/y")
    assert os.listdir(root / "uploads") == []
    storage.remove("blobs/x/y")
    assert os.listdir(root / "blobs") == []


def test_what_is_not_synced_yet_is_forgotten_with_its_folder(storage: LocalStorage) -> None:
    """Else a server would grow with every upload."""
    for number in range(3):
        with storage.open_writer(f"uploads/{number}/data"):
            storage.move(f"uploads/{number}/data", f"blobs/x/{number}")
        storage.open_writer(f"uploads/cancelled-{number}/deep/data").close()
        storage.remove(f"uploads/cancelled-{number}")
        storage.put_content(f"repositories/{number}/tag", b"", durable=False)
        storage.remove(f"repositories/{number}/tag")
    assert {folder for folder, _ in storage._folders._unsynced.all()} <= {"uploads", "repositories"}
    storage.sync(["uploads/x", "repositories/x"])
    assert storage._folders._unsynced.all() == []


def test_errors_name_the_path_below_the_root(storage: LocalStorage) -> None:
    for call in (storage.get_content, storage.remove, storage.get_size):
        with pytest.raises(FileNotFoundError) as caught:
            call("a/missing")
        assert caught.value.filename == "a/missing"


def test_free_space_is_what_this_user_may_fill(storage: LocalStorage, root: Path) -> None:
    space = storage.free_space()
    status = os.statvfs(root)
    assert space is not None
    assert space.total == status.f_blocks * status.f_frsize
    assert 0 < space.free <= space.total


def test_thirty_two_threads_build_and_move(storage: LocalStorage) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                path = f"uploads/{number}-{turn}/data"
                with storage.open_writer(path) as writer:
                    writer.write(path.encode())
                    storage.move(path, f"blobs/{number % 3}/{number}-{turn}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for entry in storage.walk():
        assert storage.get_content(entry.path).decode() == f"uploads/{entry.path.rpartition('/')[2]}/data"
    assert sum(1 for _ in storage.walk()) == 320
