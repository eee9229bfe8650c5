"""All rows."""

from tests.torture import bad_input, collection, crash_points, kills, memory, one_tag, power_cuts
from tests.torture.harness import Row

ROWS: tuple[Row, ...] = (
    kills.ROW, crash_points.ROW, power_cuts.ROW, collection.ROW, one_tag.ROW, bad_input.ROW, memory.ROW,
)  # fmt: skip
