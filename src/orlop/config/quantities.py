"""Sizes and durations as people write them: `4MiB`, `5%`, `24h`.

Only ASCII digits count: `int()` alone would also take `1_000`, `+5` and the digits of other scripts.
"""

import re
from decimal import Decimal

import msgspec

SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
DURATIONS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}

_QUANTITY = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?) ?([A-Za-z]*|%)")
_LARGEST_SIZE = (1 << 63) - 1
_LONGEST = 10 * 365 * 86400


def parse_size(value: object) -> int:
    """Bytes of `4MiB`, `1.5GiB`, `512` or an integer; a ValueError says what is wrong."""
    number, unit = _split(value, "a size is bytes, or a number with B, KiB, MiB, GiB or TiB")
    if unit and unit not in SIZES:
        raise ValueError(f"unknown unit {unit}; sizes take B, KiB, MiB, GiB or TiB")
    size = number * SIZES[unit or "B"]
    if size != int(size):
        raise ValueError("not a whole number of bytes")
    if size > _LARGEST_SIZE:
        raise ValueError("larger than any disk")
    return int(size)


def format_size(size: int) -> str:
    """The shortest text that `parse_size` reads back as the same size."""
    unit = next(unit for unit, scale in reversed(SIZES.items()) if size % scale == 0 and (size >= scale or scale == 1))
    return f"{size // SIZES[unit]}{unit}"


def parse_duration(value: object) -> float:
    """Seconds of `30s`, `1.5h`, `7d`, `500ms`, or of a plain number; at most ten years."""
    number, unit = _split(value, "a duration is seconds, or a number with ms, s, m, h or d")
    if unit and unit not in DURATIONS:
        raise ValueError(f"unknown unit {unit}; durations take ms, s, m, h or d")
    seconds = float(number * DURATIONS[unit or "s"])
    if seconds > _LONGEST:
        raise ValueError("longer than ten years")
    return seconds


def format_duration(seconds: float) -> str:
    """The text with the largest unit that is whole; `parse_duration` reads the same duration back."""
    exact = Decimal(repr(seconds))
    for unit, scale in reversed(DURATIONS.items()):
        if seconds and exact % scale == 0:
            return f"{int(exact / scale)}{unit}"
    return f"{exact:f}s"


class FreeFloor(msgspec.Struct, frozen=True):
    """How much of a disk uploads must leave free: bytes, a share of the disk, or the lesser of both."""

    size: int | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, value: object) -> "FreeFloor":
        """Read `5%` or a size; empty text is the default, the lesser of 1 GiB and 5%."""
        if value == "":
            return DEFAULT_FREE_FLOOR
        if not isinstance(value, str) or not value.endswith("%"):
            return cls(size=parse_size(value))
        number, _ = _split(value, "a share is a number with %")
        if number > 100:
            raise ValueError("more than 100%")
        return cls(percent=float(number))

    def of(self, total: int) -> int:
        """The floor in bytes on a disk of `total` bytes."""
        bounds = [] if self.size is None else [self.size]
        if self.percent is not None:
            bounds.append(int(total * self.percent / 100))
        return min(bounds, default=0)

    def __str__(self) -> str:
        """What `parse` reads back as the same floor."""
        if self == DEFAULT_FREE_FLOOR:
            return ""
        return format_size(self.size or 0) if self.percent is None else f"{Decimal(repr(self.percent)):f}%"


DEFAULT_FREE_FLOOR = FreeFloor(size=1 << 30, percent=5.0)


def _split(value: object, forms: str) -> tuple[Decimal, str]:
    """The number and the unit of what a person wrote, or of a number in a TOML file."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(forms)
    if not isinstance(value, str):
        if not 0 <= value < 1 << 64:
            raise ValueError("must not be negative" if value < 0 else forms)
        return Decimal(str(value)), ""
    match = _QUANTITY.fullmatch(value)
    if match is None:
        raise ValueError("must not be negative" if re.fullmatch(r"-[0-9.]+.*", value) else forms)
    return Decimal(match[1]), match[2]
