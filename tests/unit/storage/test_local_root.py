"""Which root folders a local store accepts, and what it says of the others."""

import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orlop.domain.errors import StoreRefused
from orlop.storage import kernel, root
from orlop.storage.local import LocalStorage


def refusal(path: Path | str) -> str:
    with pytest.raises(StoreRefused) as caught:
        LocalStorage(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_missing_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    LocalStorage(tmp_path / "a" / "b").close()
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a").chmod(0o755)
    LocalStorage(tmp_path / "a").close()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755


def test_a_root_behind_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with LocalStorage(tmp_path / "link") as storage:
        storage.put_content("a", b"content")
    assert (tmp_path / "real" / "a").read_bytes() == b"content"


def test_a_file_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "not a folder: set storage.url" in refusal(tmp_path / "file")
    assert "not a folder: set storage.url" in refusal(tmp_path / "file" / "below")


def test_what_cannot_be_written_is_refused() -> None:
    for path in (f"/proc/{os.getpid()}/task", "/proc/none"):  # nobody makes a folder there, not even root
        assert "can't be written" in (message := refusal(path))
        assert f"give user {os.geteuid()} the right to write there, or set storage.url" in message


def test_a_case_insensitive_file_system_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".tmp").mkdir()
    (tmp_path / ".TMP").symlink_to(".tmp")  # the same to someone who asks for `.TMP`
    assert "case-insensitive" in (message := refusal(tmp_path))
    assert "choose a folder" in message
    assert os.listdir(tmp_path / ".tmp") == []


def test_two_folders_that_differ_by_case_are_no_reason_to_refuse(tmp_path: Path) -> None:
    (tmp_path / ".TMP").mkdir()
    LocalStorage(tmp_path).close()


@pytest.mark.parametrize(("magic", "kind"), [(0x6969, "NFS"), (0xFF534D42, "CIFS"), (0xFE534D42, "SMB2")])
def test_a_network_file_system_is_refused_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, magic: int, kind: str
) -> None:
    monkeypatch.setattr(kernel, "file_system_magic", lambda _: magic)
    assert f"({kind})" in (message := refusal(tmp_path))
    assert "set storage.allow_network_filesystem" in message
    LocalStorage(tmp_path, allow_network_filesystem=True).close()


@pytest.mark.parametrize(("mount_type", "refused"), [("fuse.sshfs", True), ("fuse.s3fs", True), ("fuseblk", False)])
def test_fuse_is_told_apart_by_its_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount_type: str, refused: bool
) -> None:
    device = tmp_path.stat().st_dev
    table = tmp_path / "mountinfo"
    table.write_text(
        f"21 1 0:99999 / /x rw - ext4 /dev/x rw\n"
        f"22 1 {os.major(device)}:{os.minor(device)} / /some\\040place rw,nosuid shared:7 - {mount_type} me@host:/ rw\n"
    )
    monkeypatch.setattr(root, "_MOUNTS", table)
    monkeypatch.setattr(kernel, "file_system_magic", lambda _: 0x65735546)
    if refused:
        assert f"({mount_type.removeprefix('fuse.')})" in refusal(tmp_path / "store")
    else:
        LocalStorage(tmp_path / "store").close()


def test_the_kernel_tells_file_systems_apart() -> None:
    descriptor = os.open("/proc", os.O_RDONLY)
    try:
        assert kernel.file_system_magic(descriptor) == 0x9FA0
        assert root._fuse_program(os.fstat(descriptor)) == "proc"
    finally:
        os.close(descriptor)


def test_what_a_dead_process_left_is_removed_and_the_living_are_spared(tmp_path: Path) -> None:
    code = (
        "import sys, time; from orlop.storage.local import LocalStorage\n"
        f"storage = LocalStorage({str(tmp_path)!r})\n"
        "class Source:\n"
        "    def read(self, size):\n"
        "        print('reading', flush=True); time.sleep(600)\n"
        "storage.stream_write('a/b', Source())"
    )
    children = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == b"reading\n"
        assert len(os.listdir(tmp_path / ".tmp")) == 2
        children[0].send_signal(signal.SIGKILL)
        children[0].wait()
        with LocalStorage(tmp_path) as storage:
            sessions = [os.listdir(tmp_path / ".tmp" / name) for name in os.listdir(tmp_path / ".tmp")]
            assert sorted(map(len, sessions)) == [0, 1]  # this store's, and the living one's with its unfinished file
            assert list(storage.walk()) == []
    finally:
        for child in children:
            child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()
    LocalStorage(tmp_path).close()
    assert os.listdir(tmp_path / ".tmp") == []


def test_strays_in_the_temporary_folder_are_removed(tmp_path: Path) -> None:
    stray = tmp_path / ".tmp" / "session"
    stray.mkdir(parents=True)
    (stray / "file").write_bytes(b"")
    (stray / "folder").mkdir()
    (tmp_path / ".tmp" / "file").write_bytes(b"")
    (tmp_path / ".tmp" / "link").symlink_to("/")
    LocalStorage(tmp_path).close()
    assert os.listdir(tmp_path / ".tmp") == []


def test_nobody_sweeps_while_a_session_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its making and its locking, a session looks like a dead one's."""
    locked = []
    lock = fcntl.flock

    def watched(descriptor: int, operation: int) -> None:
        lock(descriptor, operation)
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(tmp_path / ".tmp"):
            locked.append(operation == fcntl.LOCK_EX)
        else:
            assert locked == [True]

    monkeypatch.setattr(fcntl, "flock", watched)
    LocalStorage(tmp_path).close()
    assert locked == [True, False]


def test_a_session_that_ends_while_it_is_looked_at_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = LocalStorage(tmp_path)
    (session,) = (tmp_path / ".tmp").iterdir()
    lock = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(session):
            other.close()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    LocalStorage(tmp_path).close()
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_many_open_and_close_at_once(tmp_path: Path) -> None:
    """None takes another's session for a dead one's."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.map(_open_and_put, [(str(tmp_path), number) for number in range(40)]) == [None] * 40
    with LocalStorage(tmp_path) as storage:
        assert sum(1 for _ in storage.walk()) == 40


def _open_and_put(job: tuple[str, int]) -> None:
    with LocalStorage(job[0]) as storage:
        storage.put_content(f"a/{job[1]}", b"content")
