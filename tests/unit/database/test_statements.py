"""Every statement is one that each database understands."""

import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from itertools import count

import orlop.database
from orlop.database.engine import Database
from orlop.database.postgresql import PostgresDatabase
from orlop.database.statement import Statement


def statements() -> Iterator[tuple[str, Statement]]:
    for info in pkgutil.iter_modules(orlop.database.__path__, "orlop.database."):
        for name, value in vars(importlib.import_module(info.name)).items():
            values = value.values() if isinstance(value, dict) else [value]
            for number, statement in enumerate(values):
                if isinstance(statement, Statement):
                    yield f"{info.name}.{name}[{number}]", statement


def numbered(sql: str) -> str:
    """With the server's own placeholders."""
    numbers = count(1)
    return re.sub("%[s%]", lambda found: f"${next(numbers)}" if found[0] == "%s" else "%", sql)


def test_sqlite_understands_every_statement(sqlite_database: Database) -> None:
    failures = {}
    for name, statement in statements():
        try:
            sqlite_database.reader().driver.execute(
                f"EXPLAIN {statement.sqlite.sql}", [None] * statement.sqlite.sql.count("?")
            )
        except sqlite3.Error as error:
            failures[name] = str(error)
    assert failures == {}
    assert len(list(statements())) > 40


def test_postgresql_understands_every_statement_and_the_types_of_its_parameters(
    postgresql_database: PostgresDatabase,
) -> None:
    failures = {}
    for name, statement in statements():
        sql = numbered(statement.postgresql.sql)
        try:
            postgresql_database.reader().driver.execute(f"PREPARE tried AS {sql}; DEALLOCATE tried".encode())
        except Exception as error:
            failures[name] = str(error)
    assert failures == {}
