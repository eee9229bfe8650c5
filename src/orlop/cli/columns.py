"""Lists for people: a table on a terminal, plain columns in a pipe; sizes and ages as people say them."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_AGES = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


class Column(NamedTuple):
    title: str
    right: bool = False


def show(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Prints the rows: as a table where standard output is a terminal."""
    clean = [[_printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _table(columns, clean)
    else:
        _plain(columns, clean)


def counted(number: int, noun: str) -> str:
    """`1 blob`, `2 blobs`; of a noun with more after it, the first word: `blob removed`."""
    first, space, rest = noun.partition(" ")
    if number != 1:
        first = f"{first[:-1]}ies" if first.endswith("y") else f"{first}s"
    return f"{number} {first}{space}{rest}"


def size(number: int) -> str:
    """Bytes in IEC units."""
    value, unit = float(number), 0
    while value >= 1023.95 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{number} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def age(at: str | None, now: datetime | None = None) -> str:
    """How long ago that was, `never` for None."""
    if at is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(at)).total_seconds()
    for unit, length in _AGES:
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


def _table(columns: Sequence[Column], rows: list[list[str]]) -> None:
    # Imported only where it is needed: it takes as long as all the rest of the command.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    Console().print(table)


def _plain(columns: Sequence[Column], rows: list[list[str]]) -> None:
    lines = [[column.title for column in columns], *rows]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    for line in lines:
        cells = zip(columns, line, widths, strict=True)
        print(
            "  ".join(
                cell.rjust(width) if column.right else cell.ljust(width) for column, cell, width in cells
            ).rstrip()
        )


def _printable(cell: str) -> str:
    """A terminal obeys control characters, wherever they come from."""
    return "".join(character if character.isprintable() else "?" for character in cell)
