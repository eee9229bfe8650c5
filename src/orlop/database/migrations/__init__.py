"""Alembic's migrations. Imported only where a database must be upgraded: Alembic takes a while to load."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL

FOLDER = Path(__file__).parent


def knows(revision: str) -> bool:
    """Whether this version has the migration that made a database's schema."""
    try:
        return ScriptDirectory.from_config(_config()).get_revision(revision) is not None
    except CommandError:
        return False


def upgrade(url: URL) -> None:
    """Brings the database to the newest schema, in one transaction."""
    config = _config()
    config.attributes["url"] = url
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config
