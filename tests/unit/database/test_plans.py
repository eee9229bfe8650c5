"""What is asked often is found by index, however much there is."""

from collections.abc import Callable
from typing import Any

import pytest

from orlop.database import (
    accounts,
    audit,
    blobs,
    garbage,
    jobs,
    leases,
    manifests,
    outbox,
    progress,
    reasons,
    repositories,
    scrubbing,
    tags,
    tokens,
    uploads,
    whereabouts,
)
from orlop.database.connection import Connection, SqliteConnection
from orlop.database.engine import Database
from orlop.domain.name import Tag
from tests.unit.database.content import CALLER, NAME, digest, values

JOB = jobs.Job(1, "", "", 1, "", 1, "")
BLOB = garbage.Blob(1, digest(""), 0, 0, False, False)

HOT: dict[str, Callable[[Connection], object]] = {
    "blobs.held": lambda c: blobs.held(c, NAME, digest("")),
    "blobs.record": lambda c: blobs.record(c, digest("")),
    "blobs.size_in": lambda c: blobs.size_in(c, 1, digest("")),
    "blobs.needed_by": lambda c: blobs.needed_by(c, 1, digest("")),
    "blobs.held_anywhere": lambda c: blobs.held_anywhere(c, digest("")),
    "blobs.held_anywhere_readable": lambda c: blobs.held_anywhere(c, digest(""), "^(?:a)$"),
    "blobs.link": lambda c: blobs.link(c, 1, digest("")),
    "blobs.unlink": lambda c: blobs.unlink(c, 1, digest("")),
    "manifests.by_tag": lambda c: manifests.by_tag(c, NAME, Tag("latest")),
    "manifests.by_digest": lambda c: manifests.by_digest(c, NAME, digest("")),
    "manifests.find": lambda c: manifests.find(c, 1, digest("")),
    "manifests.record": lambda c: manifests.record(c, 1),
    "manifests.references": lambda c: manifests.references(c, 1),
    "manifests.children": lambda c: manifests.children(c, 1),
    "manifests.referrers": lambda c: manifests.referrers(c, 1, digest(""), artifact_type="", last="", count=10),
    "manifests.referrer_count": lambda c: manifests.referrer_count(c, 1, digest("")),
    "manifests.subject": lambda c: manifests.subject(c, 1, digest("")),
    "manifests.remove": lambda c: manifests.remove(c, 1, 1, digest("")),
    "manifests.held_as": lambda c: manifests.held_as(c, 1, digest("")),
    "manifests.heal": lambda c: manifests.heal(c, digest("")),
    "manifests.is_shown": lambda c: manifests.is_shown(c, digest("")),
    "manifests.lose": lambda c: manifests.lose(c, digest("")),
    "manifests.let_go": lambda c: manifests.let_go(c, 1, 0),
    "leases.drop": lambda c: leases.drop(c, 1, digest("")),
    "progress.read": lambda c: progress.read(c, "collection"),
    "progress.save": lambda c: progress.save(c, "collection", {}),
    "tags.names": lambda c: tags.names(c, 1, last="", count=10),
    "tags.current": lambda c: tags.current(c, NAME, "latest"),
    "tags.digest": lambda c: tags.digest(c, 1, "latest"),
    "tags.of_manifest": lambda c: tags.of_manifest(c, 1),
    "tags.on_manifest": lambda c: tags.on_manifest(c, 1, 10),
    "tags.record": lambda c: tags.record(c, 1, "latest"),
    "tags.history": lambda c: tags.history(c, 1, "latest", 10),
    "tags.remove": lambda c: tags.remove(c, CALLER, 1, "latest"),
    "repositories.find": lambda c: repositories.find(c, NAME),
    "repositories.find_known": lambda c: repositories.find_known(c, NAME),
    "repositories.names": lambda c: repositories.names(c, last="", count=10),
    "repositories.names_readable": lambda c: repositories.names(c, last="", count=10, readable="^(?:a)$"),
    "accounts.find": lambda c: accounts.find(c, "alice"),
    "accounts.groups_of": lambda c: accounts.groups_of(c, "alice"),
    "accounts.revision": accounts.revision,
    "tokens.by_hash": lambda c: tokens.by_hash(c, ""),
    "tokens.by_id": lambda c: tokens.by_id(c, ""),
    "tokens.used": lambda c: tokens.used(c, [("", 0)]),
    "tokens.expire": lambda c: tokens.expire(c, 0),
    "audit.add": lambda c: audit.add(c, CALLER, "tag.delete"),
    "audit.count": lambda c: audit.count(c, 1, 2),
    "audit.trim": lambda c: audit.trim(c, 10),
    "audit.page": lambda c: audit.page(c, audit.Filter(), before=1, count=10),
    "leases.renew": lambda c: leases.renew(c, 1, digest(""), 1),
    "leases.expire": leases.expire,
    "uploads.find": lambda c: uploads.find(c, "", NAME, ""),
    "uploads.advance": lambda c: uploads.advance(c, "", 0, "", 0),
    "uploads.end": lambda c: uploads.end(c, ""),
    "uploads.expired": uploads.expired,
    "garbage.page_of_blobs": lambda c: garbage.page_of_blobs(c, 0, 10, 0),
    "garbage.page_in": lambda c: garbage.page_in(c, "condemned", 0, 10, 0),
    "garbage.condemn": lambda c: garbage.condemn(c, BLOB, 0),
    "garbage.hand_over": lambda c: garbage.hand_over(c, BLOB, 0),
    "garbage.note_removed": lambda c: garbage.note_removed(c, BLOB, 0),
    "garbage.forget": lambda c: garbage.forget(c, BLOB),
    "garbage.raise_generation": lambda c: garbage.raise_generation(c, BLOB, 0),
    "garbage.page_of_links": lambda c: garbage.page_of_links(c, (0, 0), 10, 0),
    "garbage.unlink": lambda c: garbage.unlink(c, garbage.Link(1, 1, digest(""), False), 0),
    "garbage.page_of_manifests": lambda c: garbage.page_of_manifests(c, 1, after="", count=10, now=0, age=0),
    "garbage.is_releasable": lambda c: garbage.is_releasable(c, 1, 1, now=0, age=0),
    "garbage.page_of_repositories": lambda c: garbage.page_of_repositories(c, "", 10),
    "garbage.empty_repositories": lambda c: garbage.empty_repositories(c, "", 10),
    "reasons.naming": lambda c: reasons.naming(c, digest(""), 10),
    "whereabouts.manifests_in": lambda c: whereabouts.manifests_in(c, NAME, 10),
    "reasons.being": lambda c: reasons.being(c, digest(""), 10),
    "scrubbing.page_of_blobs": lambda c: scrubbing.page_of_blobs(c, 0, 10),
    "scrubbing.page_of_manifests": lambda c: scrubbing.page_of_manifests(c, 0, 10),
    "scrubbing.page_of_tags": lambda c: scrubbing.page_of_tags(c, (0, ""), 10),
    "scrubbing.page_of_referenced": lambda c: scrubbing.page_of_referenced(c, "", 10),
    "scrubbing.unmet": lambda c: scrubbing.unmet(c, "", digest("")),
    "scrubbing.unmet_in": lambda c: scrubbing.unmet_in(c, NAME, digest("")),
    "scrubbing.tag": lambda c: scrubbing.tag(c, NAME, "latest"),
    "scrubbing.reference": lambda c: scrubbing.reference(c, digest("")),
    "scrubbing.is_leased": lambda c: scrubbing.is_leased(c, digest("")),
    "scrubbing.affected": lambda c: scrubbing.affected(c, digest(""), 5),
    "scrubbing.lose": lambda c: scrubbing.lose(c, digest(""), 0, 0),
    "scrubbing.revive": lambda c: scrubbing.revive(c, digest("")),
    "scrubbing.give_up": lambda c: scrubbing.give_up(c, digest(""), 1),
    "scrubbing.dangling_links": lambda c: scrubbing.dangling_links(c, NAME),
    "scrubbing.lacks_a_row": lambda c: scrubbing.lacks_a_row(c, NAME),
    "jobs.enqueue": lambda c: jobs.enqueue(c, "layer", ""),
    "jobs.claim": lambda c: jobs.claim(c, "", 1),
    "jobs.renew": lambda c: jobs.renew(c, JOB, 1),
    "jobs.finish": lambda c: jobs.finish(c, JOB),
    "jobs.fail": lambda c: jobs.fail(c, JOB, "", retry_at=None),
    "jobs.wake": lambda c: jobs.wake(c, digest("")),
    "jobs.find": lambda c: jobs.find(c, "layer", ""),
    "jobs.page_of_images": lambda c: jobs.page_of_images(c, 0, 10),
    "outbox.done": lambda c: outbox.done(c, [outbox.Entry(1, "", "", "")]),
}


class Planner(SqliteConnection):
    """Runs statements and keeps the plan of each."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self.plans: list[str] = []
        self._execute = self._explained

    def many(self, statement: Any, rows: list[dict[str, Any]], /) -> None:
        for row in rows:
            self.run(statement, **row)

    def _explained(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        self.plans += [row[3] for row in self.driver.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        return self.driver.execute(sql, parameters)


# A page that a query has found by an index may be read as a whole, and so may what holds one row.
STEPS = (
    "SEARCH", "CORRELATED", "LIST", "SCALAR", "CO-ROUTINE page", "MATERIALIZE page", "SCAN page", "SCAN CONSTANT ROW",
)  # fmt: skip
# The first and the last row in the order of the key.
ENDS = "SEARCH audit"


@pytest.fixture
def planner(sqlite_database: Database) -> Planner:
    return Planner(sqlite_database.reader().driver)


@pytest.mark.parametrize("name", HOT)
def test_what_is_asked_often_is_found_by_index(planner: Planner, name: str) -> None:
    planner.driver.execute("PRAGMA foreign_keys=OFF")
    HOT[name](planner)
    assert [plan for plan in planner.plans if not plan.startswith(STEPS)] == []
    assert all(" USING " in plan for plan in planner.plans if plan.startswith("SEARCH") and plan != ENDS)


def test_a_plan_that_looks_at_every_row_would_be_noticed(planner: Planner) -> None:
    repositories.total(planner, "x")
    assert any(plan.startswith("SCAN") for plan in planner.plans)


def test_a_push_finds_what_it_needs_by_index(planner: Planner) -> None:
    repository_id = repositories.ensure(planner, NAME)
    assert blobs.record_live(planner, digest("image"), 5, 0)
    manifest_id = manifests.add(planner, repository_id, values("image"), [])
    assert manifest_id is not None
    tags.point(planner, CALLER, repository_id, "latest", manifest_id, digest("image"))
    assert [plan for plan in planner.plans if not plan.startswith("SEARCH")] == []
    assert len(planner.plans) > 3
