"""What is told of a row: one line of JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

MUST_BE_NONE = ("lost", "corrupt", "live_deleted", "refused_in_lease", "orphans_after_gc", "tmp_left", "http_5xx",
                "hangs", "outside_root", "apart")  # fmt: skip


@dataclass
class Figures:
    """Fields that have no meaning in a row are None, and left out."""

    row: str = ""
    commit: str = ""
    config: str = ""
    machine: str = ""
    seed: str = ""
    backend: str = "sqlite+directory"
    duration_s: float = 0.0
    ops: int | None = None
    """Requests that changed something, or would have."""
    acked_writes: int | None = None
    unknown: int | None = None
    """Of which nobody heard the end."""
    faults: int | None = None
    """Kills, cuts, or calls that were made to fail."""
    planned: int | None = None
    """How many of them, or of the operations, there should have been; fewer where the time was over."""
    crash_points_hit: int | None = None
    crash_points_total: int | None = None
    lost: int | None = None
    corrupt: int | None = None
    live_deleted: int | None = None
    """What a manifest or a lease kept, and collection took."""
    refused_in_lease: int | None = None
    """Manifests that were refused for a blob that had just been acknowledged."""
    orphans_after_gc: int | None = None
    tmp_left: int | None = None
    apart: int | None = None
    """Names of which tree and database say different things."""
    http_5xx: int | None = None
    hangs: int | None = None
    outside_root: int | None = None
    gc_cycles: int | None = None
    bytes_reclaimed: int | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    restart_ms_p99: float | None = None
    rss_mib_start: int | None = None
    rss_mib_peak: int | None = None
    rss_mib_end: int | None = None
    upper95_rate: float | None = None
    """The rate of failures that so many trials without one leave possible, at 95% confidence."""
    verdict: str = ""
    kept: str = ""
    """The folder with what is known of the failure."""
    notes: list[str] = field(default_factory=list)

    def count(self, **amounts: int) -> None:
        """Adds to counters."""
        for name, amount in amounts.items():
            setattr(self, name, (getattr(self, name) or 0) + amount)

    def trials(self, count: int) -> None:
        """So many independent chances for a failure."""
        self.upper95_rate = round(min(1.0, 3 / count), 6) if count else 1.0

    def latencies(self, seconds: Sequence[float]) -> None:
        self.p50_ms, self.p99_ms = quantile_ms(seconds, 0.5), quantile_ms(seconds, 0.99)

    def judge(self) -> None:
        """Sets the verdict by the counters, where none has been given."""
        wrong = [f"{name} {getattr(self, name)}" for name in MUST_BE_NONE if getattr(self, name)]
        self.verdict = self.verdict or (f"broken: {', '.join(wrong)}" if wrong else "held")

    def line(self) -> str:
        fields: dict[str, Any] = {
            name: value for name, value in asdict(self).items() if value is not None and value not in ("", [])
        }
        if "crash_points_hit" in fields:
            hit, total = fields.pop("crash_points_hit"), fields.pop("crash_points_total", None)
            fields["crash_points_hit/total"] = f"{hit}/{total}"
        return json.dumps(fields, ensure_ascii=False)


def quantile_ms(seconds: Sequence[float], part: float) -> float | None:
    """Milliseconds."""
    if not seconds:
        return None
    return round(sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * part))] * 1000, 1)
