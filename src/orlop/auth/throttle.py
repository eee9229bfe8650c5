"""How often something may happen, for each of many: addresses, accounts."""

import functools
import ipaddress
import threading
import time
from collections.abc import Callable, Hashable

from orlop.domain.errors import TooManyRequests

MOST = 100_000
"""Keys that are remembered. Beyond it those that have room again are forgotten, then all."""


@functools.lru_cache(10_000)
def origin(address: str) -> str:
    """What requests from an address are counted by: of IPv6 its network, since everyone there has a whole one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4 or parsed.ipv4_mapped is not None:
        return str(getattr(parsed, "ipv4_mapped", None) or parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class Throttle:
    """A bucket for each key: `burst` at once, and `rate` more each second."""

    def __init__(self, rate: float, burst: float, message: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._message = message
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[Hashable, tuple[float, float]] = {}  # how much was taken, and when that was so

    def check(self, key: Hashable) -> None:
        """TooManyRequests where nothing is left for `key`."""
        if not self.has_room(key):
            raise TooManyRequests(self._message, (self._now(key) - self._burst + 1) / self._rate)

    def has_room(self, key: Hashable) -> bool:
        return self._now(key) <= self._burst - 1

    def take(self, key: Hashable) -> None:
        """One of what is left for `key`."""
        with self._lock:
            if len(self._spent) >= MOST:
                self._forget()
            self._spent[key] = (min(self._now(key) + 1, self._burst), self._clock())

    def _now(self, key: Hashable) -> float:
        found = self._spent.get(key)
        return 0.0 if found is None else max(0.0, found[0] - (self._clock() - found[1]) * self._rate)

    def _forget(self) -> None:
        self._spent = {key: value for key, value in self._spent.items() if self._now(key) > 0}
        if len(self._spent) >= MOST:
            self._spent.clear()
