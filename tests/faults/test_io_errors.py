"""A disk that fails or is full at each system call by which pushes, tags and deletes change it, one after the other.

No request is acknowledged without its effect, none is refused with it, and the next ones work.
"""

import random
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.failing_disk import ERRORS, EVERY_PAGE_TOO_MANY, Scene, fail_at_each


@pytest.fixture
def scene(memory: Path) -> Iterator[Scene]:
    scene = Scene(memory / "data")
    with scene.server:
        scene.run()
        yield scene
        try:
            scene.end()
        finally:
            print(scene.server.log)


@pytest.mark.parametrize("error", ERRORS)
def test_some_call_fails(scene: Scene, error: str) -> None:
    """B21, as far as it goes for a disk."""
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    points = [point for point in scene.points() if point.call in ERRORS[error]]
    assert fail_at_each(scene, random.Random(seed).sample(points, 5), error)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("error", "call"), [(error, call) for error, calls in ERRORS.items() for call in calls])
def test_any_call_fails(scene: Scene, error: str, call: str, capsys: pytest.CaptureFixture[str]) -> None:
    points = [point for point in scene.points() if point.call == call]
    if call == "pwrite64":
        points = points[::EVERY_PAGE_TOO_MANY]
    reached = fail_at_each(scene, points, error)
    # Folders are made, and their names synced, only where the runs before have not done it; and among the writes are
    # those that wake a thread, in other places each time.
    assert reached >= len(points) * (0.4 if call in ("mkdirat", "fsync", "write") else 0.9)
    with capsys.disabled():
        print(f"\n{error} at {reached} of {len(points)} calls of {call}: nothing lost, nothing falsely acknowledged")
