"""The database on both its engines."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from orlop.database import upgrade
from orlop.database.engine import Database
from orlop.database.postgresql import PostgresDatabase
from tests.left_out import INSTALL, leave_out
from tests.unit.database import postgresql_server
from tests.unit.database.postgresql_server import Server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    binaries = postgresql_server.programs()
    if binaries is None:
        leave_out("PostgreSQL", f"initdb not found: {INSTALL}")
    with postgresql_server.running(binaries) as server:
        yield server


@pytest.fixture
def postgresql_database(postgresql: Server) -> Iterator[PostgresDatabase]:
    database = PostgresDatabase(postgresql.new_database())
    database.create()
    yield database
    database.close()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    upgrade.prepare(tmp_path / "orlop.db")
    database = Database(tmp_path / "orlop.db")
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Either of them; what both can do."""
    return cast(Database, request.getfixturevalue(f"{request.param}_database"))
