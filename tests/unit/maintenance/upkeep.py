"""A registry with its collection, and clocks that a test sets."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orlop.config.kinds import Retentions
from orlop.domain.digest import Digest
from orlop.domain.name import RepositoryName
from orlop.maintenance.clock import Clock
from orlop.maintenance.collection import Collection, Options
from orlop.maintenance.reasons import Reasons, Step
from orlop.maintenance.run import Totals
from orlop.storage.base import Storage
from orlop.storage.local import LocalStorage
from tests.unit.registry.house import HOUR, NAME, House

DAY = 24 * HOUR


class Clocks:
    """The wall clock that everything goes by, and the time since the machine was started."""

    def __init__(self) -> None:
        self.ahead = 0
        """Milliseconds by which the wall clock was set forward."""
        self.passed = 0
        """Milliseconds that have passed by both."""
        self.machine = "first"

    def wall(self) -> int:
        return time.time_ns() // 1_000_000 + self.passed + self.ahead

    def since_start(self) -> int:
        return time.monotonic_ns() // 1_000_000 + self.passed

    def boot(self) -> str:
        return self.machine


class Upkeep(House):
    """A House on a folder, with collection."""

    def __init__(self, folder: Path, storage: Storage | None = None, *, rules: Sequence[str] = (), **more: Any) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(folder / "orlop.db", storage or LocalStorage(folder / "store"), **more)
        self.folder = folder
        self.clocks = Clocks()
        for connection in (self.database.reader(), self.database._writer._connection):
            vars(connection)["now"] = self.clocks.wall  # leases are given by the same clock
        self.rules = Retentions().read(list(rules))
        self.clock = Clock(self.database, HOUR, self.clocks.wall, self.clocks.since_start, self.clocks.boot)
        self.clock.now()
        self.collection = self.new_collection()
        self.reasons = Reasons(self.database, self.rules)

    def new_collection(self, rate: float = 0) -> Collection:
        """Another process's."""
        options = Options(self.folder, HOUR, rate, self.rules)
        return Collection(self.storage, self.database, self.names, self.new_uploads(), self.clock, options)

    def wait(self, milliseconds: int) -> None:
        """So much time passes."""
        self.clocks.passed += milliseconds

    def collect(self) -> Totals:
        run = self.collection.whole()
        assert run is not None
        return run.totals

    def state(self, digest: Digest) -> str:
        """Of the blob; empty where it has no row."""
        row = self.database.reader().driver.execute("SELECT state FROM blobs WHERE digest = ?", (digest,)).fetchone()
        return row[0] if row else ""

    def objects(self) -> set[str]:
        """What lies below `blobs`, by its file name."""
        return {entry.path.rpartition("/")[2] for entry in self.storage.walk("blobs")}

    def links(self, name: RepositoryName = NAME) -> int:
        """How many blobs the repository holds."""
        statement = (
            "SELECT count(*) FROM repository_blobs b JOIN repositories r ON r.id = b.repository_id WHERE r.name = ?"
        )
        return int(self.database.reader().driver.execute(statement, (name,)).fetchone()[0])

    def why(self, digest: Digest) -> list[list[str]]:
        """The chains that keep it, the kinds of their steps alone."""
        found = self.reasons.of(digest)
        return [] if found is None else [[step.kind for step in chain] for chain in found.chains]


def kinds(chain: Sequence[Step]) -> list[str]:
    return [step.kind for step in chain]
