"""A refusal asks for other credentials where they could help, and is final where the account itself was shown."""

import pytest

from orlop.auth import grants as module
from orlop.auth.grants import Grants
from orlop.auth.policy import ANONYMOUS, Policy, Subject
from orlop.domain.access import DELETE, PULL, PUSH, Actions, Rule, Scope, closed
from orlop.domain.errors import Denied, Unauthorized

POLICY = Policy((Rule.parse("anyone may pull on public/**"), Rule.parse("signed-in may all on {account}/**")))
ALICE = Subject("alice")
ROOT = Subject("root", admin=True)


def grants(subject: Subject, policy: Policy = POLICY, *, scopes: tuple[str, ...] = (), **more: object) -> Grants:
    return Grants(
        policy,
        subject,
        expires_at=1e12,
        scopes=tuple(Scope.parse(text) for text in scopes),
        **more,  # type: ignore[arg-type]
    )


def listing(**actions: Actions) -> dict[str, Actions]:
    """What a token of the token service lists; `a__b` stands for `a/b`."""
    return {name.replace("__", "/"): closed(found) for name, found in actions.items()}


@pytest.mark.parametrize(
    ("action", "scope"),
    [(PULL, "repository:a/b:pull"), (PUSH, "repository:a/b:pull,push"), (DELETE, "repository:a/b:delete")],
)
def test_who_has_not_signed_in_is_asked_to(action: str, scope: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        grants(ANONYMOUS).demand(action, "a/b")
    assert (refused.value.scope, refused.value.error) == (scope, "")


@pytest.mark.parametrize("subject", [ANONYMOUS, ALICE, ROOT])
def test_a_token_that_lists_something_else_is_told_what_it_lacks(subject: Subject) -> None:
    with pytest.raises(Unauthorized) as refused:
        grants(subject, access={}).demand(PUSH, "alice/app")
    assert (refused.value.scope, refused.value.error) == ("repository:alice/app:pull,push", "insufficient_scope")


def test_an_account_that_may_not_is_refused_for_good() -> None:
    with pytest.raises(Denied, match="alice may not push public/app"):
        grants(ALICE).demand(PUSH, "public/app")
    with pytest.raises(Denied):
        grants(ALICE, scopes=("alice/*:pull",)).demand(PUSH, "alice/app")


def test_what_is_allowed_is_not_refused() -> None:
    grants(ANONYMOUS).demand(PULL, "public/app")
    for action in (PULL, PUSH, DELETE):
        grants(ALICE).demand(action, "alice/app")
        grants(ROOT).demand(action, "any/thing")
    grants(ALICE, access=listing(alice__app=frozenset([PUSH]))).demand(PUSH, "alice/app")


def test_any_credentials_do_where_only_they_are_asked_for() -> None:
    grants(ALICE).demand_credentials()
    grants(ANONYMOUS, access={}).demand_credentials()  # a token of the token service, which is given to anyone
    with pytest.raises(Unauthorized):
        grants(ANONYMOUS).demand_credentials()


def test_the_catalog_is_for_whom_something_is_readable() -> None:
    grants(ALICE).demand_catalog()
    grants(ALICE, Policy(())).demand_catalog()  # an empty list says nothing
    grants(ANONYMOUS).demand_catalog()
    grants(ALICE, access={}, catalog=True).demand_catalog()
    for refused in (grants(ANONYMOUS, Policy(())), grants(ALICE, access={}, catalog=False)):
        with pytest.raises(Unauthorized) as error:
            refused.demand_catalog()
        assert error.value.scope == "registry:catalog:*"


def test_a_token_for_a_name_with_dots_opens_that_name_alone() -> None:
    found = grants(ROOT, access=listing(**{"team__a.b_c-d": frozenset([PULL])}))
    assert found.readable == r"^(?:team/a\.b_c-d)$"
    assert found.actions("team/a.b_c-d") == {PULL}
    assert found.actions("team/axb_c-d") == frozenset()


def test_a_scope_may_name_the_accounts_own_namespace() -> None:
    found = grants(ALICE, scopes=("{account}/*:pull,push",))
    assert found.actions("alice/app") == {PULL, PUSH}
    assert found.actions("alice/app/part") == frozenset()
    assert found.actions("public/app") == frozenset()


def test_an_admins_token_with_a_scope_has_nothing_of_the_admin() -> None:
    found = grants(ROOT, scopes=("team/*:pull",))
    assert not found.admin
    assert found.actions("team/app") == {PULL}
    assert found.actions("other") == frozenset()
    assert not grants(ROOT, access={}).admin
    assert grants(ROOT).admin


def test_scopes_without_pull_do_not_exist() -> None:
    assert grants(ALICE, scopes=("alice/*:delete",)).actions("alice/app") == {PULL, DELETE}


def test_what_is_remembered_is_bounded_and_still_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 10)
    found = grants(ALICE)
    for _ in range(2):
        for number in range(30):
            assert PUSH in found.actions(f"alice/{number}")
            assert found.actions(f"bob/{number}") == frozenset()
            assert len(found._known) <= 10
