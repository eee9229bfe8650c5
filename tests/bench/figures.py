"""Figures of the server process: its start, its memory at rest, and what a crowd of uploads adds."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.bench import resources, seeds, streams
from tests.bench.contents import CROWD_UPLOAD, MIB, layer
from tests.bench.loads import PUSH_REPOSITORY
from tests.bench.measurements import Stage, voided
from tests.bench.processes import run_together
from tests.bench.servers import Side

IDLE_SECONDS = 2.0
CROWD = 32


@dataclass(frozen=True)
class Figure:
    """A figure of one process, and Orlop's goal for it: at most this."""

    key: str
    title: str
    unit: str
    goal: float


FIRST_START = Figure("start-first", "From exec to the first 200 on /v2/, empty folder", "s", 1.0)
START = Figure("start", "From exec to the first 200 on /v2/, data there", "s", 1.0)
IDLE = Figure("idle", "Resident memory, idle after start", "MiB", 90.0)
CROWD_MEMORY = Figure("crowd", "Memory added by 32 uploads of 256 MiB at once", "MiB", 128.0)

FIGURES: Sequence[Figure] = (FIRST_START, START, IDLE, CROWD_MEMORY)


@dataclass(frozen=True)
class Reading:
    """A figure as it was once."""

    figure: str
    side: str
    run: int
    value: float


def read_start(stage: Stage, side: Side, run: int) -> Iterator[Reading]:
    """Start twice on one folder, and rest."""
    with stage.data(side, None) as data:
        with stage.start(side, data, None, tls=False) as server:
            yield Reading(FIRST_START.key, side.name, run, server.ready_seconds)
        with stage.start(side, data, None, tls=False) as server:
            yield Reading(START.key, side.name, run, server.ready_seconds)
            time.sleep(IDLE_SECONDS)
            yield Reading(IDLE.key, side.name, run, resources.resident_bytes(server.pid) / MIB)


def read_crowd(stage: Stage, side: Side, run: int) -> Iterator[Reading]:
    """Upload from 32 clients at once, half of them chunked, and see how far memory rises above its state at rest."""
    with stage.data(side, None) as data, stage.start(side, data, None, tls=False) as server:
        with voided(f"{side.title}, {CROWD_MEMORY.title}", server):
            seeds.push_blobs(server.target, PUSH_REPOSITORY, [layer("warm-up", MIB)])
            payloads = [stage.source.payload(CROWD_UPLOAD) for _ in range(CROWD)]
            before = resources.resident_bytes(server.pid)
            resources.reset_peak(server.pid)
            run_together(
                [
                    streams.upload(server.target, PUSH_REPOSITORY, payload, chunked=bool(number % 2))
                    for number, payload in enumerate(payloads)
                ]
            )
            added = resources.peak_bytes(server.pid) - before
        yield Reading(CROWD_MEMORY.key, side.name, run, added / MIB)
