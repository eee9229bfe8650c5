"""PostgreSQL, seen as SQLite is. Nothing serves it yet: it shows that schema and statements are right there too.

To be done before it serves: the store's mark. A row that each commit raises would make commits wait for one another.
"""

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure
from sqlalchemy.dialects.postgresql.psycopg import dialect as psycopg_dialect

from orlop.database.connection import Row
from orlop.database.statement import Compiled, Statement
from orlop.database.upgrade import definitions
from orlop.domain.errors import Unavailable

Result = TypeVar("Result")

ATTEMPTS = 20
"""How often a unit is tried that was in the way of another one."""


class PostgresConnection:
    """A `Connection` on psycopg. Used by one thread at a time."""

    def __init__(self, driver: psycopg.Connection) -> None:
        self.driver = driver

    def one(self, statement: Statement, /, **parameters: Any) -> Row | None:
        return self._execute(statement.postgresql, parameters).fetchone()

    def all(self, statement: Statement, /, **parameters: Any) -> list[Row]:
        return self._execute(statement.postgresql, parameters).fetchall()

    def run(self, statement: Statement, /, **parameters: Any) -> int:
        return self._execute(statement.postgresql, parameters).rowcount

    def insert(self, statement: Statement, /, **parameters: Any) -> int | None:
        row = self._execute(statement.postgresql, parameters).fetchone()  # SQLAlchemy adds RETURNING
        return row[0] if row else None

    def many(self, statement: Statement, rows: list[dict[str, Any]], /) -> None:
        compiled = statement.postgresql
        with self.driver.cursor() as cursor:
            cursor.executemany(_text(compiled), [compiled.bind(row) for row in rows])

    def now(self) -> int:
        row = self.driver.execute("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetchone()
        assert row is not None
        return int(row[0])

    def _execute(self, compiled: Compiled, parameters: dict[str, Any]) -> psycopg.Cursor[Row]:
        return self.driver.execute(_text(compiled), compiled.bind(parameters))


class PostgresDatabase:
    """The registry's database on a PostgreSQL server. Safe to use from any thread; each has connections of its own."""

    dialect = "postgresql"

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._readers = threading.local()
        self._writers = threading.local()
        self._opened: weakref.WeakSet[PostgresConnection] = weakref.WeakSet()
        self._opening = threading.Lock()

    def create(self) -> None:
        """Makes the schema in an empty database."""
        driver = self._mine(self._writers).driver
        with driver.transaction():
            for definition in definitions(psycopg_dialect()):  # type: ignore[no-untyped-call]
                driver.execute(definition.encode())

    def reader(self) -> PostgresConnection:
        """This thread's connection, each statement its own snapshot."""
        return self._mine(self._readers)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[PostgresConnection]:
        """This thread's connection, with one snapshot for all that is read in the block."""
        connection = self.reader()
        connection.driver.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield connection
        finally:
            connection.driver.execute("COMMIT")

    def write(self, unit: Callable[[PostgresConnection], Result]) -> Result:
        """Runs `unit` in a transaction of its own, again where others were in its way, and returns its result.

        What `unit` raises undoes it. Unavailable: the server is gone; nobody knows whether it has committed.
        """
        for _ in range(ATTEMPTS):
            try:
                connection = self._mine(self._writers)
                with connection.driver.transaction():
                    return unit(connection)
            except (SerializationFailure, DeadlockDetected):
                continue
            except psycopg.OperationalError as error:
                raise Unavailable(f"the database cannot be written: {error}") from error
        raise Unavailable("the database is too busy: try again")

    def write_all(self, units: Sequence[Callable[[PostgresConnection], Result]]) -> list[Result | BaseException]:
        """`write` of several units, one after the other: for each its result or what it raised."""
        answers: list[Result | BaseException] = []
        for unit in units:
            try:
                answers.append(self.write(unit))
            except Exception as error:  # noqa: BLE001  # it is the unit's
                answers.append(error)
        return answers

    def close(self) -> None:
        with self._opening:
            for connection in self._opened:
                connection.driver.close()

    def _mine(self, local: threading.local) -> PostgresConnection:
        connection: PostgresConnection | None = getattr(local, "connection", None)
        if connection is None or connection.driver.closed:
            driver = psycopg.connect(self._conninfo, autocommit=True)
            connection = local.connection = PostgresConnection(driver)
            # A thread that ends drops its connection.
            weakref.finalize(connection, driver.close)
            with self._opening:
                self._opened.add(connection)
        return connection


def _text(compiled: Compiled) -> bytes:
    return compiled.sql.encode()  # psycopg takes bytes, or literal strings only
