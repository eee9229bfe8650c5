"""Content that comes up again and again, in all repositories."""

import random

SIZES = (40, 100, 1000, 4096, 10_000, 70_000, 200_000, 400_000)


def _content(name: str, size: int) -> bytes:
    return random.Random(name).randbytes(size)


BASE_LAYERS = tuple(_content(f"base {number}", size) for number, size in enumerate(SIZES))
"""Nearly always somebody has them."""

SELDOM = tuple(_content(f"seldom {number}", 100 + number) for number in range(1000))
"""So many that most are garbage, or about to go, when somebody pushes them again."""
