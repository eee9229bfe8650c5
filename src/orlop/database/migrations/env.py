"""Read by Alembic to run migrations."""

from typing import Any

from alembic import context
from sqlalchemy import Connection, Engine, create_engine, event

from orlop.database.schema import metadata


def run() -> None:
    engine = create_engine(context.config.attributes["url"])
    if engine.dialect.name == "sqlite":
        _begin_explicitly(engine)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


def _begin_explicitly(engine: Engine) -> None:
    """Python's driver begins no transaction for DDL: a crash would leave half a migration."""

    @event.listens_for(engine, "connect")
    def leave_transactions_alone(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


run()
