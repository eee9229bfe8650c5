"""Databases are made, brought to the newest schema after a copy, or refused as they are."""

import contextlib
import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, create_engine

from orlop.database import migrations, stores, upgrade
from orlop.database.engine import Database
from orlop.database.schema import REVISION, metadata
from orlop.domain.errors import StoreRefused
from tests.unit.database.postgresql_server import Server

LATER = f'''"""A later schema."""

import sqlalchemy as sa
from alembic import op

revision = "later"
down_revision = "{REVISION}"


def upgrade() -> None:
    op.add_column("store", sa.Column("motto", sa.Text(), nullable=False, server_default="none"))
'''


def made_by_migrations(path: Path) -> None:
    migrations.upgrade(URL.create("sqlite", database=str(path)))


def objects(path: Path) -> dict[str, tuple[str, list[str], str]]:
    """Each table and index: its columns in their order, its constraints in any order, its options."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_master").fetchall()
    return {name: parts(" ".join(sql.replace("(", "( ").split())) for name, sql in rows}


def parts(definition: str) -> tuple[str, list[str], str]:
    body, _, options = definition.rpartition(")")
    columns, *constraints = body.split(", CONSTRAINT ")
    return columns.strip(), sorted(constraint.strip() for constraint in constraints), options.strip()


def revision(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def copies(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.before-*"))


@pytest.fixture
def later_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is there becomes an older schema: returns the file of the migration that follows."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, folder)
    monkeypatch.setattr(migrations, "FOLDER", folder)
    monkeypatch.setattr(upgrade, "REVISION", "later")
    (folder / "versions" / "later.py").write_text(LATER)
    return folder / "versions" / "later.py"


def test_migrations_make_the_same_database_as_a_new_registry_does(tmp_path: Path) -> None:
    upgrade.prepare(tmp_path / "new.db")
    made_by_migrations(tmp_path / "migrated.db")
    assert objects(tmp_path / "migrated.db") == objects(tmp_path / "new.db")
    assert revision(tmp_path / "migrated.db") == revision(tmp_path / "new.db") == REVISION


def test_migrations_make_what_the_schema_says(tmp_path: Path) -> None:
    made_by_migrations(tmp_path / "orlop.db")
    engine = create_engine(URL.create("sqlite", database=str(tmp_path / "orlop.db")))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrations_make_what_the_schema_says_on_postgresql(postgresql: Server) -> None:
    url = URL.create("postgresql+psycopg", query=conninfo_to_dict(postgresql.new_database()))
    migrations.upgrade(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_database_of_this_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    upgrade.prepare(path)
    before = path.read_bytes()
    upgrade.prepare(path)
    assert path.read_bytes() == before
    assert copies(path) == []


def test_an_older_database_is_copied_and_then_upgraded(tmp_path: Path, later_version: Path) -> None:
    path = tmp_path / "with % and space.db"
    made_by_this_version(path)
    upgrade.prepare(path)
    assert revision(path) == "later"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT store_id, motto FROM store").fetchall() == [("the store", "none")]
    (copy,) = copies(path)
    assert revision(copy) == REVISION
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT * FROM store").fetchall() == [(1, "the store", 7)]


def test_a_copy_holds_what_is_still_in_the_log_and_is_as_private_as_the_original(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    upgrade.prepare(path)
    path.chmod(0o600)
    database = Database(path)
    database.write(lambda connection: stores.create(connection, "in the log", 0))
    upgrade.copy(path, tmp_path / "copy.db")
    database.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("SELECT store_id FROM store").fetchall() == [("in the log",)]
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("*.partial")) == []


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, later_version: Path) -> None:
    later_version.write_text(LATER + '    op.execute("INSERT INTO store VALUES (1, NULL, 0, NULL)")\n')
    path = tmp_path / "orlop.db"
    made_by_this_version(path)
    before = objects(path)
    with pytest.raises(StoreRefused, match="it is as it was, with a copy at"):
        upgrade.prepare(path)
    assert objects(path) == before
    assert revision(path) == REVISION
    assert len(copies(path)) == 1


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    upgrade.prepare(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match=f"schema 9999, newer than this version's {REVISION}: install the version"):
        upgrade.prepare(path)
    assert path.read_bytes() == before
    assert copies(path) == []


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreRefused, match="cannot be read as a database"):
        upgrade.prepare(path)
    assert path.read_bytes() == b"no database" * 1000


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(StoreRefused, match="another program's database"):
        upgrade.prepare(path)
    assert set(objects(path)) == {"bookmarks"}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match=r"missing/orlop\.db cannot be opened .* check its folder"):
        upgrade.prepare(tmp_path / "missing" / "orlop.db")


def test_a_crash_while_a_database_is_made_leaves_one_that_the_next_start_makes(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    crashed = multiprocessing.get_context("spawn").Process(target=crash_while_making, args=(path,))
    crashed.start()
    crashed.join()
    assert crashed.exitcode == 9
    assert path.exists()
    upgrade.prepare(path)
    upgrade.prepare(tmp_path / "new.db")
    assert objects(path) == objects(tmp_path / "new.db")


def test_starting_loads_neither_alembic_nor_the_other_databases_dialect(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    upgrade.prepare(path)
    program = (
        "import sys; from pathlib import Path; from orlop.database.upgrade import prepare;"
        f"prepare(Path({str(path)!r})); print([name for name in sys.modules if 'alembic' in name or 'psycopg' in name])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout == "[]\n"


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    path.touch()
    upgrade.prepare(path)
    assert revision(path) == REVISION


def test_processes_that_start_at_once_make_one_database(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    failures: list[BaseException] = []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        try:
            upgrade.prepare(path)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert revision(path) == REVISION


def made_by_this_version(path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upgrade, "REVISION", REVISION)
        upgrade.prepare(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO store VALUES (1, 'the store', 7)")


def crash_while_making(path: Path) -> None:
    definitions = upgrade.definitions

    def half(dialect: Any) -> Any:
        for number, definition in enumerate(definitions(dialect)):
            if number == 5:
                os._exit(9)
            yield definition

    upgrade.definitions = half
    upgrade.prepare(path)
