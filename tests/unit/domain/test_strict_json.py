"""JSON that two readers cannot read as two documents."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop.domain.strict_json import MAX_DEPTH, JsonInvalid, loads

TEXT = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_a_strict_document_is_read_as_it_was_written(value: Any, ascii_only: bool) -> None:
    assert loads(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"{}{}", "Extra data"),
        (b"{} x", "Extra data"),
        (b"{'a':1}", "Expecting property name"),
        (b'{"a":1,}', ""),
        (b"[1,]", ""),
        (b"01", "Extra data"),
        (b"NaN", "NaN is no JSON value"),
        (b'{"a":[Infinity]}', "Infinity is no JSON value"),
        (b"-Infinity", "-Infinity is no JSON value"),
        (b"1e400", "out of range"),
        (b"[-1e999]", "out of range"),
        (b'{"a":1,"a":1}', "names a key twice"),
        (b'[{"a":{"b":1,"\\u0062":2}}]', "names a key twice"),
        (b"\xef\xbb\xbf{}", ""),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b'"\xff"', "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (rb'"\ud800"', "half of a surrogate pair"),
        (rb'{"\udfff":1}', "half of a surrogate pair"),
        (rb'["\udc00\ud800"]', "half of a surrogate pair"),
        (b'"\n"', "Invalid control character"),
        (b"1" * 5000, ""),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    ],
)
def test_what_readers_take_differently_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(JsonInvalid) as refusal:
        loads(content)
    assert reason in str(refusal.value)
    assert len(str(refusal.value)) <= 200


def test_a_whole_surrogate_pair_is_a_character() -> None:
    assert loads(rb'["\ud83d\ude00", "\\ud800"]') == ["😀", r"\ud800"]


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_depth_has_a_limit_of_its_own(opening: bytes, closing: bytes) -> None:
    def nested(levels: int) -> bytes:
        return opening * levels + (b"1" if closing == b"}" else b"") + closing * levels

    loads(nested(MAX_DEPTH))
    with pytest.raises(JsonInvalid, match="nested"):
        loads(nested(MAX_DEPTH + 1))


def test_brackets_in_text_are_not_depth() -> None:
    assert loads(b'"' + b"[{" * 1000 + b'"') == "[{" * 1000


@given(st.one_of(st.binary(max_size=60), st.text(alphabet='[]{}:,"\\u0dcN1e-.a ', max_size=40).map(str.encode)))
def test_any_bytes_are_a_document_or_a_refusal(content: bytes) -> None:
    try:
        loads(content)
    except JsonInvalid:
        return
    json.loads(content.decode("utf-8"))
