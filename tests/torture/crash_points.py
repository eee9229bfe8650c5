"""A server, or a collection, that is killed or whose disk fails at single system calls."""

import shutil
from typing import Protocol

from tests.faults import crash_points, failing_disk
from tests.faults.tracer import Point
from tests.torture.collection_points import CollectionPoints
from tests.torture.harness import Row, Run


class Points(Protocol):
    """Calls of one kind, and what is done to each."""

    points: list[Point]

    def survives(self, point: Point) -> bool:
        """Whether the call came. What is wrong afterwards is an AssertionError."""

    def end(self) -> None:
        """After the last of them."""


class Kills:
    """Of the server, while it takes pushes, tags and deletes."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._folder = run.memory()
        self.points = crash_points.find_points()

    def survives(self, point: Point) -> bool:
        scene = crash_points.Scene(self._folder / "data")
        self._run.watch(scene.history, scene.server)
        reached = scene.survives(point)
        self._run.figures.count(acked_writes=scene.history.acknowledged, unknown=scene.history.unknown)
        shutil.rmtree(self._folder / "data")
        return reached

    def end(self) -> None:
        pass


class Errors:
    """Of the disk, while the server takes pushes, tags and deletes."""

    def __init__(self, run: Run, error: str) -> None:
        self._run, self._error = run, error
        self._scene = failing_disk.Scene(run.memory() / "data")
        run.watch(self._scene.history, self._scene.server)
        self._scene.server.start()
        self._scene.run()
        self.points = [point for point in self._scene.points() if point.call in failing_disk.ERRORS[error]]

    def survives(self, point: Point) -> bool:
        return failing_disk.fail_at_each(self._scene, [point], self._error) > 0

    def end(self) -> None:
        try:
            self._scene.end()
            history = self._scene.history
            self._run.figures.count(acked_writes=history.acknowledged, unknown=history.unknown)
        finally:
            self._scene.server.kill()


def work(run: Run) -> None:
    """The kinds take turns, each with its points in an order by chance, until the time is over or all are done."""
    figures = run.figures
    figures.count(lost=0, corrupt=0, tmp_left=0, orphans_after_gc=0)
    figures.count(crash_points_hit=0, crash_points_total=0, acked_writes=0, unknown=0)
    errors = [Errors(run, error) for error in failing_disk.ERRORS]
    kinds: list[Points] = [Kills(run), *errors, CollectionPoints(run)]
    for kind in kinds:
        figures.count(crash_points_total=len(kind.points))
        run.random.shuffle(kind.points)
    try:
        while any(kind.points for kind in kinds) and not _is_done(run):
            for kind in kinds:
                if kind.points and not _is_done(run):
                    figures.count(crash_points_hit=int(kind.survives(kind.points.pop())))
                    run.say(f"{figures.crash_points_hit} of {figures.crash_points_total} points")
    finally:
        for kind in kinds:
            kind.end()
    figures.faults = figures.crash_points_hit
    figures.trials(figures.crash_points_hit or 0)


def _is_done(run: Run) -> bool:
    return run.is_over or (run.figures.crash_points_hit or 0) >= run.amounts["points"]


ROW = Row(
    key="crash-points",
    title="SIGKILL, EIO and ENOSPC at single system calls of pushes, tags, deletes and collection",
    seconds=180,
    amounts={"points": 120},
    quick={"points": 12},
    quick_seconds=20,
    work=work,
)
