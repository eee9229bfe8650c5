"""Retention: manifests that nothing keeps go when a rule says so, the outermost index first, then what it held."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from orlop.database import audit, garbage, manifests, outbox, repositories
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.domain.caller import Caller
from orlop.domain.name import RepositoryName
from orlop.domain.retention import Retention, rule_for
from orlop.registry.names import Change, Names

PAGE = 1000
BATCH = 100
"""Manifests that go in one transaction."""

RETENTION = Caller(address="retention", request_id="retention")


class Releases:
    """Deletes manifests by rules."""

    def __init__(self, database: Database, names: Names, rules: Sequence[Retention], now: Callable[[], int]) -> None:
        self._database = database
        self._names = names
        self.rules = tuple(rules)
        self._now = now

    def repositories(self, after: str) -> Iterator[tuple[int, RepositoryName, Retention]]:
        """Those after that name that a rule lets go of something, in order."""
        if not self.rules:
            return
        while page := garbage.page_of_repositories(self._database.reader(), after, PAGE):
            for repository_id, name in page:
                rule = rule_for(self.rules, name)
                if rule is not None and rule.untagged is not None:
                    yield repository_id, name, rule
            after = page[-1][1]

    def release(self, repository_id: int, name: RepositoryName, rule: Retention) -> Iterator[list[garbage.Manifest]]:
        """Deletes what the rule lets go, batch by batch; yields what went.

        What an index held goes after it, in the same run: it was kept for nothing but the index.
        """
        found = True
        while found:
            found = False
            for batch in self._batches(repository_id, rule):
                gone = self._delete(repository_id, name, rule, batch)
                found = found or bool(gone)
                yield gone

    def _batches(self, repository_id: int, rule: Retention) -> Iterator[list[garbage.Manifest]]:
        after = ""
        while batch := garbage.page_of_manifests(
            self._database.reader(), repository_id, after=after, count=BATCH, now=self._now(), age=_age(rule)
        ):
            yield batch
            after = batch[-1].digest

    def _delete(
        self, repository_id: int, name: RepositoryName, rule: Retention, batch: Iterable[garbage.Manifest]
    ) -> list[garbage.Manifest]:
        now, age = self._now(), _age(rule)

        def unit(connection: Connection) -> tuple[list[garbage.Manifest], list[Change]]:
            repositories.lock(connection, name)
            gone: list[garbage.Manifest] = []
            changes: list[Change] = []
            for manifest in batch:
                if not garbage.is_releasable(connection, repository_id, manifest.id, now=now, age=age):
                    continue
                manifests.remove(connection, repository_id, manifest.id, manifest.digest, release=False)
                audit.add(connection, RETENTION, "manifest.delete", name, manifest.digest, {"rule": rule.text})
                changes.append((outbox.add(connection, "manifest", name, manifest.digest), None))
                gone.append(manifest)
            return gone, changes

        gone, changes = self._database.write(unit)
        self._names.publish(changes)
        return gone


def _age(rule: Retention) -> int:
    assert rule.untagged is not None
    return int(rule.untagged * 1000)
