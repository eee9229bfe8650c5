"""A first start that is killed at any system call leaves nothing that the next one cannot begin with."""

import secrets
import shutil
from itertools import count
from pathlib import Path
from random import Random

import pytest

from tests import left_out
from tests.faults.tracer import CHANGING
from tests.protocol.client import Client
from tests.protocol.conftest import address_of
from tests.protocol.repository import Repository
from tests.servers import OrlopServer

CALLS = ("fdatasync", "fsync", "mkdir", "mkdirat", "pwrite64", "renameat", "unlink", "unlinkat", "write")


def tracing(*words: str) -> tuple[str, ...]:
    """strace around the server, of which the server stays the parent's own child."""
    if reason := left_out.missing_programs("strace"):
        left_out.leave_out("strace", reason)
    traced = ",".join(f"?{name}" for name in CHANGING)
    return ("strace", "-D", "-f", "-o", "/dev/null", "-e", f"trace={traced}", *words)


def dies_at(folder: Path, call: str, number: int) -> bool:
    """Whether the start came to the call; it does not if it has fewer of them."""
    server = OrlopServer(folder / "data", wrapper=tracing("-e", f"inject={call}:signal=SIGKILL:when={number}"))
    try:
        server.start()
    except AssertionError:
        assert server.process is not None
        assert server.process.returncode == -9, server.log
        return True
    finally:
        server.kill()
        server.log_path.unlink()
    return False


def assert_begins(folder: Path) -> None:
    with OrlopServer(folder / "data", LOG_LEVEL="warning") as server, Client(address_of(server)) as client:
        repository = Repository(client)
        pushed = repository.push_image("latest")
        server.restart()
        with Client(address_of(server)) as again:
            assert Repository(again, repository.name).get("manifests/latest").body == pushed.content


@pytest.mark.full
def test_a_start_that_was_killed_at_some_call_is_followed_by_another(memory: Path) -> None:
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    points = [("mkdirat", 1), ("mkdir", 2), ("fsync", 1), ("renameat", 1), ("fdatasync", 1), ("fdatasync", 2)]
    points += [("pwrite64", number) for number in (1, 5, 20, 60)]
    for call, number in Random(seed).sample(points, 3):
        folder = memory / f"{call}-{number}"
        dies_at(folder, call, number)
        assert_begins(folder)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("call", CALLS)
def test_a_start_that_was_killed_at_any_call_is_followed_by_another(
    memory: Path, call: str, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = 0
    for number in count(1):
        folder = memory / str(number)
        if not dies_at(folder, call, number):
            break
        assert_begins(folder)
        shutil.rmtree(folder)
        killed += 1
    with capsys.disabled():
        print(f"\nfirst start killed at {killed} calls of {call}: each time the next one began")
