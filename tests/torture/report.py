"""The figures of a run in the documentation."""

from collections.abc import Sequence
from pathlib import Path

from tests.torture.figures import Figures

DOCUMENT = Path(__file__).parents[2] / "docs" / "torture.md"


def put(name: str, lines: Sequence[str], document: Path = DOCUMENT) -> None:
    """Replaces what is between the markers of that name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, _, rest = document.read_text().partition(begin)
    _, _, after = rest.partition(end)
    document.write_text(before + begin + "\n".join(lines) + "\n" + end + after)


def table(found: Sequence[Figures]) -> list[str]:
    """A row for each line of the run."""
    heads = (
        "row", "on", "seconds", "operations", "acknowledged", "faults", "lost", "corrupt", "else wrong", "also",
        "rate below", "verdict",
    )  # fmt: skip
    lines = [f"| {' | '.join(heads)} |", "| --- | --- |" + " ---: |" * 6 + " --- | --- | ---: | --- |"]
    for each in found:
        faults = _of(each.crash_points_hit, each.crash_points_total) or _of(each.faults, each.planned)
        cells = [
            each.row, each.backend, f"{each.duration_s:.0f}", _shown(each.ops), _shown(each.acked_writes), faults,
            _shown(each.lost), _shown(each.corrupt), _wrong(each), _also(each), _shown(each.upper95_rate), each.verdict,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    first = found[0]
    return [*lines, "", f"Commit {first.commit}, seed {first.seed}, {first.machine}."]


def _shown(number: float | None) -> str:
    return "" if number is None else f"{number:,}"


def _of(done: int | None, planned: int | None) -> str:
    return "" if done is None else _shown(done) if planned in (None, done) else f"{_shown(done)} of {_shown(planned)}"


def _wrong(each: Figures) -> str:
    counters = {
        "5xx": each.http_5xx, "hangs": each.hangs, "orphans": each.orphans_after_gc, "left over": each.tmp_left,
        "names apart": each.apart, "live taken": each.live_deleted, "refused in lease": each.refused_in_lease,
        "outside": each.outside_root,
    }  # fmt: skip
    return ", ".join(f"{count} {name}" for name, count in counters.items() if count is not None)


def _also(each: Figures) -> str:
    told = []
    if each.gc_cycles is not None:
        told.append(f"{each.gc_cycles} collections")
    if each.bytes_reclaimed:
        told.append(f"{each.bytes_reclaimed:,} bytes collected")
    if each.restart_ms_p99 is not None:
        told.append(f"ready again in {each.restart_ms_p99:.0f} ms (p99)")
    if each.p99_ms is not None:
        told.append(f"{each.p50_ms} ms p50, {each.p99_ms} ms p99")
    if each.rss_mib_peak is not None:
        told.append(f"{each.rss_mib_start} MiB resident, at most {each.rss_mib_peak}")
    return "; ".join([*told, *each.notes])
