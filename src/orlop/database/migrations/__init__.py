"""Alembic's migrations. Imported only where a database must be upgraded: Alembic takes a while to load."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError


def knows(revision: str) -> bool:
    """Whether this version has the migration that made a database's schema."""
    try:
        return ScriptDirectory.from_config(_config("")).get_revision(revision) is not None
    except CommandError:
        return False


def upgrade(url: str) -> None:
    """Brings the database at an SQLAlchemy URL to the newest schema, in one transaction."""
    command.upgrade(_config(url), "head")


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config
