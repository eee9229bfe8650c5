"""What is measured: each yields its figures, on a folder that is empty before."""

import contextlib
import gzip
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from orlop.contents.index import Index
from orlop.contents.limits import Limits
from orlop.contents.loading import load
from tests.bench import loads
from tests.bench.connection import Connection
from tests.bench.errors import BenchError
from tests.bench.inside import layers
from tests.bench.inside.figures import Figure, median_ms
from tests.bench.inside.pushes import REPOSITORY, ask, digest_of, push, server
from tests.bench.loads import Ground

MIB = 1 << 20
MEMORY = 256
READY_SECONDS = 120.0
TEXTS = {"in most names": "lib", "in one name": "-7.4242.so", "in none": "zzqqxx", "with a /": "ssl1/core_ssl"}


class Sizes(NamedTuple):
    """How much of everything."""

    real: int = 600 * MIB
    entries: int = 1_000_000
    paths: int = 5_000_000
    large: int = 1 << 30
    backlog: int = 12
    """Layers of a quarter of `real` that wait to be read."""
    turns: int = 20


QUICK = Sizes(real=100 * MIB, entries=100_000, paths=300_000, large=64 * MIB, backlog=30, turns=7)


class Facts(NamedTuple):
    """What `load` wants to know of a layer that was never packed."""

    diff_id: str
    entries: int
    compression: str = "gzip"
    size: int = 1
    unpacked: int = 1
    content: int = 1


class Cost(NamedTuple):
    seconds: float
    cpu: float
    peak: float
    """MiB."""


def tocs(folder: Path, sizes: Sizes) -> Iterator[Figure]:
    """The parser's speed on one core, beside `tar -tzf` of the same layer, and its memory."""
    packed, unpacked = layers.real(folder, sizes.real)
    words = [sys.executable, "-m", "orlop.contents.parser", msgspec.json.encode(Limits()).decode()]
    rates, peaks, tars = [], [], []
    for _ in range(3):
        cost = _run(["taskset", "-c", "0", *words], packed)
        rates.append(unpacked / cost.cpu / 1e6)
        peaks.append(cost.peak)
        tars.append(unpacked / _run(["taskset", "-c", "0", "tar", "-tzf", str(packed)]).seconds / 1e6)
    half = sorted(tars)[1] / 2
    what = f"{unpacked / 1e6:,.0f} MB of /usr; tar -tzf: {2 * half:,.0f} MB/s"
    yield Figure("Table of contents of a gzip layer", sorted(rates)[1], "MB/s", max(150.0, half), True, what)
    yield Figure("Memory of the process that makes it", max(peaks), "MiB", MEMORY, note="the same")


def large_layer(folder: Path, sizes: Sizes) -> Iterator[Figure]:
    """A layer with very many entries, through a server and its worker."""
    packed = folder / "many.tar.gz"
    layers.of_many(packed, sizes.entries)
    data = folder / "data"
    with server(folder, data, CONTENTS_WORKER="false") as running:
        push(running.target, "many", [packed.read_bytes()])
        words = [sys.executable, "-m", "orlop", "worker", "--until-idle", "--data", str(data)]
        cost = _run(words)
        with Connection(running.target) as connection:
            _demand_ready(connection, "many")
    what = f"{sizes.entries:,} entries, in {cost.seconds:,.0f} s"
    yield Figure("Memory of a worker and its parser, each", cost.peak, "MiB", MEMORY, note=what)


def listings(folder: Path, sizes: Sizes) -> Iterator[Figure]:
    """A listing and a stat over HTTP, in an image of twenty layers."""
    chain = [
        layers.of_files({f"opt/a/b/c/d/e/f/g/h/i/{part}/{number}": b"x" for number in range(50)}) for part in range(20)
    ]
    chain[0] = layers.of_files({f"usr/share/names/{number:04}.txt": b"x" for number in range(1_000)})
    with server(folder, folder / "data") as running:
        push(running.target, "twenty", chain)
        with Connection(running.target) as connection:
            _wait_ready(connection, "twenty")
            files = f"/api/v1/repositories/{REPOSITORY}/-/files/twenty"
            listed = median_ms(lambda: ask(connection, f"{files}/usr/share/names?n=1000"))
            looked = median_ms(lambda: ask(connection, f"{files}/opt/a/b/c/d/e/f/g/h/i/19/7?stat=true"))
    yield Figure("Listing of 1,000 files, over HTTP", listed, "ms", 20, note="an image of 20 layers")
    yield Figure("One file's entry, 12 folders deep, over HTTP", looked, "ms", 20, note="the same")


def single_files(folder: Path, sizes: Sizes) -> Iterator[Figure]:
    """A small file in the midst of a large gzip layer: how long it takes, and how much is read."""
    packed = _large_layer(sizes.large)
    with server(folder, folder / "data") as running:
        push(running.target, "large", [packed])
        with Connection(running.target) as connection:
            _wait_ready(connection, "large")
            path = f"/api/v1/repositories/{REPOSITORY}/-/files/large/middle"
            taken = median_ms(lambda: connection.ask(200, "GET", path), 11)
            before = _read_by(running.pid)
            connection.ask(200, "GET", path)
            read = _read_by(running.pid) - before
    what = f"a gzip layer of {len(packed) / MIB:,.0f} MiB"
    yield Figure("Read of it for a file of 10 KB", read / 1e6, "MB", 10, note=what)
    yield Figure("The file over HTTP", taken, "ms", 200, note="the same")


def searches(folder: Path, sizes: Sizes) -> Iterator[Figure]:
    """The first 50 hits among very many paths, over HTTP."""
    images, data = 50, folder / "data"
    with server(folder, data, CONTENTS_WORKER="false") as running:
        for number in range(images):
            layer = layers.of_files({"marker": b"%d" % number})
            push(running.target, f"v{number}", [layer])
            facts = Facts(f"sha256:{number:064x}", sizes.paths // images)
            with contextlib.closing(Index(data / "contents.db")) as index:
                load(index, digest_of(layer), facts, layers.made_entries(number, facts.entries), [])
        with Connection(running.target) as connection:
            for name, text in TEXTS.items():
                path = f"/api/v1/search?type=files&q={text.replace('/', '%2F')}"
                found = len(ask(connection, path)["items"])
                taken = median_ms(lambda path=path: ask(connection, path), 9)  # type: ignore[misc]
                what = f"{sizes.paths:,} paths in {images} images; {found} hits"
                yield Figure(f"Search for a text, {name}", taken, "ms", 300, note=what)


def pushing(folder: Path, sizes: Sizes) -> Iterator[Figure]:
    """Pushes to a server whose worker has plenty to do, beside pushes to one that looks into nothing.

    In turns of a second, as the machine's own speed changes by more than what is measured: it is the middle of their
    ratios. While the one is measured, the other's worker stands still.
    """
    packed, _ = layers.real(folder, sizes.real // 4)
    backlog = [packed.read_bytes() + gzip.compress(b"\0" * 1024 + b"%d" % number) for number in range(sizes.backlog)]
    for title, load_ in (("PUT manifest", loads.ManifestPushes(16)), ("Push of 4 KiB blobs", loads.BlobPushes(16))):
        rates: dict[str, list[float]] = {"true": [], "false": []}
        with contextlib.ExitStack() as stack:
            grounds = {}
            for enabled in rates:
                own = folder / f"{title.partition(' ')[0]}-{enabled}"
                own.mkdir()
                running = stack.enter_context(server(own, own / "data", CONTENTS_ENABLED=enabled))
                grounds[enabled] = Ground(running.target, own / "data", own, None)
                load_.prepare(grounds[enabled])
                if enabled == "true":
                    pid = running.pid
                for number, layer in enumerate(backlog):
                    push(running.target, f"backlog-{number}", [layer])
            for turn in range(sizes.turns):
                for enabled in ("true", "false") if turn % 2 else ("false", "true"):
                    with contextlib.nullcontext() if enabled == "true" else standing_still(pid):
                        rates[enabled].append(load_.run(grounds[enabled], 1.0).rate)
            _demand_work_left(grounds["true"])
        shares = sorted(on / off for on, off in zip(rates["true"], rates["false"], strict=True))
        middle = {enabled: sorted(found)[len(found) // 2] for enabled, found in rates.items()}
        what = f"{middle['true']:,.0f}/s beside {middle['false']:,.0f}/s, {sizes.turns} turns"
        share = 100 * shares[len(shares) // 2]
        yield Figure(f"{title} while layers are read, 16 clients", share, "%", 90, True, what)


@contextlib.contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Stops what that process has started, and what these have, for the block."""
    stopped = descendants(pid)
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


def descendants(pid: int) -> list[int]:
    """Each after the one that started it. Those of one that has ended are not told."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


def _demand_work_left(ground: Ground) -> None:
    with Connection(ground.target) as connection:
        contents = ask(connection, "/api/v1/status")["contents"]
    if not contents["running"]:
        raise BenchError("the worker had nothing to do any more: give it more layers")


MEASURES: dict[str, Callable[[Path, Sizes], Iterator[Figure]]] = {
    "toc": tocs,
    "entries": large_layer,
    "listing": listings,
    "file": single_files,
    "search": searches,
    "push": pushing,
}


def _run(words: list[str], source: Path | None = None) -> Cost:
    """A program's cost, its children's included; its peak is the largest of any one of them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    with open(source or os.devnull, "rb") as file, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(words, stdin=file, stdout=subprocess.DEVNULL, stderr=said)
        peak = 0.0
        # What wait4 tells of memory counts this process, of which a new one is a copy until it has begun.
        while process.poll() is None:
            peak = max(peak, *map(_peak, (process.pid, *descendants(process.pid))))
            time.sleep(0.02)
        seconds = time.monotonic() - begun
        if process.returncode:
            said.seek(0)
            raise BenchError(f"{words[-1]} failed: {said.read()[-300:].decode(errors='replace')}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(seconds, cpu, peak)


def _peak(pid: int) -> float:
    """MiB that a process had resident at most up to now; 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _wait_ready(connection: Connection, tag: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while _state(connection, tag) != "ready":
        if time.monotonic() > deadline:
            raise BenchError(f"{tag} is not ready within {READY_SECONDS:.0f} s")
        time.sleep(0.1)


def _demand_ready(connection: Connection, tag: str) -> None:
    if (state := _state(connection, tag)) != "ready":
        raise BenchError(f"{tag} is {state}")


def _state(connection: Connection, tag: str) -> str:
    document = ask(connection, f"/api/v1/repositories/{REPOSITORY}/-/manifests/{tag}")
    state: str = document["contents"]["state"]
    return state


def _large_layer(size: int) -> bytes:
    """A layer of about that many bytes that do compress, with a file of 10 KB in its midst."""
    chance = random.Random(1)
    files, half, block = {}, size // 2, 16 * MIB
    for number in range(half // block):
        files[f"before/{number}"] = _content(chance, block)
    files["middle"] = chance.randbytes(10_000)
    for number in range(half // block):
        files[f"behind/{number}"] = _content(chance, block)
    return layers.of_files(files)


def _content(chance: random.Random, size: int) -> bytes:
    """Compresses a little: a kilobyte in four is as the one before."""
    piece = chance.randbytes(3 << 10)
    parts = []
    for _ in range(size >> 12):
        piece = chance.randbytes(3 << 10)
        parts.append(piece + piece[:1024])
    return b"".join(parts)


def _read_by(pid: int) -> int:
    """Bytes that a process has read, from files and sockets."""
    for line in Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("rchar:"):
            return int(line.split()[1])
    raise BenchError("the kernel tells of no reads")
