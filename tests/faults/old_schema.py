"""Databases as earlier versions of the program made them."""

import contextlib
import sqlite3
from pathlib import Path

from alembic import command
from sqlalchemy import URL

from orlop.database import migrations


def put_back(path: Path, revision: str) -> None:
    """Gives the database of a stopped server the schema of that revision, with all that it can hold."""
    old = path.with_suffix(".old")
    config = migrations._config()
    config.attributes["url"] = URL.create("sqlite", database=str(old))
    command.upgrade(config, revision)
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS new", (str(path),))
        connection.execute("BEGIN")
        for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            columns = ", ".join(f'"{row[1]}"' for row in connection.execute(f"PRAGMA main.table_info({table})"))
            if table not in ("alembic_version", "sqlite_sequence"):
                connection.execute(f"DELETE FROM main.{table}")
                connection.execute(f"INSERT INTO main.{table} SELECT {columns} FROM new.{table}")
        connection.execute("COMMIT")
        connection.execute("DETACH new")
        connection.execute("PRAGMA journal_mode=WAL")  # as every version has it
    for left in path.parent.glob(f"{path.name}*"):
        if not left.name.endswith(".lock"):
            left.unlink()
    old.rename(path)


def revision_of(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
