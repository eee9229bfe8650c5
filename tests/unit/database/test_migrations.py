"""A registry that was there before accounts keeps everything when they come."""

import contextlib
import sqlite3
from pathlib import Path

from alembic import command
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import URL, Engine, MetaData, Table, create_engine, inspect, select

from orlop.database import accounts, migrations, repositories, tags, upgrade
from orlop.database.connection import SqliteConnection
from orlop.database.engine import Database
from orlop.database.schema import REVISION
from orlop.domain.name import RepositoryName
from tests.unit.database.content import NAME, OTHER, add_blob, add_manifest, digest
from tests.unit.database.postgresql_server import Server

Rows = dict[str, list[tuple[object, ...]]]
NEW = {"access_state", "accounts", "audit", "group_members", "groups", "progress", "signing_keys", "tokens"}
NEW |= {"v1_images", "v1_listed", "jobs"}


def made_by_the_first(url: URL) -> None:
    """An empty database with the schema 0001."""
    config = migrations._config()
    config.attributes["url"] = url
    command.upgrade(config, "0001")


def fill(path: Path) -> None:
    """What a registry holds: written as this version writes it, but for the columns that there were not yet."""
    new = path.with_suffix(".new")
    upgrade.prepare(new)
    with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as driver:
        connection = SqliteConnection(driver)
        driver.execute("BEGIN")
        layer = add_blob(connection, NAME, "layer")
        add_manifest(connection, NAME, "image", layer, tag="v1")
        add_manifest(connection, NAME, "newer image", layer, tag="v1")
        add_manifest(connection, OTHER, "image", tag="latest")
        driver.execute("INSERT INTO store VALUES (1, 'the store', 7)")
        driver.execute("INSERT INTO uploads VALUES ('an upload', 1, 'ann', 'sha256', 0, '', 1, 2)")
        driver.execute("INSERT INTO leases VALUES (1, ?, 99)", (layer,))
        driver.execute("INSERT INTO outbox (kind, repository, name) VALUES ('tag', 'team/app', 'v1')")
        driver.execute("COMMIT")
        driver.execute("ATTACH ? AS old", (str(path),))
        for (table,) in driver.execute("SELECT name FROM old.sqlite_master WHERE type = 'table'").fetchall():
            columns = ", ".join(f'"{row[1]}"' for row in driver.execute(f"PRAGMA old.table_info({table})"))
            if table not in ("alembic_version", "sqlite_sequence"):
                driver.execute(f"INSERT INTO old.{table} SELECT {columns} FROM main.{table}")
    new.unlink()


def in_columns_of(before: Engine, after: Engine) -> Rows:
    """The rows of `after`, in the tables and columns that `before` has."""
    with before.connect() as connection:
        known = MetaData()
        known.reflect(connection)
    with after.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(*table.columns))), key=repr)
            for table in known.tables.values()
            if table.name != "alembic_version"
        }


def every_row(engine: Engine) -> Rows:
    with engine.connect() as connection:
        found = MetaData()
        found.reflect(connection)
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in found.tables.values()
            if table.name != "alembic_version"
        }


def rows_of(url: URL) -> Rows:
    engine = create_engine(url)
    found = every_row(engine)
    engine.dispose()
    return found


def test_every_row_is_there_after_the_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    url = URL.create("sqlite", database=str(path))
    made_by_the_first(url)
    fill(path)
    before = rows_of(url)
    upgrade.prepare(path)
    after = rows_of(url)
    (copy,) = tmp_path.glob(f"orlop.db.before-{REVISION}-*")
    kept, upgraded = create_engine(URL.create("sqlite", database=str(copy))), create_engine(url)
    assert every_row(kept) == before
    assert in_columns_of(kept, upgraded) == before
    assert {name for name in after if name not in before} == NEW
    assert all(after[name] == [] for name in NEW)
    kept.dispose()
    upgraded.dispose()


def test_the_upgraded_database_is_used_like_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "orlop.db"
    made_by_the_first(URL.create("sqlite", database=str(path)))
    fill(path)
    upgrade.prepare(path)
    database = Database(path)
    reader = database.reader()
    assert repositories.names(reader, last="", count=10) == sorted([NAME, OTHER])
    assert tags.current(reader, NAME, "v1") is not None
    assert accounts.is_empty(reader)
    database.write(lambda connection: accounts.create(connection, "alice", "person", "hash", admin=True))
    database.write(lambda connection: add_manifest(connection, RepositoryName.parse("new"), "third", tag="v1"))
    assert accounts.revision(reader) == 1
    assert repositories.names(reader, last="", count=10, readable="^(?:new)$") == ["new"]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


def test_every_row_is_there_after_the_upgrade_on_postgresql(postgresql: Server, tmp_path: Path) -> None:
    address = {key: str(value) for key, value in conninfo_to_dict(postgresql.new_database()).items()}
    url = URL.create("postgresql+psycopg", query=address)
    made_by_the_first(url)
    # The same rows as on SQLite, table by table in the order of their references.
    path = tmp_path / "orlop.db"
    made_by_the_first(URL.create("sqlite", database=str(path)))
    fill(path)
    source, target = create_engine(URL.create("sqlite", database=str(path))), create_engine(url)
    tables = MetaData()
    tables.reflect(source)
    with source.connect() as reading, target.begin() as writing:
        for table in tables.sorted_tables:
            if table.name != "alembic_version" and (rows := [row._asdict() for row in reading.execute(select(table))]):
                writing.execute(Table(table.name, MetaData(), autoload_with=target).insert(), rows)
    before = every_row(target)
    assert before == every_row(source)
    migrations.upgrade(url)
    after = every_row(target)
    assert in_columns_of(source, target) == before
    assert set(after) - set(before) == NEW
    assert set(inspect(target).get_table_names()) == {*after, "alembic_version"}
    source.dispose()
    target.dispose()


def test_what_the_first_version_wrote_is_what_this_test_writes(tmp_path: Path) -> None:
    """Else the rows above would be fewer than they seem."""
    path = tmp_path / "orlop.db"
    made_by_the_first(URL.create("sqlite", database=str(path)))
    fill(path)
    found = rows_of(URL.create("sqlite", database=str(path)))
    assert [name for name, rows in found.items() if not rows] == []
    assert str(digest("layer")) in repr(found["blobs"])
