"""Rules add up, and what is read as an expression is what is decided one by one."""

import re

from hypothesis import given
from hypothesis import strategies as st

from orlop.auth.grants import Grants
from orlop.auth.policy import ANONYMOUS, Policy, Subject
from orlop.domain.access import ACTIONS, EVERYTHING, NOTHING, PULL, Pattern, Rule, Scope, closed
from tests.unit.domain.test_access import NAMES, PATTERNS

WHO = st.sampled_from(["anyone", "signed-in", "account:ab", "account:b", "group:g", "group:h"])
GIVEN = st.sets(st.sampled_from(ACTIONS), min_size=1).map(closed)
RULES = st.lists(
    st.builds(lambda who, actions, text: Rule(who, actions, Pattern.parse(text), ""), WHO, GIVEN, PATTERNS), max_size=4
)
SUBJECTS = st.sampled_from([ANONYMOUS, Subject("ab", frozenset("g")), Subject("b", frozenset("gh")), Subject("axb")])
SCOPES = st.lists(st.builds(lambda text, actions: Scope(Pattern.parse(text), actions), PATTERNS, GIVEN), max_size=2)


def matches(expression: str, name: str) -> bool:
    return not expression or re.search(expression, name) is not None


@given(RULES, SUBJECTS, NAMES)
def test_what_is_readable_is_what_may_be_pulled(rules: list[Rule], subject: Subject, name: str) -> None:
    policy = Policy(tuple(rules))
    assert matches(policy.readable(subject), name) == (PULL in policy.actions(subject, name))


@given(RULES, SUBJECTS, NAMES)
def test_explanations_are_true(rules: list[Rule], subject: Subject, name: str) -> None:
    policy = Policy(tuple(rules))
    allowed = {decision.action for decision in policy.explain(subject, name) if decision.allowed}
    assert allowed == policy.actions(subject, name)


@given(RULES, SUBJECTS, SCOPES, NAMES)
def test_scopes_only_take_away(rules: list[Rule], subject: Subject, scopes: list[Scope], name: str) -> None:
    policy = Policy(tuple(rules))
    grants = Grants(policy, subject, expires_at=1e12, scopes=tuple(scopes))
    assert grants.actions(name) <= policy.actions(subject, name)
    assert matches(grants.listable, name) == (PULL in grants.actions(name))
    assert matches(grants.readable, name) == (PULL in grants.actions(name))


@given(RULES, SUBJECTS, st.dictionaries(NAMES, GIVEN, max_size=3), NAMES)
def test_a_token_is_good_for_what_it_lists(
    rules: list[Rule], subject: Subject, access: dict[str, frozenset[str]], name: str
) -> None:
    policy = Policy(tuple(rules))
    grants = Grants(policy, subject, expires_at=1e12, access=access)
    assert grants.actions(name) == closed(policy.actions(subject, name) & access.get(name, NOTHING))
    assert matches(grants.readable, name) == (PULL in grants.actions(name))
    assert not grants.admin


def test_an_admin_may_do_everything() -> None:
    root = Subject("root", admin=True)
    policy = Policy(())
    assert policy.actions(root, "any/thing") == EVERYTHING
    assert policy.readable(root) == ""
    assert Grants(policy, root, expires_at=1e12).admin
    assert not Grants(policy, root, expires_at=1e12, scopes=(Scope.parse("**:pull"),)).admin


def test_an_explanation_names_its_rule() -> None:
    policy = Policy((Rule.parse("anyone may pull on **"), Rule.parse("group:dev may push on team/*")))
    told = {decision.action: decision.reason for decision in policy.explain(Subject("a", frozenset(["dev"])), "team/x")}
    assert told == {
        "pull": 'rule 1, "anyone may pull on **"',
        "push": 'rule 2, "group:dev may push on team/*"',
        "delete": "no rule allows it",
    }
