"""Server, worker and parser are killed at whatever moment while images come in: all of them are known afterwards."""

import os
import random
import signal
import sqlite3
import subprocess
import time
import urllib.error
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from orlop.contents import toc
from orlop.storage.local import LocalStorage
from tests.protocol import layers
from tests.servers import OrlopServer, command

ROUNDS = 4
IMAGES = 3
"""In each round; half of their layers are the other images', too."""


def descendants(pid: int) -> list[int]:
    """The process, its worker, and that one's parser, as far as they live."""
    found = [pid]
    for child in found:
        for listed in Path(f"/proc/{child}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(number) for number in listed.read_text().split()]
    return found


def contents(number: int, source: random.Random) -> list[bytes]:
    base = layers.layer({f"base/{number % 2}/{part}": b"the same" for part in range(40)})
    own = {f"own/{part}": source.randbytes(2000) for part in range(50)}
    return [base, layers.layer({f"image/{number}": b"", **own})]


def push_some(server: OrlopServer, numbers: list[int], source: random.Random) -> set[int]:
    """Those whose push was answered."""
    done = set()
    for number in numbers:
        with suppress(urllib.error.URLError, ConnectionError):
            layers.push(server.url, f"team/app{number}", "v1", *contents(number, source))
            done.add(number)
    return done


def kill_one(server: OrlopServer, source: random.Random) -> None:
    """The server, its worker or that one's parser: whichever there are at the moment."""
    assert server.process is not None
    victim = source.choice(descendants(server.process.pid))
    with suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)


def test_whatever_is_killed_everything_is_known_in_the_end(tmp_path: Path) -> None:
    source = random.Random(34)
    data = tmp_path / "data"
    server = OrlopServer(data, CONTENTS_ENABLED="true").start()
    pushed: set[int] = set()
    try:
        for round_ in range(ROUNDS):
            pushed |= push_some(server, list(range(round_ * IMAGES, (round_ + 1) * IMAGES)), source)
            for _ in range(3):
                time.sleep(source.uniform(0.1, 0.6))
                kill_one(server, source)
            if server.process is not None and server.process.poll() is not None:
                server.kill()
                server.start()
    finally:
        server.kill()
    assert pushed
    # Claims of the dead end by themselves, a minute after; nobody waits for that here.
    with closing(sqlite3.connect(data / "orlop.db")) as connection, connection:
        connection.execute("UPDATE jobs SET run_at = 0 WHERE state != 'failed'")
    with OrlopServer(data, CONTENTS_ENABLED="true", CONTENTS_WORKER="false") as server:
        words = command("worker", "--data", str(data), "--until-idle")
        done = subprocess.run(words, env=server.environment(), capture_output=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        for number in pushed:
            assert layers.paths(server.url, f"team/app{number}", "v1") == ["/base", "/image", "/own"]
    with closing(sqlite3.connect(data / "orlop.db")) as connection:
        assert connection.execute("SELECT * FROM jobs").fetchall() == []
    is_whole(data, pushed)


def is_whole(data: Path, pushed: set[int]) -> None:
    """Nothing is there twice, nothing is left over, and all of it can be read."""
    with closing(sqlite3.connect(data / "contents.db")) as connection:
        known = dict(connection.execute("SELECT digest, entries FROM layers WHERE state = 'ready'").fetchall())
        counted = dict(
            connection.execute(
                "SELECT l.digest, count(*) FROM layers l JOIN entries e ON e.layer_id = l.id WHERE NOT e.implicit"
                " GROUP BY l.digest"
            ).fetchall()
        )
        assert counted == known
        images = connection.execute("SELECT repository FROM images").fetchall()
        assert {f"team/app{number}" for number in pushed} <= {name for (name,) in images}
    with LocalStorage(data / "store") as storage:
        tables = [entry.path for entry in storage.walk(storage.layers)]
        assert len(tables) == len(known)
        assert sorted(toc.verify(storage, path).entries for path in tables) == sorted(known.values())
        for entry in storage.walk(storage.chains):
            if entry.path.endswith("diffs.json"):
                msgspec.json.decode(storage.get_content(entry.path), type=dict[str, list[str]])
    assert not list(data.glob("*.loading"))
