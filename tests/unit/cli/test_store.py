"""Commands beside a server: which database they change, what they make and what they refuse to make."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import bcrypt
import pytest

from orlop.maintenance import identity
from orlop.storage.local import LocalStorage
from tests.unit.cli.test_accounts import PASSWORD, Orlop


@pytest.fixture
def empty(tmp_path: Path) -> Orlop:
    return Orlop(tmp_path / "data")


def test_the_first_account_makes_the_registry_and_is_noted_in_its_store(empty: Orlop) -> None:
    result = empty.ask("user", "create", "alice", "--admin", "--password-file", "-", stdin=PASSWORD)
    assert result.exit_code == 0
    assert f"made a registry in {empty.data}" in result.stderr
    with LocalStorage(empty.data / "store") as storage:
        written = identity.read(storage)
    assert written is not None
    assert written.accounts
    again = empty.ask("user", "create", "bob", "--robot")
    assert "made a registry" not in again.stderr


def test_nobody_else_may_read_what_holds_hashes_and_keys(empty: Orlop) -> None:
    empty.run("user", "create", "ci", "--robot")
    for file in empty.data.glob("orlop.db*"):
        assert file.stat().st_mode & 0o077 == 0, file


@pytest.mark.parametrize(
    "words",
    [
        ("user", "list"), ("user", "delete", "ci"), ("group", "create", "dev"), ("token", "create", "ci"),
        ("token", "list"), ("token", "rotate-keys"), ("access", "explain", "ci", "a"), ("audit",),
    ],
)  # fmt: skip
def test_nothing_is_made_where_a_folder_is_misspelt(empty: Orlop, words: tuple[str, ...]) -> None:
    assert f"there is no registry in {empty.data}: name its folder by --data" in empty.refusal(*words)
    assert not empty.data.exists()


def test_a_store_that_has_lost_its_database_gets_no_new_one(empty: Orlop) -> None:
    empty.run("user", "create", "ci", "--robot")
    for file in empty.data.glob("orlop.db*"):
        file.unlink()
    assert "orlop rebuild" in empty.refusal("user", "create", "ci", "--robot")


def test_an_error_is_json_where_json_was_asked_for(empty: Orlop) -> None:
    assert empty.refusal("user", "list", "--json").startswith('{"errors": [{"message": "there is no registry in ')


def test_accounts_of_the_htpasswd_file_are_known(empty: Orlop, tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"harry:{hashed}\n")
    empty.environment |= {"ORLOP_ACCESS_HTPASSWD": str(tmp_path / "htpasswd"), "ORLOP_ACCESS_MODE": "accounts"}
    empty.run("user", "create", "ci", "--robot")
    empty.run("group", "create", "dev")
    empty.run("group", "add", "dev", "harry")
    empty.run("token", "create", "harry")
    assert 'rule 1, "signed-in may all on {account}/**"' in empty.run("access", "explain", "harry", "harry/app")
    assert "there is no account nobody" in empty.refusal("group", "add", "dev", "nobody")
    (tmp_path / "htpasswd").write_text("harry:plain\n")
    assert "htpasswd -B" in empty.refusal("user", "list")


def asked_at_a_terminal(data: Path, *answers: str) -> tuple[int, str]:
    """The exit code, and what a person who creates an account sees."""
    shown = b""
    process_id, terminal = pty.fork()
    if process_id == 0:
        os.environ["ORLOP_CONFIG"] = ""
        os.execv(sys.executable, [sys.executable, "-m", "orlop", "user", "create", "ann", "--data", str(data)])
    for prompt, answer in zip((b"Password: ", b"Again: "), answers, strict=True):
        while prompt not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, answer.encode() + b"\n")
    try:
        while more := os.read(terminal, 1000):
            shown += more
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1]), shown.decode()


def test_a_password_is_asked_for_twice_and_not_shown(empty: Orlop) -> None:
    code, shown = asked_at_a_terminal(empty.data, "correct horse", "correct horse")
    assert (code, "correct horse" in shown, "made ann" in shown) == (0, False, True)
    code, shown = asked_at_a_terminal(empty.data, "correct horse", "another horse")
    assert (code, "the two passwords differ" in shown) == (1, True)


def test_a_command_beside_a_running_server_does_not_wait_for_it(empty: Orlop) -> None:
    """A person at a terminal; the server has the database open all the time."""
    from tests.servers import OrlopServer

    empty.run("user", "create", "ci", "--robot")
    with OrlopServer(empty.data, ACCESS_MODE="accounts"):
        command = [sys.executable, "-m", "orlop", "token", "create", "ci", "--data", str(empty.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("orlop_")
