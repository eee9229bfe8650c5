"""Which requirement a test shows: the ids of the table in docs/protocol.md."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

Test = TypeVar("Test", bound=Callable[..., object])

TABLE = Path(__file__).parents[2] / "docs" / "protocol.md"

_ROW = re.compile(r"\| `(?P<id>[a-z0-9-]+)` \|(?P<rest>.*)\|")
_TEST = re.compile(r"`(test_[a-z0-9_]+\.py)::(test_[a-z0-9_]+)`")


class Row(NamedTuple):
    """A line of the table."""

    id: str
    cells: tuple[str, ...]
    """What stands between the id and the tests."""
    tests: tuple[str, ...]


def meets(*ids: str) -> Callable[[Test], Test]:
    """Names the requirements that a test shows. `test_requirements.py` compares them with the table."""

    def mark(test: Test) -> Test:
        return test

    return mark


def rows() -> list[Row]:
    """The table, line by line."""
    found = []
    for line in TABLE.read_text().splitlines():
        match = _ROW.fullmatch(line)
        if match is not None:
            *cells, tests = (cell.strip() for cell in match["rest"].split(" | "))
            found.append(Row(match["id"], tuple(cells), tuple(map("::".join, _TEST.findall(tests)))))
    return found


def shown() -> dict[str, set[str]]:
    """The tests that name each requirement, as their source says."""
    found: dict[str, set[str]] = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef):
                for requirement in _named(node):
                    found.setdefault(requirement, set()).add(f"{path.name}::{node.name}")
    return found


def _named(function: ast.FunctionDef) -> list[str]:
    return [
        str(ast.literal_eval(argument))
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "meets"
        for argument in decorator.args
    ]
