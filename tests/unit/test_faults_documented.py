"""docs/faults.md names every known fault once, and the tests that it names are there and name the fault."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "faults.md"

LAST = 48
WHY = ("Does not apply: ", "Not yet: ")

_ROW = re.compile(r"\| ([BS]\d\d) \| (.+?) \| (.*?) ?\| (.+) \|")
_NAMED = re.compile(r"`([a-z]+(?:/[a-z0-9]+)?/test_[a-z0-9_]+\.py)(?:::(test_[a-z0-9_]+))?`")
_NUMBER = re.compile(r"\b([BS]\d\d)\b")


class Row(NamedTuple):
    number: str
    fault: str
    remedy: str
    tests: str


@cache
def rows() -> list[Row]:
    lines = [line for line in PAGE.read_text().splitlines() if re.match(r"\| [BS]\d", line)]
    return [Row(*match.groups()) for line in lines if (match := _ROW.fullmatch(line))]


@cache
def functions(path: str) -> dict[str, str]:
    """The docstrings of a file's tests."""
    tree = ast.parse((TESTS / path).read_text())
    return {node.name: ast.get_docstring(node) or "" for node in tree.body if isinstance(node, ast.FunctionDef)}


@cache
def named_by_tests() -> dict[str, set[str]]:
    """The numbers in the docstrings of tests, with the files."""
    found: dict[str, set[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        file = str(path.relative_to(TESTS))
        for name, text in functions(file).items():
            if name.startswith("test_"):
                for number in _NUMBER.findall(text):
                    found.setdefault(number, set()).add(file)
    return found


def test_every_fault_is_on_the_page_once() -> None:
    table = [line for line in PAGE.read_text().splitlines() if re.match(r"\| [BS]\d", line)]
    assert len(rows()) == len(table), "a row is none of four cells"
    numbers = Counter(row.number for row in rows())
    assert [number for number, count in numbers.items() if count > 1] == []
    assert {number for number in numbers if number[0] == "B"} == {f"B{number:02}" for number in range(1, LAST + 1)}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.number)
def test_each_fault_has_its_tests_or_a_reason(row: Row) -> None:
    named = _NAMED.findall(row.tests)
    if row.tests.startswith(WHY):
        assert len(row.tests) > 25, row
        assert named == []
        assert row.number not in named_by_tests(), "a test names it after all"
        return
    assert row.remedy, row
    assert ", ".join(f"`{path}::{name}`" if name else f"`{path}`" for path, name in named) == row.tests
    for path, name in named:
        if name:
            assert row.number in functions(path)[name], f"{path}::{name} does not say {row.number}"
        else:
            assert path in named_by_tests()[row.number], f"{path} does not say {row.number}"


def test_what_tests_name_is_on_the_page() -> None:
    assert sorted(named_by_tests().keys() - {row.number for row in rows()}) == []
