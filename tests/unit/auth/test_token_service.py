"""Scopes are read as far as they are understood, and a token holds what is granted of them."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.auth.access import Access
from orlop.auth.accounts import scopes_of
from orlop.auth.grants import Grants
from orlop.auth.policy import Subject
from orlop.auth.sign_in import parse_header
from orlop.auth.token_service import MOST_SCOPES, REFRESH_LIFETIME, parse_scopes
from orlop.domain.access import Scope
from orlop.domain.errors import ParameterInvalid
from tests.unit.auth.conftest import OPERATOR


@pytest.mark.parametrize(
    ("texts", "repositories", "catalog"),
    [
        ([], {}, False),
        (["repository:a/b:pull"], {"a/b": {"pull"}}, False),
        (["repository:a/b:push"], {"a/b": {"pull", "push"}}, False),
        (["repository:a/b:push,pull,pull"], {"a/b": {"pull", "push"}}, False),
        (["repository:a:* repository:b:pull"], {"a": {"pull", "push", "delete"}, "b": {"pull"}}, False),
        (["repository:a:pull", "repository:a:delete"], {"a": {"pull", "delete"}}, False),
        (["repository(plugin):a:pull"], {"a": {"pull"}}, False),
        (["repository:a:pull,fly,*x"], {"a": {"pull"}}, False),
        (["repository:a:fly"], {}, False),
        (["registry:catalog:*"], {}, True),
        (["registry:catalog:pull"], {}, False),
        (["registry:other:*"], {}, False),
        (["repository:host:5000/a:pull"], {}, False),
        (["repository::pull", "repository:a", "repository", ":", "::", "x:y:z", "repository:A:pull"], {}, False),
        (["repository:a/../b:pull", "repository:a//b:pull", "repository:a/b/:pull"], {}, False),
    ],
)
def test_scopes(texts: list[str], repositories: dict[str, set[str]], catalog: bool) -> None:
    asked = parse_scopes(texts)
    assert asked.repositories == repositories
    assert asked.catalog == catalog


def test_there_is_an_end_to_them() -> None:
    parse_scopes(["repository:a:pull"] * MOST_SCOPES)
    with pytest.raises(ParameterInvalid):
        parse_scopes([" ".join(["repository:a:pull"] * (MOST_SCOPES + 1))])


@given(st.lists(st.text(), max_size=5))
def test_no_text_is_worse_than_nothing(texts: list[str]) -> None:
    parse_scopes(texts)


def issued(access: Access, grants: Grants, *scopes: str) -> dict[str, Any]:
    """The claims of the token."""
    return access.sign_in._signer.verify(access.tokens.issue(grants, parse_scopes(scopes)).token)


def test_a_token_says_what_was_asked_for_as_far_as_it_is_granted(access: Access) -> None:
    grants = Grants(access.sign_in.policy, Subject("alice"), expires_at=1e12)
    claims = issued(access, grants, "repository:alice/a.b:push,delete", "repository:public/x:*", "repository:bob/x:*")
    assert claims["access"] == [
        {"type": "repository", "name": "alice/a.b", "actions": ["pull", "push", "delete"]},
        {"type": "repository", "name": "public/x", "actions": ["pull"]},
    ]
    assert (claims["sub"], claims["iss"], claims["aud"]) == ("alice", "registry.example.com", "registry.example.com")
    assert "token" not in claims
    assert issued(access, grants)["access"] == []
    assert issued(access, grants, "registry:catalog:*")["access"] == [
        {"type": "registry", "name": "catalog", "actions": ["*"]}
    ]


def test_a_token_is_good_from_now_on_for_its_lifetime(access: Access) -> None:
    before = int(time.time())
    found = access.tokens.issue(access.sign_in.anonymous, parse_scopes([]))
    claims = access.sign_in._signer.verify(found.token)
    assert before <= found.at <= time.time()
    assert found.lifetime == 300
    assert claims["nbf"] < claims["iat"] == found.at
    assert claims["exp"] == found.at + 300
    assert claims["jti"] != issued(access, access.sign_in.anonymous)["jti"]


def test_who_has_not_signed_in_gets_a_token_for_what_is_open_to_all(access: Access) -> None:
    claims = issued(access, access.sign_in.anonymous, "repository:public/x:pull,push", "repository:alice/x:pull")
    assert claims["sub"] == ""
    assert claims["access"] == [{"type": "repository", "name": "public/x", "actions": ["pull"]}]


def test_what_is_made_of_an_access_token_names_it_and_has_its_scopes(access: Access) -> None:
    scopes = (Scope.parse("alice/app:pull"),)
    grants = Grants(access.sign_in.policy, Subject("alice"), expires_at=1e12, token_id="t1", scopes=scopes)
    claims = issued(access, grants, "repository:alice/app:*", "repository:alice/other:*")
    assert claims["token"] == "t1"
    assert claims["access"] == [{"type": "repository", "name": "alice/app", "actions": ["pull"]}]


def test_a_refresh_token_is_worth_what_it_was_made_of(access: Access) -> None:
    scopes = (Scope.parse("alice/app:pull"),)
    grants = Grants(access.sign_in.policy, Subject("alice"), expires_at=1e12, scopes=scopes)
    secret = access.tokens.refresh_token(OPERATOR, grants, "docker\n\x1b[2J" + "x" * 300)
    (token,) = access.accounts.tokens("alice")
    assert (token.kind, scopes_of(token)) == ("refresh", scopes)
    assert token.expires_at == token.created_at + REFRESH_LIFETIME
    assert token.note == ("docker[2J" + "x" * 300)[:100]
    assert access.sign_in.check(parse_header(f"Bearer {secret}"), "", "").actions("alice/app") == {"pull"}
