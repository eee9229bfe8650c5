"""Lists of repositories and of their tags, page by page."""

from typing import NamedTuple

from orlop.database import repositories, tags
from orlop.database.engine import Database
from orlop.database.pages import Order, Position
from orlop.database.repositories import Summary
from orlop.domain.caller import Caller
from orlop.domain.errors import RepositoryUnknown
from orlop.domain.name import RepositoryName
from orlop.registry.totals import Totals

SORTS = repositories.SORTS


class Page(NamedTuple):
    """Names in byte order, and whether there are more."""

    names: list[str]
    more: bool


class Summaries(NamedTuple):
    """`following`: where the next page begins, None where there is none. `total`: in all pages; it may lag behind."""

    items: list[Summary]
    following: Position | None
    total: int


class Repositories:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._totals = Totals()

    def page(self, caller: Caller, *, last: str, count: int) -> Page:
        """Up to `count` names of repositories after `last` that the caller may read."""
        found = repositories.names(
            self._database.reader(), readable=caller.authority.listable, last=last, count=count + 1
        )
        return _page(found, count)

    def summaries(self, caller: Caller, *, text: str, order: Order, last: Position, count: int) -> Summaries:
        """Up to `count` repositories after `last` that the caller may read and whose name holds `text`."""
        readable = caller.authority.listable
        with self._database.snapshot() as connection:
            found = repositories.summaries(
                connection, readable=readable, text=text, order=order, last=last, count=count + 1
            )
            total = self._totals.of(
                f"repositories {text} {readable}", lambda: repositories.total(connection, text, readable)
            )
        items = found[:count]
        following = repositories.position(order, items[-1]) if len(found) > count else None
        return Summaries(items, following, total)

    def tags(self, caller: Caller, name: RepositoryName, *, last: str, count: int) -> Page:
        """Up to `count` tags after `last`, else RepositoryUnknown."""
        with self._database.snapshot() as connection:
            repository_id = repositories.find_known(connection, name)
            if repository_id is None:
                raise RepositoryUnknown(detail={"name": name})
            return _page(tags.names(connection, repository_id, last=last, count=count + 1), count)


def _page(names: list[str], count: int) -> Page:
    return Page(names[:count], len(names) > count > 0)
