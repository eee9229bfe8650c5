"""Sizes, durations and the floor of free space, as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.config.quantities import (
    FreeFloor,
    format_duration,
    format_size,
    parse_duration,
    parse_size,
)

ODD_NUMBERS = [
    "",
    " ",
    "1_000",
    "+5",
    "٣MiB",
    "1e3",
    "0x10",
    "nan",
    "inf",
    "5 MiB ",
    "1,5MiB",
    ".5MiB",
    "5.",
    "--5",
    "5\n",
]


@pytest.mark.parametrize(
    ("written", "size"),
    [("4MiB", 4 << 20), ("1 GiB", 1 << 30), ("1.5KiB", 1536), ("512", 512), ("0", 0), (4096, 4096), ("2TiB", 2 << 40)],
)
def test_sizes_are_read_as_bytes(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", [*ODD_NUMBERS, "9" * 5000, "9223372036854775808B", "0.5B", True, None, [], 1.5])
def test_other_texts_are_no_sizes(written: object) -> None:
    with pytest.raises(ValueError):
        parse_size(written)


@pytest.mark.parametrize("unit", ["MB", "mib", "K", "%", "s"])
def test_an_unknown_unit_of_size_is_answered_with_those_there_are(unit: str) -> None:
    with pytest.raises(ValueError, match="KiB, MiB, GiB or TiB"):
        parse_size(f"4{unit}")


@pytest.mark.parametrize("parse", [parse_size, parse_duration, FreeFloor.parse])
@pytest.mark.parametrize("written", ["-1", -1, "-5MiB", float("-inf")])
def test_negative_quantities_are_called_so(parse, written: object) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="negative"):
        parse(written)


@given(st.integers(0, (1 << 63) - 1))
def test_a_size_that_is_shown_reads_as_the_same(size: int) -> None:
    shown = format_size(size)
    assert parse_size(shown) == size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30s", 30), ("10m", 600), ("24h", 86400), ("7d", 604800), ("500ms", 0.5), ("1.5h", 5400), ("75", 75), (2.5, 2.5)],
)
def test_durations_are_read_as_seconds(written: object, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize("written", [*ODD_NUMBERS, "3651d", "9" * 18 + "d", True, None, {}, float("nan"), float("inf")])
def test_other_texts_are_no_durations(written: object) -> None:
    with pytest.raises(ValueError):
        parse_duration(written)


@given(st.one_of(st.integers(0, 315_360_000).map(float), st.integers(0, 10**9).map(lambda ms: ms / 1000)))
def test_a_duration_that_is_shown_reads_as_the_same(seconds: float) -> None:
    shown = format_duration(min(seconds, 315_360_000.0))
    assert parse_duration(shown) == min(seconds, 315_360_000.0)


GIB = 1 << 30


@pytest.mark.parametrize(
    ("written", "disk", "floor"),
    [
        ("", 10 * GIB, GIB // 2),
        ("", 1000 * GIB, GIB),
        ("5%", 1000 * GIB, 50 * GIB),
        ("0%", 1000 * GIB, 0),
        ("2GiB", 10 * GIB, 2 * GIB),
        ("0", 10 * GIB, 0),
    ],
)
def test_the_floor_is_a_size_or_a_share_of_the_disk(written: str, disk: int, floor: int) -> None:
    assert FreeFloor.parse(written).of(disk) == floor


@pytest.mark.parametrize("written", ["101%", "%", "-1%", "5 %%", "five", "1_0%"])
def test_other_texts_are_no_floor(written: str) -> None:
    with pytest.raises(ValueError):
        FreeFloor.parse(written)


@given(st.one_of(st.just(""), st.integers(0, 1 << 62).map(str), st.integers(0, 10000).map(lambda n: f"{n / 100}%")))
def test_a_floor_that_is_shown_reads_as_the_same(written: str) -> None:
    floor = FreeFloor.parse(written)
    assert FreeFloor.parse(str(floor)) == floor
