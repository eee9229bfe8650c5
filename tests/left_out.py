"""Groups of tests that cannot run on this machine: named at the end with the remedy, a failure where all must run.

if reason := missing_programs("initdb"):
    leave_out("PostgreSQL", reason)
"""

import os
import shutil
from typing import NoReturn

import pytest

INSTALL = "apt-get install --no-install-recommends $(sed 's/#.*//' tests/packages.txt)"

reasons: dict[str, str] = {}
"""Why each group was left out."""

all_must_run = os.environ.get("CI") == "true"
"""Set in CI and by --full: there a gap is a failure."""


def leave_out(group: str, reason: str) -> NoReturn:
    """Skip this test, or the fixture's tests, because of `reason`; where all must run, fail."""
    if all_must_run:
        pytest.fail(f"the tests with {group} must run here, but {reason}", pytrace=False)
    reasons[group] = reason
    pytest.skip(reason)


def missing_programs(*names: str) -> str:
    """Which of these programs are not on this machine, with the remedy; empty if none."""
    absent = [name for name in names if shutil.which(name) is None]
    return f"{', '.join(absent)} not found: {INSTALL}" if absent else ""
