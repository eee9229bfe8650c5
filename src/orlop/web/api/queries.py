"""What may stand behind the `?` of a request. Nothing is ignored: a misspelt parameter must not pass for none."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from orlop.database.pages import LARGEST, Order, Position, start
from orlop.domain.errors import PageInvalid, ParameterInvalid
from orlop.web.api.errors import ParameterUnknown
from orlop.web.targets import Target

DEFAULT_COUNT = 100
MOST = 1000
LONGEST_TEXT = 300

_NUMBER = re.compile(r"[0-9]{1,18}")
_POSITION = re.compile(r"([0-9]{1,19}),(.*)")


class Parameter(NamedTuple):
    """One that an operation knows, with its JSON schema."""

    name: str
    summary: str
    schema: dict[str, Any]


DRY_RUN = Parameter("dry_run", "Tell what would happen, and change nothing.", {"type": "boolean", "default": False})


SIZE = Parameter(
    "n",
    "How many items at most.",
    {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_COUNT},
)


def list_parameters(sorts: tuple[str, ...]) -> tuple[Parameter, ...]:
    """The parameters of a list that can be sorted by these."""
    return (
        SIZE,
        Parameter(
            "last",
            "Where the page before ended; take it from `next`.",
            {"type": "string", "maxLength": LONGEST_TEXT},
        ),
        Parameter(
            "sort", "The order; with `-` in front the other way round.", {"enum": spellings(sorts), "default": "name"}
        ),
        Parameter(
            "filter",
            "Items whose name holds this text, letters in either case; no character is special.",
            {"type": "string", "maxLength": LONGEST_TEXT},
        ),
    )


class ListQuery(NamedTuple):
    """Which page of a list is asked for."""

    text: str
    order: Order
    last: Position
    size: int
    """Items at most."""

    def following(self, path: str, position: Position | None) -> str | None:
        """The address of the page that begins after `position`."""
        if position is None:
            return None
        by_name = self.order.by == "name"
        query = {"last": position.name if by_name else f"{position.value},{position.name}"}
        if self.size != DEFAULT_COUNT:
            query["n"] = str(self.size)
        if self.order != Order():
            query["sort"] = spelling(self.order)
        if self.text:
            query["filter"] = self.text
        return f"{path}?{urlencode(query)}"


def check(target: Target, parameters: tuple[Parameter, ...]) -> None:
    """Refuses parameters that are not among these, and those that are given twice."""
    known = [parameter.name for parameter in parameters]
    seen: set[str] = set()
    for name, _ in target.query:
        if name not in known:
            raise ParameterUnknown(
                f"unknown parameter {name[:40]!r}{_hint(name, known)}",
                detail={"parameter": name[:LONGEST_TEXT], "known": known},
            )
        if name in seen:
            raise ParameterInvalid(f"{name} is given twice", detail={"parameter": name})
        seen.add(name)


def list_query(target: Target, sorts: tuple[str, ...]) -> ListQuery:
    """The page that the target asks for, else ParameterInvalid."""
    order = _order(target.first("sort"), sorts)
    last = target.first("last")
    position = start(order) if last is None else _position(_bounded("last", last), order)
    return ListQuery(_bounded("filter", target.first("filter") or ""), order, position, _count(target.first("n")))


def page_size(target: Target) -> int:
    """How many items are asked for, else PageInvalid."""
    return _count(target.first("n"))


def dry_run(target: Target) -> bool:
    text = target.first("dry_run")
    if text not in (None, "true", "false"):
        raise invalid("dry_run", text or "", ["true", "false"])
    return text == "true"


def spelling(order: Order) -> str:
    return f"-{order.by}" if order.descending else order.by


def spellings(sorts: tuple[str, ...]) -> list[str]:
    return [spelling(Order(by, descending)) for by in sorts for descending in (False, True)]


def _order(text: str | None, sorts: tuple[str, ...]) -> Order:
    if text is None:
        return Order()
    if text not in spellings(sorts):
        raise invalid("sort", text, spellings(sorts))
    return Order(text.removeprefix("-"), text.startswith("-"))


def _count(text: str | None) -> int:
    if text is None:
        return DEFAULT_COUNT
    if _NUMBER.fullmatch(text) is None or not 1 <= int(text) <= MOST:
        raise PageInvalid(f"n must be a number from 1 to {MOST}", detail={"parameter": "n", "value": text[:40]})
    return int(text)


def _position(text: str, order: Order) -> Position:
    if order.by == "name":
        return Position(0, text)
    found = _POSITION.fullmatch(text)
    if found is None or int(found[1]) > LARGEST:
        raise ParameterInvalid(
            f"last must come from `next` of a list with sort={spelling(order)}", detail={"parameter": "last"}
        )
    return Position(int(found[1]), found[2])


def _bounded(name: str, text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise ParameterInvalid(f"{name} is longer than {LONGEST_TEXT} characters", detail={"parameter": name})
    return text


def invalid(name: str, value: str, known: list[str]) -> ParameterInvalid:
    """The refusal of a value that is none of those which are known."""
    return ParameterInvalid(
        f"{name} cannot be {value[:40]!r}{_hint(value, known)}",
        detail={"parameter": name, "value": value[:LONGEST_TEXT], "known": known},
    )


def _hint(given: str, known: Sequence[str]) -> str:
    """The nearest word that is known, and all of them."""
    if not known:
        return ": there is none here"
    close = difflib.get_close_matches(given[:LONGEST_TEXT], known, n=1)
    return f"{f', did you mean {close[0]}' if close else ''}? Known: {', '.join(known)}"
