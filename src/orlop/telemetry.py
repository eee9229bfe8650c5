"""Logs and metrics."""

import logging
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, TextIO

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

# A second series for each one, with the time of its first event, would only double what Prometheus fetches.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
"""All of the server's metrics. `docs/howto/metrics.md` lists them."""

RECEIVED = Counter("orlop_received_bytes", "Bytes of bodies received.", registry=REGISTRY)
CONNECTIONS = Gauge("orlop_connections", "Open client connections.", registry=REGISTRY)
REFUSALS = Counter(
    "orlop_refusals",
    "Requests refused for who sent them: asked to sign in, wrong credentials, not allowed, too many.",
    ["reason"],
    registry=REGISTRY,
)
OUTBOX = Gauge("orlop_outbox_entries", "Names whose object in the tree may not be durable yet.", registry=REGISTRY)
COLLECTED = Counter("orlop_collected", "What collections have taken away.", ["kind"], registry=REGISTRY)
COLLECTED_BYTES = Counter(
    "orlop_collected_bytes", "Bytes of the objects that collections have removed.", registry=REGISTRY
)
COLLECTIONS = Counter("orlop_collections", "Collections that came to their end.", registry=REGISTRY)
JOBS = Gauge("orlop_jobs", "Jobs of workers: waiting, running or failed.", ["state"], registry=REGISTRY)
JOBS_ENDED = Counter(
    "orlop_jobs_ended",
    "Attempts at jobs that the server's own worker has ended.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
JOBS_SECONDS = Counter(
    "orlop_jobs_seconds", "Seconds that the server's own worker took for them.", ["kind"], registry=REGISTRY
)
FREE = Gauge("orlop_storage_free_bytes", "Free bytes on the disk of the store.", registry=REGISTRY)

DURATIONS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Seconds: the buckets of `orlop_request_seconds`."""


class RequestTally(Collector):
    """Counts answered requests. Used by the event loop alone, so it needs no locks.

    The library's own counters take a lock for each number: four of them for a request, a tenth of all its time.
    """

    def __init__(self) -> None:
        self.sent = 0
        """Bytes of bodies."""
        self._counts: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, float] = {}
        self._buckets: dict[str, list[int]] = {}

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        key = (route, method, status)
        counts = self._counts
        counts[key] = counts.get(key, 0) + 1
        buckets = self._buckets.get(route)
        if buckets is None:
            buckets = self._buckets[route] = [0] * (len(DURATIONS) + 1)
            self._seconds[route] = 0.0
        buckets[bisect_left(DURATIONS, seconds)] += 1
        self._seconds[route] += seconds

    def collect(self) -> Iterator[Metric]:
        """The metrics in the form of the library."""
        requests = CounterMetricFamily("orlop_requests", "Requests answered.", labels=["route", "method", "status"])
        for (route, method, status), count in self._counts.items():
            requests.add_metric([route, method, str(status)], count)
        durations = HistogramMetricFamily(
            "orlop_request_seconds",
            "Seconds from a request's headers to its answer, with the transfer of large bodies.",
            labels=["route"],
        )
        bounds = [*map(floatToGoString, DURATIONS), "+Inf"]
        for route, buckets in self._buckets.items():
            cumulated = list(zip(bounds, accumulate(buckets), strict=True))
            durations.add_metric([route], cumulated, self._seconds[route])
        yield requests
        yield durations
        yield CounterMetricFamily("orlop_sent_bytes", "Bytes of bodies sent.", value=self.sent)


REQUESTS = RequestTally()
REGISTRY.register(REQUESTS)

STORAGE_CALLS = Counter("orlop_storage_calls", "Calls of the storage driver.", ["method", "outcome"], registry=REGISTRY)
STORAGE_SECONDS = Counter(
    "orlop_storage_seconds", "Seconds spent in the storage driver.", ["method"], registry=REGISTRY
)

_storage_counters: dict[tuple[str, str], tuple[Callable[[], None], Callable[[float], None]]] = {}


def note_storage_call(method: str, seconds: float, error: BaseException | None) -> None:
    """Counts one call of the storage driver: it went well, found nothing, or failed."""
    outcome = "ok" if error is None else "missing" if isinstance(error, FileNotFoundError) else "failed"
    counters = _storage_counters.get((method, outcome))
    if counters is None:
        counters = (STORAGE_CALLS.labels(method, outcome).inc, STORAGE_SECONDS.labels(method).inc)
        _storage_counters[method, outcome] = counters
    counters[0]()
    counters[1](seconds)


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(form: str, level: str, stream: TextIO = sys.stderr) -> "AccessLog":
    """Sets up logging: `form` is auto, text or json. Returns the log of requests."""
    as_json = form == "json" or (form == "auto" and not stream.isatty())
    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if as_json:
        processors.append(structlog.processors.JSONRenderer(serializer=_dumps))
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=stream.isatty()))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    # Only libraries log by the standard module, and only their warnings matter.
    logging.basicConfig(level=logging.WARNING, stream=stream, format="%(levelname)s %(name)s %(message)s")
    return AccessLog(stream, as_json=as_json, enabled=LEVELS[level] <= LEVELS["info"])


def _dumps(document: Any, **_: Any) -> str:
    return msgspec.json.encode(document, enc_hook=str).decode()


class AccessLog:
    """One line for each request, written by a thread of its own: a slow reader of the log delays no request.

    Lines wait for a fifth of a second at most. Secrets never get here: neither headers nor queries are logged.
    """

    INTERVAL = 0.2
    MOST = 100_000

    def __init__(self, stream: TextIO, *, as_json: bool, enabled: bool) -> None:
        self._stream = stream
        self._json = as_json
        self._enabled = enabled
        self._lines: list[tuple[Any, ...]] = []
        self._encode = msgspec.json.Encoder().encode
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        if enabled:
            self._thread.start()

    def write(
        self, request_id: str, address: str, account: str, method: str, path: str, route: str, status: int, size: int,
        seconds: float, error: str,
    ) -> None:  # fmt: skip
        """Notes a request. Cheap: formatting is left to the thread."""
        if self._enabled and len(self._lines) < self.MOST:
            self._lines.append(
                (time.time(), request_id, address, account, method, path, route, status, size, seconds, error)
            )

    def close(self) -> None:
        """Writes what is noted."""
        self._closing.set()
        if self._enabled:
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self.INTERVAL):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if not lines:
            return
        form = self._as_json if self._json else self._as_text
        try:
            self._stream.write("".join(map(form, lines)))
            self._stream.flush()
        except (OSError, ValueError):
            return  # nobody reads the log any more; the registry goes on

    def _as_json(self, line: tuple[Any, ...]) -> str:
        at, request_id, address, account, method, path, route, status, size, seconds, error = line
        document = {
            "event": "request",
            "level": "info",
            "timestamp": _timestamp(at),
            "request_id": request_id,
            "address": address,
            "method": method,
            "path": path[:1000],
            "route": route,
            "status": status,
            "bytes": size,
            "ms": round(seconds * 1000, 2),
        }
        if account:
            document["account"] = account
        if error:
            document["error"] = error
        return self._encode(document).decode() + "\n"

    def _as_text(self, line: tuple[Any, ...]) -> str:
        at, request_id, address, _, method, path, _, status, size, seconds, error = line
        shown = path[:1000].encode("unicode_escape").decode("ascii")
        told = f" ({error})" if error else ""
        facts = f"{size} B {seconds * 1000:.1f} ms {address} {request_id}"
        return f"{_timestamp(at)} {status} {method} {shown} {facts}{told}\n"


_second = 0
_second_text = ""


def _timestamp(at: float) -> str:
    global _second, _second_text
    second = int(at)
    if second != _second:
        _second_text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _second = second
    return f"{_second_text}.{int(at % 1 * 1000):03}Z"
