"""The query of a list: what it means, and how the next page is named."""

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orlop.database.pages import LARGEST, Order, Position
from orlop.domain.errors import ParameterInvalid
from orlop.web.api.queries import LONGEST_TEXT, MOST, ListQuery, check, list_parameters, list_query, spellings
from orlop.web.targets import Target

SORTS = ("name", "size")
PARAMETERS = list_parameters(SORTS)

orders = some.builds(Order, some.sampled_from(SORTS), some.booleans())
# What a tag or a repository can be called.
names = some.text("abcXYZ019._-/", min_size=1, max_size=255)
filters = some.text(some.characters(exclude_categories=("Cs", "Cc")), max_size=LONGEST_TEXT)


@given(text=filters, order=orders, value=some.integers(0, LARGEST), name=names, size=some.integers(1, MOST))
def test_the_next_page_is_read_as_it_was_meant(text: str, order: Order, value: int, name: str, size: int) -> None:
    position = Position(0 if order.by == "name" else value, name)
    following = ListQuery(text, order, Position(0, ""), size).following("/x", position)
    assert following is not None
    target = Target(following)
    check(target, PARAMETERS)
    assert list_query(target, SORTS) == ListQuery(text, order, position, size)


def test_there_is_no_page_after_the_last() -> None:
    assert ListQuery("", Order(), Position(0, ""), 10).following("/x", None) is None


def test_the_next_page_names_only_what_is_not_the_default() -> None:
    query = list_query(Target("/x"), SORTS)
    following = query.following("/x", Position(0, "a/b"))
    assert following is not None
    assert parse_qs(urlsplit(following).query) == {"last": ["a/b"]}


@given(some.text(max_size=400))
def test_any_query_is_read_or_refused(text: str) -> None:
    try:
        target = Target(f"/x?{text}".encode("utf-8", "surrogateescape").decode("latin-1"))
        check(target, PARAMETERS)
        list_query(target, SORTS)
    except (ParameterInvalid, UnicodeEncodeError):
        return
    assert {name for name, _ in target.query} <= {parameter.name for parameter in PARAMETERS}


def test_each_order_is_spelt_with_its_sign() -> None:
    assert spellings(SORTS) == ["name", "-name", "size", "-size"]


@pytest.mark.parametrize("sort", spellings(SORTS))
def test_a_first_page_begins_before_every_item(sort: str) -> None:
    query = list_query(Target(f"/x?sort={sort}"), SORTS)
    for item in (Position(0, "0"), Position(LARGEST - 1, "zzz")):
        assert (query.last > item) if query.order.descending else (query.last < item)
