"""Lists page by page: sorted by one column and then by name; a page begins after the last row of the one before."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Select, bindparam, cast, func, or_, tuple_

from orlop.database.statement import Statement

LARGEST = 2**63 - 1
_AFTER_ALL_NAMES = "\x7f"


class Order(NamedTuple):
    """What a list is sorted by. Rows that are equal in it are sorted by name."""

    by: str = "name"
    descending: bool = False


class Position(NamedTuple):
    """A row's place in a list: its value in the column that the list is sorted by, and its name."""

    value: int
    name: str


def start(order: Order) -> Position:
    """The position before the first row."""
    return Position(LARGEST, _AFTER_ALL_NAMES) if order.descending else Position(-1, "")


def paged(statement: Select[Any], order: Order, columns: dict[str, Any]) -> Select[Any]:
    """The statement for one page; its parameters are `last_value`, `last_name` and `count`.

    `columns` gives the column of each key that lists can be sorted by, `name` among them.
    """
    name, by = columns["name"], columns[order.by]
    if by is name:
        after = name < bindparam("last_name") if order.descending else name > bindparam("last_name")
    else:
        row, last = tuple_(by, name), tuple_(bindparam("last_value"), bindparam("last_name"))
        after = row < last if order.descending else row > last
    return statement.where(after).order_by(*ordering(order, columns)).limit(bindparam("count"))


def ordering(order: Order, columns: dict[str, Any]) -> list[Any]:
    keys = [columns["name"]] if order.by == "name" else [columns[order.by], columns["name"]]
    return [key.desc() for key in keys] if order.descending else keys


def among(column: Any) -> Any:
    """Rows whose name matches the regular expression in the parameter `readable`; empty: all."""
    return or_(bindparam("readable") == "", column.regexp_match(bindparam("readable")))


def each_order(sorts: tuple[str, ...], build: Callable[[Order], Select[Any]]) -> dict[Order, Statement]:
    """A statement for each order, made by `build(order)`."""
    orders = [Order(by, descending) for by in sorts for descending in (False, True)]
    return {order: _statement(build, order) for order in orders}


def _statement(build: Callable[[Order], Select[Any]], order: Order) -> Statement:
    return Statement(lambda _: build(order))


def containing(column: Any) -> Any:
    """The condition that the column holds the text of which `pattern(text)` is the parameter `pattern`."""
    return func.lower(column).like(bindparam("pattern"), escape="!")


def pattern(text: str) -> str:
    """Any name that holds `text`, letters in either case; `%` and `_` are characters like others."""
    for wildcard in "!%_":
        text = text.replace(wildcard, f"!{wildcard}")
    # Names are ASCII. Lowering other scripts would let a Kelvin sign find a k.
    return f"%{text.lower() if text.isascii() else text}%"


def whole(number: Any) -> Any:
    """A sum as the integer that it is: PostgreSQL makes a decimal of it."""
    return cast(func.coalesce(number, 0), BigInteger)
