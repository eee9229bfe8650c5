"""Lists of repositories and of their tags, page by page."""

from functools import partial
from typing import NamedTuple

from orlop.database import audit, manifests, outbox, repositories, tags, v1_images
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.pages import Order, Position
from orlop.database.repositories import Contents, Summary
from orlop.domain.caller import Caller
from orlop.domain.errors import RepositoryUnknown
from orlop.domain.name import RepositoryName
from orlop.registry.names import Change, Names
from orlop.registry.totals import Totals

SORTS = repositories.SORTS

BATCH = 1000
"""Tags and manifests that go in one commit: others wait while it runs."""


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
    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names
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

    def find(self, caller: Caller, name: RepositoryName) -> Summary:
        """What one repository holds, else RepositoryUnknown."""
        found = repositories.summary(self._database.reader(), name)
        if found is None:
            raise _unknown(name)
        return found

    def tags(self, caller: Caller, name: RepositoryName, *, last: str, count: int) -> Page:
        """Up to `count` tags after `last`, else RepositoryUnknown."""
        with self._database.snapshot() as connection:
            repository_id = repositories.find_known(connection, name)
            if repository_id is None:
                raise RepositoryUnknown(detail={"name": name})
            return _page(tags.names(connection, repository_id, last=last, count=count + 1), count)

    def delete(self, caller: Caller, name: RepositoryName, *, dry_run: bool = False) -> Contents:
        """Deletes the repository with all that it held at this moment, else RepositoryUnknown; what that was.

        What is pushed to it meanwhile stays, with what it holds. Up to BATCH tags and manifests go in one commit, more
        in several: the tags first, then each index before what it holds. So a process that dies between two of them
        leaves what is left whole. Space is freed by collection.
        """
        with self._database.snapshot() as connection:
            repository_id = repositories.find_known(connection, name)
            if repository_id is None:
                raise _unknown(name)
            contents = repositories.contents(connection, repository_id)
        if dry_run:
            return contents
        begun = False
        while True:
            changes, ended = self._database.write(partial(_delete_some, caller, name, repository_id, contents, begun))
            self._names.publish(changes)
            if ended:
                return contents
            begun = True


def _delete_some(
    caller: Caller, name: RepositoryName, repository_id: int, contents: Contents, begun: bool, connection: Connection
) -> tuple[list[Change], bool]:
    """What is to be written to the tree, and whether nothing is left of what there was."""
    repositories.lock(connection, name)
    if not begun:
        held = {"tags": contents.tags, "manifests": contents.manifests}
        audit.add(connection, caller, "repository.delete", name, "", held)
    changes: list[Change] = []
    for tag in tags.on_old(connection, repository_id, contents.newest, BATCH):
        tags.remove(connection, caller, repository_id, tag)
        changes.append((outbox.add(connection, "tag", name, tag), None))
    while len(changes) < BATCH and (
        found := manifests.untagged(connection, repository_id, contents.newest, BATCH - len(changes))
    ):
        for manifest_id, digest in found:
            manifests.remove(connection, repository_id, manifest_id, digest, release=False)
            changes.append((outbox.add(connection, "manifest", name, digest), None))
    ended = len(changes) < BATCH
    if ended:
        images = v1_images.ids(connection, repository_id)
        changes += [(outbox.add(connection, "image", name, image_id), None) for image_id in images]
        changes += [(outbox.add(connection, "images", name, ""), None)] if images else []
        repositories.drop(connection, repository_id)
    return changes, ended


def _unknown(name: RepositoryName) -> RepositoryUnknown:
    return RepositoryUnknown(f"the registry has no repository {name}", detail={"name": name})


def _page(names: list[str], count: int) -> Page:
    return Page(names[:count], len(names) > count > 0)
