"""The table of requirements and the tests say the same."""

from collections import Counter

from tests.protocol.requirements import rows, shown

LEVELS = {"MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY", "ours"}


def test_every_requirement_has_the_tests_that_name_it() -> None:
    table = {row.id: set(row.tests) for row in rows()}
    assert table == shown()


def test_no_requirement_is_without_a_test_and_none_stands_twice() -> None:
    table = rows()
    assert len(table) > 100
    assert [row.id for row in table if not row.tests] == []
    assert [name for name, count in Counter(row.id for row in table).items() if count > 1] == []


def test_every_row_says_where_it_comes_from_how_strong_it_is_and_what_it_asks() -> None:
    for row in rows():
        section, level, text = row.cells
        assert section, row
        assert set(level.split(", ")) <= LEVELS, row
        assert len(text) > 20, row
        assert text.endswith("."), row
