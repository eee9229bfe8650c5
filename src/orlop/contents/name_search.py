"""Search for repositories and tags by their names."""

from typing import NamedTuple

from orlop.contents.cursor import seal, unseal
from orlop.contents.scope import Search, readable_of
from orlop.database import whereabouts
from orlop.database.engine import Database
from orlop.database.whereabouts import Tagged
from orlop.domain.caller import Caller


class NamePage(NamedTuple):
    items: list[str]
    following: str | None


class TagPage(NamedTuple):
    items: list[Tagged]
    following: str | None


class _Last(NamedTuple):
    name: str = ""
    tag: str = ""


class NameSearch:
    """Cursors hold nothing that the caller was not told, and need no key."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def names(self, caller: Caller, search: Search) -> NamePage:
        """Repositories whose name holds the text, letters in either case, in order."""
        last = _last("names", search)
        found = whereabouts.names(
            self._database.reader(), search.text, readable_of(caller, search.within), last.name, search.most + 1
        )
        items, more = found[: search.most], len(found) > search.most
        return NamePage(items, seal("", "names", _Last(items[-1])) if more else None)

    def tags(self, caller: Caller, search: Search) -> TagPage:
        """Tags that hold the text, in order; text with a colon may reach into the repository's name."""
        last = _last("tags", search)
        found = whereabouts.tagged(
            self._database.reader(), search.text, readable_of(caller, search.within), last, search.most + 1
        )
        items, more = found[: search.most], len(found) > search.most
        return TagPage(items, seal("", "tags", _Last(items[-1].repository, items[-1].tag)) if more else None)


def _last(kind: str, search: Search) -> _Last:
    return unseal("", kind, search.last, _Last) if search.last else _Last()
