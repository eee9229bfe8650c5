"""The torture in its quick form: `make torture` does more of the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import left_out
from tests.torture.bugs.planted import BUGS
from tests.torture.rows import ROWS

SEED = os.environ.get("TORTURE_SEED", "")
"""That of an earlier run; else a new one."""


@pytest.mark.parametrize("row", [row.key for row in ROWS])
def test_orlop_holds_a_little_torture(row: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [sys.executable, "-m", "tests.torture", "--quick", "--row", row, "--dir", str(tmp_path)]
    words += ["--seed", SEED] if SEED else []
    root = Path(__file__).parents[2]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False, timeout=280)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    with capsys.disabled():
        print(f"\n{done.stdout.rstrip()}")
    if lines[0]["verdict"].startswith("left out: "):
        left_out.leave_out(f"torture: {row}", lines[0]["verdict"].removeprefix("left out: "))
    assert done.returncode == 0, done.stderr
    assert lines[0]["verdict"] == "held"


def test_a_planted_bug_is_caught(tmp_path: Path) -> None:
    """One of the quick ones; `python -m tests.torture.bugs` tries them all."""
    words = [sys.executable, "-m", "tests.torture.bugs", "--bug", "no-demand"]
    root = Path(__file__).parents[2]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " caught " in done.stdout


def test_each_bug_has_a_row_that_is_there() -> None:
    assert {bug.row for bug in BUGS} <= {row.key for row in ROWS}
    assert len({bug.key for bug in BUGS}) == len(BUGS)
