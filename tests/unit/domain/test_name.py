"""Names of repositories and tags: the specification's grammar, read a second way."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.digest import Digest
from orlop.domain.errors import DigestInvalid, NameInvalid, TagInvalid
from orlop.domain.name import RepositoryName, Tag, parse_reference

LETTERS = "abz09"
SEPARATOR = re.compile(r"\.|_|__|-+")


def is_name(text: str) -> bool:
    """The grammar of the distribution specification's section Pulling manifests, without its expression."""
    return len(text) <= 255 and all(is_component(part) for part in text.split("/"))


def is_component(part: str) -> bool:
    words = re.split(r"[a-z0-9]+", part)  # what stands between the words: nothing at both ends
    return len(words) > 1 and words[0] == words[-1] == "" and all(SEPARATOR.fullmatch(word) for word in words[1:-1])


@pytest.mark.parametrize("text", ["a", "0", "a/b/c", "a.b_c__d-e--f---g", "library/x", "x" * 255, "a/" * 127 + "a"])
def test_a_name_is_taken_as_it_is(text: str) -> None:
    assert RepositoryName.parse(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "a/", "/a", "a//b", ".", "..", "a/..", "../a", ".a", "a.", "a..b", "_", "_a", "a_", "a___b", "-a",
        "a-", "a.-b", "A", "aB", "a\n", "a\0", "a\\b", "a%2fb", "ä", "a!b", "a:b", "a@b", "a+b", "a/_manifests", "ａ",
        "a b", "x" * 256,
    ],
)  # fmt: skip
def test_no_other_text_is_a_name(text: str) -> None:
    with pytest.raises(NameInvalid):
        RepositoryName.parse(text)


@given(st.one_of(st.text(alphabet=LETTERS + "._-/", max_size=20), st.text(max_size=20)))
def test_the_grammar_is_the_specifications(text: str) -> None:
    try:
        assert RepositoryName.parse(text) == text
    except NameInvalid:
        assert not is_name(text)
    else:
        assert is_name(text)


@pytest.mark.timeout(10)
def test_a_long_hostile_name_is_refused_at_once() -> None:
    for text in ("a" * 10_000_000, "a-" * 127, "a" + "-" * 253 + "!", "a/" * 5_000_000):
        with pytest.raises(NameInvalid):
            RepositoryName.parse(text)


@pytest.mark.parametrize("text", ["latest", "_", "_manifests", "v1.0", "A-b_C.d", "0", "x" * 128, "sha256-" + "0" * 64])
def test_a_tag_is_taken_as_it_is(text: str) -> None:
    assert Tag.parse(text) == text


@pytest.mark.parametrize("text", ["", ".", "..", ".a", "-a", "a/b", "a:b", "a\n", "a b", "a!", "ä", "a٠", "x" * 129])
def test_no_other_text_is_a_tag(text: str) -> None:
    with pytest.raises(TagInvalid):
        Tag.parse(text)


@given(st.one_of(st.text(alphabet="aZ0._-\n/", max_size=6), st.text(max_size=6)))
def test_a_tag_is_letters_digits_and_inner_separators(text: str) -> None:
    allowed = [character.isascii() and (character.isalnum() or character == "_") for character in text]
    inner = [fine or character in ".-" for fine, character in zip(allowed, text, strict=True)]
    try:
        Tag.parse(text)
    except TagInvalid:
        assert not (text and allowed[0] and all(inner))
    else:
        assert text
        assert allowed[0]
        assert all(inner)


def test_a_reference_is_a_digest_where_there_is_a_colon() -> None:
    digest = "sha256:" + "0" * 64
    assert type(parse_reference(digest)) is Digest
    assert type(parse_reference("latest")) is Tag
    with pytest.raises(DigestInvalid):
        parse_reference("sha256:short")
    with pytest.raises(TagInvalid):
        parse_reference("a/b")
