"""The format of the database is documented."""

import re
from pathlib import Path

from orlop.database.schema import metadata

PAGE = Path(__file__).parents[3] / "docs" / "formats" / "database.md"


def test_every_table_is_on_the_page_and_no_other() -> None:
    listed = re.findall(r"^\| `([a-z_0-9]+)` \| ", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted([*metadata.tables, "alembic_version"])
