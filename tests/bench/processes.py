"""Loads run in processes of their own, which start together and whose CPU time is known."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import Any

from tests.bench.errors import BenchError

START_TIMEOUT = 60.0

Start = Callable[[], None]
Task = Callable[[Start], int]
"""Work for one process: it gets ready, calls its argument to wait for all the others, works, and returns an amount."""


@dataclass(frozen=True)
class Outcome:
    """What a load achieved: an amount (bytes or requests), in `seconds` of wall time, at `client_cpu` CPU seconds."""

    amount: int
    seconds: float
    client_cpu: float

    @property
    def rate(self) -> float:
        return self.amount / self.seconds


def run_together(tasks: Sequence[Task]) -> Outcome:
    """Run each task in a process; the time runs from the first that starts to the last that ends.

    BenchError: what stopped a task; the others are ended.
    """
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(tasks))
    pipes: list[Pipe] = []
    processes: list[BaseProcess] = []
    try:
        for task in tasks:
            mine, theirs = context.Pipe(duplex=False)
            processes.append(context.Process(target=_work, args=(task, barrier, theirs), daemon=True))
            processes[-1].start()
            theirs.close()
            pipes.append(mine)
        return _collect(pipes)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _collect(pipes: list[Pipe]) -> Outcome:
    begins, ends, amount, cpu = [], [], 0, 0.0
    waiting = list(pipes)
    while waiting:
        for pipe in wait(waiting):
            assert isinstance(pipe, Pipe)
            waiting.remove(pipe)
            report = _receive(pipe)
            if isinstance(report, Exception):
                raise report
            begins.append(report[0])
            ends.append(report[1])
            amount += report[2]
            cpu += report[3]
    return Outcome(amount, max(ends) - min(begins), cpu)


def _receive(pipe: Pipe) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        return BenchError("a process of the load generator ended without a word")


def _work(task: Task, barrier: Barrier, pipe: Pipe) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C reaches the parent, which ends its children
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    begin, cpu = 0.0, 0.0

    def start() -> None:
        nonlocal begin, cpu
        barrier.wait(START_TIMEOUT)
        begin, cpu = time.monotonic(), time.process_time()

    try:
        amount = task(start)
        pipe.send((begin, time.monotonic(), amount, time.process_time() - cpu))
    except BenchError as error:
        pipe.send(error)
    except Exception as error:  # a fault of any kind voids the run: it must reach the parent
        pipe.send(BenchError(f"the load generator failed: {type(error).__name__}: {error}"))
