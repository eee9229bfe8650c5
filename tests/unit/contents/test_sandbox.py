"""The parser of layers runs where it can do no harm: its limits hold, and it does not outlive who wants it."""

import contextlib
import gzip
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from orlop.contents import parser, sandbox
from orlop.contents.limits import Limits
from orlop.contents.resting import Resting
from orlop.contents.stopping import Stopped
from orlop.domain.errors import LayerInvalid, ParserFailed, Unindexable
from tests.unit.contents.test_archive import sparse_archive
from tests.unit.contents.test_parser import LAYER, PACKERS, Read, zstd

MIB = 1 << 20


@contextmanager
def layer_file(layer: bytes) -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        file.write(layer)
        file.seek(0)
        yield file.fileno()


def run(layer: bytes, limits: Limits | None = None) -> bytes:
    with layer_file(layer) as source, tempfile.TemporaryFile() as output:
        sandbox.index(source, output, limits or Limits())
        output.seek(0)
        return output.read()


def run_blocked(look: Callable[[Path], bool], limits: Limits | None = None) -> None:
    """A parser that waits for its layer; `look` sees its process, and says whether it shall stop."""

    def stopping() -> bool:
        return any(is_locked_in(process) and look(process) for process in parsers())

    reader, writer = os.pipe()
    try:
        with tempfile.TemporaryFile() as output:
            sandbox.index(reader, output, limits or Limits(seconds=60), stopping)
    finally:
        os.close(reader)
        os.close(writer)


def parsers() -> list[Path]:
    """Those of this process, which other tests have given other children."""
    return [child for child in children(os.getpid()) if b"contents.parser" in (child / "cmdline").read_bytes()]


def is_locked_in(process: Path) -> bool:
    """Whether it has done the last thing that tells of it: the clock is set right after."""
    return "Max processes             0 " in (process / "limits").read_text()


def children(parent: int) -> list[Path]:
    found = []
    for tasks in Path(f"/proc/{parent}/task").glob("*/children"):
        found += [Path(f"/proc/{child}") for child in tasks.read_text().split()]
    return found


def is_gone(process: Path) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True  # whoever adopted it has not looked yet
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_its_table_of_contents_is_the_layers() -> None:
    layer = PACKERS["gzip"](LAYER)
    written = run(layer)
    assert Read(layer).footer.checksum.encode() in written


def test_a_damaged_layer_is_unindexable_with_its_reason() -> None:
    with pytest.raises(Unindexable, match="the layer is no tar archive, or is damaged"):
        run(b"no archive" * 100)
    with pytest.raises(LayerInvalid, match="more than 2 entries"):
        run(LAYER, Limits(entries=2))


def test_a_parser_that_comes_to_no_end_is_killed() -> None:
    begun = time.monotonic()
    seen: list[Path] = []

    def look(process: Path) -> bool:
        seen.append(process)
        return False

    with pytest.raises(ParserFailed, match="too busy"):
        run_blocked(look, Limits(seconds=1.5))
    assert time.monotonic() - begun < 5
    assert is_gone(seen[-1])


def test_a_layer_that_takes_too_long_is_unindexable() -> None:
    header = tarfile.TarInfo("zeros")
    header.size = 4 << 30
    long = gzip.compress(header.tobuf()) + gzip.compress(bytes(8 << 20)) * (header.size >> 23)
    with pytest.raises(Unindexable, match=r"not read in 1 seconds"):
        run(long, Limits(seconds=1))


def test_it_stands_still_while_clients_come_and_the_time_of_that_does_not_count() -> None:
    header = tarfile.TarInfo("zeros")
    header.size = 256 << 20
    layer = gzip.compress(header.tobuf()) + gzip.compress(bytes(8 << 20)) * (header.size >> 23) + gzip.compress(b"")
    states: list[str] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            with contextlib.suppress(OSError):  # it has ended
                states.extend((process / "stat").read_text().rpartition(")")[2].split()[0] for process in parsers())

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.monotonic()
    try:
        with layer_file(layer) as source, tempfile.TemporaryFile() as output:
            sandbox.index(source, output, Limits(seconds=2), resting=Resting(lambda: True))
            assert output.seek(0, os.SEEK_END)
    finally:
        ended.set()
        watcher.join()
    assert states.count("T") > len(states) / 2, f"{time.monotonic() - begun:.2f} s"


def test_it_is_stopped_when_told_so() -> None:
    seen: list[Path] = []

    def look(process: Path) -> bool:
        seen.append(process)
        return True

    with pytest.raises(Stopped):
        run_blocked(look)
    assert is_gone(seen[0])


def test_what_is_done_to_it_from_outside_says_nothing_of_the_layer() -> None:
    def kill(process: Path) -> bool:
        os.kill(int(process.name), signal.SIGKILL)
        return False

    with pytest.raises(ParserFailed, match="signal 9"):
        run_blocked(kill)


def test_a_parser_that_cannot_be_started_says_nothing_of_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ParserFailed, match="cannot be started"):
        run(LAYER)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ParserFailed, match="ended with 1"):
        run(LAYER)


def test_a_full_disk_says_nothing_of_the_layer() -> None:
    with open("/dev/full", "wb") as full, layer_file(LAYER) as source, pytest.raises(ParserFailed, match="space"):
        sandbox.index(source, full, Limits())


def test_it_has_nothing_that_is_worth_stealing_and_little_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORLOP_SECRET", "hunter2")
    seen: dict[str, Any] = {}

    def look(process: Path) -> bool:
        seen["environment"] = (process / "environ").read_bytes()
        seen["folder"] = os.readlink(process / "cwd")
        seen["files"] = sorted(int(file.name) for file in (process / "fd").iterdir())
        seen["session"] = os.getsid(int(process.name))
        seen["own"] = int(process.name)
        seen["policy"] = os.sched_getscheduler(int(process.name))
        for line in (process / "limits").read_text().splitlines():
            seen[line[:26].strip()] = line[26:].split()[:2]
        return True

    with open(os.devnull) as inheritable:
        os.set_inheritable(inheritable.fileno(), True)
        with pytest.raises(Stopped):
            run_blocked(look, Limits(seconds=60, memory=100 * MIB, cpu=9))
    assert b"ORLOP" not in seen["environment"]
    assert (seen["folder"], seen["files"]) == ("/", [0, 1, 2])
    assert seen["session"] == seen["own"]
    assert seen["policy"] in (os.SCHED_IDLE, os.SCHED_OTHER)
    assert seen["Max data size"] == [str(100 * MIB)] * 2
    assert seen["Max cpu time"] == ["9", "14"]
    assert seen["Max core file size"] == seen["Max processes"] == ["0", "0"]
    assert seen["Max open files"] == ["32", "32"]
    assert seen["Max file size"] == [str(2048 * MIB)] * 2


def test_it_does_not_outlive_who_started_it() -> None:
    program = (
        "import os, sys\n"
        "from orlop.contents import sandbox\n"
        "from orlop.contents.limits import Limits\n"
        "sandbox.index(os.pipe()[0], open('/dev/null', 'wb'), Limits())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as worker:
        child = _grown_up_child(worker.pid)
        worker.kill()
    assert is_gone(child)


def _grown_up_child(parent: int) -> Path:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for child in children(parent):
            if is_locked_in(child):
                return child
        time.sleep(0.02)
    raise AssertionError("it did not start")


def test_time_of_the_processor_has_a_limit() -> None:
    layer = sparse_archive("old", 7 << 30, [], b"")
    with pytest.raises(Unindexable, match="1 seconds of processor time"):
        run(layer, Limits(cpu=1))


def test_memory_has_a_limit() -> None:
    program = (
        "from orlop.contents.confinement import confine\n"
        "from orlop.contents.limits import Limits\n"
        "confine(Limits(memory=64 << 20))\n"
        "kept = bytearray(32 << 20)\n"
        "try: bytearray(64 << 20)\n"
        "except MemoryError: print('refused')\n"
    )
    assert subprocess.check_output([sys.executable, "-c", program]) == b"refused\n"


def test_the_table_of_contents_has_a_size() -> None:
    program = (
        "import sys\n"
        "from orlop.contents import confinement, parser\n"
        "confinement.OUTPUT = 100\n"
        "sys.exit(parser.main('{}'))\n"
    )
    with layer_file(LAYER) as source, tempfile.TemporaryFile() as output:
        command = [sys.executable, "-c", program]
        ended = subprocess.run(command, stdin=source, stdout=output, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == parser.UNINDEXABLE
    assert ended.stderr == b'{"error":"the layer\'s table of contents is larger than 100 bytes"}\n'


@pytest.mark.parametrize("form", ["zstd", "xz"])
def test_a_layer_that_needs_more_memory_is_unindexable(form: str) -> None:
    content = bytes(200 * MIB)
    if form == "zstd":
        options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.compression_level: 1}
        packer = zstd.ZstdCompressor(options=options)
        layer = packer.compress(content) + packer.flush()
    else:
        layer = PACKERS["xz"](content[: 1 << 20])
    memory = 64 * MIB if form == "zstd" else 12 * MIB
    with pytest.raises(Unindexable, match=f"in {memory // MIB} MiB of memory"):
        run(layer, Limits(memory=memory))


def test_the_whole_default_memory_is_enough_for_the_largest_window() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.compression_level: 1}
    packer = zstd.ZstdCompressor(options=options)
    run(packer.compress(bytes(200 * MIB)) + packer.flush())
