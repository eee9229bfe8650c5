"""How the registry is doing."""

from typing import NamedTuple

from orlop.database import jobs, manifests, outbox, repositories, tags
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.schema import REVISION
from orlop.registry.space import Room
from orlop.registry.totals import Totals
from orlop.storage.base import Space, Storage


class Counts(NamedTuple):
    repositories: int
    manifests: int
    tags: int


class State(NamedTuple):
    """Sizes in bytes. `space` is None where the store cannot tell; `floor` is what uploads leave free."""

    space: Space | None
    floor: int
    database: str
    database_revision: str
    database_size: int
    outbox: int
    jobs: jobs.Counts
    counts: Counts


class Status:
    def __init__(self, storage: Storage, database: Database, room: Room) -> None:
        self._storage = storage
        self._database = database
        self._room = room
        self._totals = Totals()

    def read(self) -> State:
        connection = self._database.reader()
        return State(
            space=self._storage.free_space() if self._storage.capabilities.free_space else None,
            floor=self._room.floor,
            database=self._database.dialect,
            database_revision=REVISION,
            database_size=self._database.size(),
            outbox=outbox.size(connection),
            jobs=jobs.counts(connection),
            counts=self._counts(connection),
        )

    def _counts(self, connection: Connection) -> Counts:
        return Counts(
            self._totals.of("repositories", lambda: repositories.total(connection, "")),
            self._totals.of("manifests", lambda: manifests.count(connection)),
            self._totals.of("tags", lambda: tags.count(connection)),
        )
