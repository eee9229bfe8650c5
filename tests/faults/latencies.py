"""How long other clients wait."""

import statistics
import time

from tests.faults.requests import Requester

WINDOW = 300
"""Requests in one window: its 99th percentile leaves three of them out."""


class Latencies:
    """Windows of requests, one after the other, by one client on a kept connection."""

    def __init__(self) -> None:
        self.windows: list[float] = []

    def measure(self, requester: Requester, path: str, windows: int) -> None:
        for _ in range(windows):
            seconds = []
            for _ in range(WINDOW):
                begun = time.perf_counter()
                requester.demand("GET", path, 200)
                seconds.append(time.perf_counter() - begun)
            self.windows.append(sorted(seconds)[int(WINDOW * 0.99)])

    @property
    def p99(self) -> float:
        """The median of the windows' 99th percentiles: what else the machine does in one of them does not count."""
        return statistics.median(self.windows)
