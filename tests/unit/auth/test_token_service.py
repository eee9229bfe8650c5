"""Scopes are read as far as they are understood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.auth.token_service import MOST_SCOPES, parse_scopes
from orlop.domain.errors import ParameterInvalid


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
