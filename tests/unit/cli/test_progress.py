"""The line that long work shows: over and over on a terminal, and nowhere else."""

import sys

import pytest

from orlop.cli import progress
from orlop.cli.progress import ProgressLine


def test_a_terminal_sees_how_far_it_is_and_in_the_end_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "INTERVAL", 0)
    with ProgressLine() as line:
        line.tell("content", "bytes", 1024, 4096)
        line.tell("names", "names", 7, 0)
    shown = capsys.readouterr()
    assert shown.out == ""
    first, second, *rest = shown.err.split("\r")[1:]
    assert first == "content: 1.0 KiB of 4.0 KiB (25%)"
    assert second.rstrip() == "names: 7"
    assert len(second) == len(first)
    assert "".join(rest).strip() == ""


def test_a_pipe_sees_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine() as line:
        line.tell("content", "bytes", 1024, 4096)
    assert capsys.readouterr().err == ""
