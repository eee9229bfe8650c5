"""A database with accounts, and a registry's access to it."""

from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from orlop.auth.access import Access, Options
from orlop.auth.accounts import Accounts
from orlop.database import upgrade
from orlop.database.engine import Database
from orlop.domain.access import Rule
from orlop.domain.caller import Caller

OPERATOR = Caller("", "command line", "command")
PASSWORD = "correct horse"
RULES = (
    Rule.parse("signed-in may all on {account}/**"),
    Rule.parse("group:dev may push on team/**"),
    Rule.parse("anyone may pull on public/**"),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    upgrade.prepare(tmp_path / "orlop.db")
    database = Database(tmp_path / "orlop.db")
    yield database
    database.close()


@pytest.fixture
def htpasswd(tmp_path: Path) -> Path:
    """A file with one account, `harry`."""
    path = tmp_path / "htpasswd"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    path.write_text(f"# made by hand\n\nharry:{hashed}\n")
    return path


@pytest.fixture
def access(database: Database, htpasswd: Path) -> Access:
    access = Access(database, Options(RULES, str(htpasswd), "registry.example.com", 300.0, 5))
    access.accounts.create(OPERATOR, "alice", PASSWORD)
    access.accounts.create(OPERATOR, "root", PASSWORD, admin=True)
    access.accounts.create(OPERATOR, "ci", None)
    access.accounts.create_group(OPERATOR, "dev")
    access.accounts.join(OPERATOR, "dev", "ci")
    access.sign_in.look()
    return access


@pytest.fixture
def accounts(access: Access) -> Accounts:
    return access.accounts
