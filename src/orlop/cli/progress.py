"""How far long work has come: one line on a terminal, written over and over; nothing elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

import click

from orlop.cli.columns import size

INTERVAL = 0.1
"""Seconds between two lines."""


class ProgressLine:
    """The line, gone after the block."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._width = 0
        self._due = 0.0

    def tell(self, stage: str, unit: str, done: int, total: int) -> None:
        """`unit` is `bytes`, or what else is counted; a `total` of 0 is unknown."""
        now = time.monotonic()
        if not self._shown or now < self._due:
            return
        self._due = now + INTERVAL
        told = [size(number) if unit == "bytes" else str(number) for number in (done, total)]
        of = f" of {told[1]} ({done * 100 // total}%)" if total else ""
        self._write(f"{stage}: {told[0]}{of}")

    def say(self, text: str) -> None:
        """Shows the text, where there is no number to show."""
        if self._shown:
            self._write(text)

    def _write(self, line: str) -> None:
        click.echo(f"\r{line.ljust(self._width)}", err=True, nl=False)
        self._width = len(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._width:
            click.echo(f"\r{' ' * self._width}\r", err=True, nl=False)
