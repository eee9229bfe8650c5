"""A scrub in this process, with a short wait between its two looks."""

from pathlib import Path
from typing import Any

from orlop.maintenance.pace import Pace
from orlop.maintenance.scrub import Options, Report, Scrub
from tests.unit.registry.house import HOUR, House


def new_scrub(house: House, folder: Path, pace: Pace | None = None, **options: Any) -> Scrub:
    return Scrub(house.storage, house.database, Options(folder, HOUR, 0, **{"confirm_after": 0.02, **options}), pace)


def scrub(house: House, folder: Path, **options: Any) -> Report:
    return new_scrub(house, folder, **options).run()


def told(report: Report) -> set[tuple[str, str]]:
    return {(finding.kind, finding.name) for finding in report.findings}
