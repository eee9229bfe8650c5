"""Lists hold exactly what the rules allow: expressions mean on each database what they mean in Python."""

import itertools
import re

from hypothesis import HealthCheck, given, settings

from orlop.auth.grants import Grants
from orlop.auth.policy import Policy, Subject
from orlop.database import blobs, pages, repositories
from orlop.database.connection import Connection
from orlop.database.engine import Database
from orlop.database.pages import Order
from orlop.domain.access import PULL, Pattern, Rule, Scope
from orlop.domain.name import RepositoryName
from tests.unit.auth.test_policy import RULES, SCOPES, SUBJECTS
from tests.unit.database.content import add_blob, add_manifest, digest

# What an expression, LIKE or a collation could take for something else.
PARTS = ("a", "b", "ab", "a.b", "axb", "a_b", "a-b", "a__b")
NAMES = sorted(
    "/".join(parts)
    for length, kinds in ((1, 8), (2, 8), (3, 4))
    for parts in itertools.product(PARTS[:kinds], repeat=length)
)


def fill(connection: Connection) -> None:
    for name in NAMES:
        add_manifest(connection, RepositoryName.parse(name), f"image of {name}")


# One database is filled, and asked for each example.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rules=RULES, subject=SUBJECTS, scopes=SCOPES)
def check_lists(database: Database, rules: list[Rule], subject: Subject, scopes: list[Scope]) -> None:
    policy = Policy(tuple(rules))
    grants = Grants(policy, subject, expires_at=1e12, scopes=tuple(scopes))
    reader = database.reader()
    for readable, actions in (
        (policy.readable(subject), lambda name: policy.actions(subject, name)),
        (grants.listable, grants.actions),
    ):
        expected = [name for name in NAMES if PULL in actions(name)]
        assert [name for name in NAMES if not readable or re.search(readable, name)] == expected
        assert repositories.names(reader, last="", count=10_000, readable=readable) == expected
        assert repositories.total(reader, "", readable) == len(expected)


def test_lists_hold_exactly_what_may_be_pulled(database: Database) -> None:
    database.write(fill)
    check_lists(database)


def test_pages_and_searches_hold_what_may_be_read(database: Database) -> None:
    database.write(fill)
    reader, order = database.reader(), Order()
    readable = Policy((Rule.parse("anyone may pull on a.b/*"), Rule.parse("anyone may pull on a_b"))).readable(
        Subject()
    )
    expected = ["a.b/a", "a.b/a-b", "a.b/a.b", "a.b/a__b", "a.b/a_b", "a.b/ab", "a.b/axb", "a.b/b", "a_b"]
    found: list[str] = []
    while page := repositories.names(reader, last=found[-1] if found else "", count=2, readable=readable):
        found += page
    assert found == expected
    last, found = pages.start(order), []
    while listed := repositories.summaries(reader, text="A_B", order=order, last=last, count=2, readable=readable):
        found += [summary.name for summary in listed]
        last = repositories.position(order, listed[-1])
    assert found == ["a.b/a_b", "a_b"]
    assert repositories.total(reader, "A_B", readable) == 2
    assert repositories.total(reader, "%", readable) == 0


def test_a_token_for_names_with_dots_lists_them_alone(database: Database) -> None:
    database.write(fill)
    root = Subject("root", admin=True)
    grants = Grants(Policy(()), root, expires_at=1e12, access={"a.b/a_b": frozenset([PULL]), "b": frozenset([PULL])})
    assert repositories.names(database.reader(), last="", count=100, readable=grants.readable) == ["a.b/a_b", "b"]


def test_a_blob_is_found_where_one_of_its_repositories_may_be_read(database: Database) -> None:
    def unit(connection: Connection) -> None:
        for name in ("a.b", "axb", "team/app"):
            add_blob(connection, RepositoryName.parse(name), f"layer of {name}")
        # Two hold this one.
        add_blob(connection, RepositoryName.parse("secret"), "base")
        blobs.link(connection, repositories.ensure(connection, RepositoryName.parse("team/app")), digest("base"))

    database.write(unit)

    def found(text: str, pattern: str) -> bool:
        readable = Policy((Rule("anyone", frozenset([PULL]), Pattern.parse(pattern), ""),)).readable(Subject())
        return bool(blobs.held_anywhere(database.reader(), digest(text), readable))

    assert found("layer of a.b", "a.b")
    assert not found("layer of axb", "a.b")
    assert found("base", "team/*")
    assert found("base", "secret")
    assert not found("base", "other/**")
    assert found("base", "**")
    assert not found("nowhere", "**")


def test_the_longest_expression_of_a_policy_is_understood(database: Database) -> None:
    """As many rules and stars as a careless operator might write: an engine that tries every way would never end."""
    database.write(lambda connection: add_manifest(connection, RepositoryName.parse("/".join(["a" * 20] * 10)), "x"))
    rules = [Rule.parse(f"anyone may pull on team{number}/*a*a*b/**") for number in range(300)]
    rules.append(Rule.parse("anyone may pull on **/*a*a*b"))
    readable = Policy(tuple(rules)).readable(Subject())
    assert repositories.names(database.reader(), last="", count=10, readable=readable) == []
