"""Fragments of the changelog have the form that its TEMPLATE gives."""

import re
from pathlib import Path

import pytest

CHANGELOG = Path(__file__).parents[2] / "changelog"
FRAGMENTS = sorted(path for path in CHANGELOG.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.name)
def test_a_fragment_is_a_title_and_a_text(path: Path) -> None:
    title, blank, *text = path.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"(Feature|Enhancement|Change|Bugfix|Security): [A-Z`].{9,}[^.]", title)
    assert len(title.partition(": ")[2]) <= 80
    assert blank == ""
    assert text
    assert [line for line in text if len(line) > 80 or line.startswith("#")] == []
