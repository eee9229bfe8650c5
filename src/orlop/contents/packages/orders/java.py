"""The order of Maven (its POM reference, "Version Order Specification").

A version is a list of numbers and words. A hyphen, and each change between digits and letters, begins a list within the
list. What counts for nothing at the end of a list (0, `final`, `ga`, `release`) is left out. Some words come before the
release that they belong to: `alpha`, `beta`, `milestone`, `rc`, `snapshot`.

As Maven 3.9 compares them, so with its one fault: words between dots go round in a circle with those behind a hyphen
(`1.x.1` < `1-rc` < `1` < `1.x.1`).
"""

import re
from functools import cmp_to_key
from typing import Any

_WORDS = {word: rank for rank, word in enumerate(("alpha", "beta", "milestone", "rc", "snapshot", "", "sp"))}
_SAME = {"ga": "", "final": "", "release": "", "cr": "rc"}
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}

_PARTS = re.compile(r"([.-])|([0-9]+)|([^.0-9-]+)")

_MAX_DEPTH = 50

_Item = int | str | list[Any]


def key(version: str) -> Any:
    return _key(_parsed(version.lower()))


def _compare(item: _Item, other: _Item | None) -> int:
    """`other` is None where the list that it would be in has ended."""
    if isinstance(item, list):
        return _compare_list(item, other)
    if isinstance(item, int):
        return item - other if isinstance(other, int) else int(other is not None or item != 0)
    if other is None or isinstance(other, str):
        mine, its = _rank(item), _rank(other or "")
        return (mine > its) - (mine < its)
    return -1


def _compare_list(item: list[Any], other: _Item | None) -> int:
    if isinstance(other, int):
        return -1
    if isinstance(other, str):
        return 1
    others = other or []
    for at in range(max(len(item), len(others))):
        if at < len(item):
            result = _compare(item[at], others[at] if at < len(others) else None)
        else:
            result = -_compare(others[at], None)
        if result:
            return result
    return 0


_key = cmp_to_key(_compare)


def _rank(word: str) -> tuple[int, str]:
    return (_WORDS[word], "") if word in _WORDS else (len(_WORDS), word)


def _parsed(version: str) -> list[Any]:
    lists: list[list[Any]] = [[]]
    ended = True  # whether a separator, or the beginning, is right before
    for part in _PARTS.finditer(version):
        separator, number, word = part.groups()
        if number:
            lists[-1].append(int(number))
        elif word:
            _add_word(lists, word, version[part.end() : part.end() + 1])
        elif ended:
            lists[-1].append(0)
        following = version[part.end() : part.end() + 1]
        if separator == "-" or (following and not separator and following not in ".-"):
            _begin(lists)
        ended = bool(separator)
    for items in reversed(lists):
        _shorten(items)
    return lists[0]


def _begin(lists: list[list[Any]]) -> None:
    """A new list in the last one; a version that is nested deeper than any real one goes on in the last list."""
    if len(lists) < _MAX_DEPTH:
        lists[-1].append([])
        lists.append(lists[-1][-1])


def _add_word(lists: list[list[Any]], word: str, following: str) -> None:
    """`following` is the character behind it."""
    if following not in (".", "-") and lists[-1]:
        _begin(lists)
    if following.isdigit():
        word = _SHORT.get(word, word)
    lists[-1].append(_SAME.get(word, word))


def _shorten(items: list[Any]) -> None:
    for at in range(len(items) - 1, -1, -1):
        if items[at] in (0, "", []):
            del items[at]
        elif not isinstance(items[at], list):
            return
