"""Search for labels across all images: those of configs, and the annotations of manifests."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from orlop.contents.candidates import phrase
from orlop.contents.scope import Scope, Search, Searcher
from orlop.contents.wanted import SHORTEST
from orlop.contents.whereabouts import Shown
from orlop.domain.caller import Caller
from orlop.domain.errors import ParameterInvalid

_MATCHING = """
SELECT l.id, l.key, l.value FROM label_search s CROSS JOIN labels l ON l.id = s.rowid
WHERE s.label_search MATCH ? AND s.rowid > ? ORDER BY s.rowid
"""
_OF_MANIFESTS = """
SELECT DISTINCT l.id, l.key, l.value FROM json_each(?) j CROSS JOIN labelled d ON d.manifest = j.value
CROSS JOIN labels l ON l.id = d.label_id WHERE l.id > ? ORDER BY l.id
"""


class LabelHit(NamedTuple):
    key: str
    value: str
    shown: Shown


class LabelPage(NamedTuple):
    items: list[LabelHit]
    following: str | None
    """Where the next page begins. There may be one behind a page that is not full."""


class _Position(NamedTuple):
    label: int = 0


class LabelSearch:
    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher

    def page(self, caller: Caller, search: Search) -> LabelPage:
        """Labels whose `key=value` holds the text, letters in either case. ParameterInvalid: it is too short."""
        if len(search.text) < SHORTEST or "\0" in search.text:
            raise ParameterInvalid(
                f"{search.text!r} is too short to look for in labels: write three characters or more",
                detail={"parameter": "q"},
            )
        with self._searcher.looking("labels", caller, search) as scope:
            last = scope.position(_Position())
            items: list[LabelHit] = []
            for label_id, key, value in _labels(scope, search.text, last.label):
                shown = scope.where.of_manifests(_manifests(scope, label_id))
                if shown is not None and len(items) == search.most:
                    return LabelPage(items, scope.seal(last))
                last = _Position(label_id)
                if shown is not None:
                    items.append(LabelHit(key, value, shown))
                if scope.is_over():
                    return LabelPage(items, scope.seal(last))
            return LabelPage(items, None)


def _labels(scope: Scope, text: str, after: int) -> Iterator[tuple[int, str, str]]:
    manifests = scope.manifests()
    if manifests is None:
        found = scope.where.contents.execute(_MATCHING, (phrase(text), after))
    else:
        found = scope.where.contents.execute(_OF_MANIFESTS, (json.dumps(manifests), after))
    for label_id, key, value in found:
        if text.lower() in f"{key}={value}".lower():
            yield label_id, key, value


def _manifests(scope: Scope, label_id: int) -> Iterator[str]:
    found = scope.where.contents.execute(
        "SELECT manifest FROM labelled WHERE label_id = ? ORDER BY manifest", (label_id,)
    )
    for (manifest,) in found:
        yield manifest
