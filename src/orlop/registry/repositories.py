"""Lists of repositories and of their tags, page by page."""

from typing import NamedTuple

from orlop.database import repositories, tags
from orlop.database.engine import Database
from orlop.domain.caller import Caller
from orlop.domain.errors import RepositoryUnknown
from orlop.domain.name import RepositoryName


class Page(NamedTuple):
    """Names in byte order, and whether there are more."""

    names: list[str]
    more: bool


class Repositories:
    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, caller: Caller, *, last: str, count: int) -> Page:
        """Up to `count` names of repositories after `last`."""
        return _page(repositories.names(self._database.reader(), last=last, count=count + 1), count)

    def tags(self, caller: Caller, name: RepositoryName, *, last: str, count: int) -> Page:
        """Up to `count` tags after `last`, else RepositoryUnknown."""
        with self._database.snapshot() as connection:
            repository_id = repositories.find_known(connection, name)
            if repository_id is None:
                raise RepositoryUnknown(detail={"name": name})
            return _page(tags.names(connection, repository_id, last=last, count=count + 1), count)


def _page(names: list[str], count: int) -> Page:
    return Page(names[:count], len(names) > count > 0)
