"""What is kept of documents that nobody has checked."""

import json
from typing import Any

import pytest

from orlop.domain.v1.fields import SHARED, canonical, cleaned, date, read_object


@pytest.mark.parametrize(
    "right",
    [
        "2013-06-14T00:33:44Z",
        "2013-06-14T00:33:44.123456789-07:00",
        "2016-02-29T23:59:59+05:30",
        "0001-01-01T00:00:00Z",
    ],
)
def test_a_date_stays_as_it_is(right: str) -> None:
    assert date(right) == right


@pytest.mark.parametrize(
    "wrong",
    [
        "", "yesterday", "2013-06-14", "2013-06-14 00:33:44", "2013-06-14T00:33:44", "2013-06-14t00:33:44z",
        "2013-02-30T00:00:00Z", "2013-06-14T24:00:00Z", "2013-06-14T00:60:00Z", "2013-06-14T00:00:60Z",
        "2013-06-14T00:33:44+07:60", "2013-06-14T00:33:44+24:00", "2013-06-14T00:33:44+0700", "0000-01-01T00:00:00Z",
        "2013-06-14T00:33:44,5Z", "2013-06-14T00:33:44Z\n", "١٢٣٤-06-14T00:33:44Z", 1371170024, None, [],
    ],
)  # fmt: skip
def test_no_other_date_is_taken(wrong: object) -> None:
    assert date(wrong) is None


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("Cmd", ["a", "b"], ["a", "b"]),
        ("Cmd", "a b", ["a b"]),
        ("Cmd", ["a", 1], None),
        ("Cmd", None, None),
        ("Entrypoint", [], []),
        ("Env", {"A": "1"}, None),
        ("Env", ["A=1", "B", "C="], ["A=1", "C="]),
        ("ExposedPorts", {"80/tcp": {}}, {"80/tcp": {}}),
        ("ExposedPorts", {"80/tcp": None, "81/tcp": "x"}, {"80/tcp": {}, "81/tcp": {}}),
        ("ExposedPorts", ["80/tcp"], None),
        ("Volumes", None, None),
        ("Labels", {"a": "b"}, {"a": "b"}),
        ("Labels", {"a": 1}, None),
        ("Memory", 512, 512),
        ("Memory", 2**63, None),
        ("Memory", 1.5, None),
        ("Memory", True, None),
        ("Tty", "yes", None),
        ("Healthcheck", {"Test": ["NONE"], "Interval": "1s"}, {"Test": ["NONE"]}),
        ("cmd", "sh", None),
        ("Volumeſ", "x", None),
        ("Other", [1, {"a": None}], [1, {"a": None}]),
    ],
)
def test_a_setting_is_kept_where_it_is_of_its_type(name: str, value: object, kept: object) -> None:
    document = cleaned({"config": {name: value}}, SHARED)
    assert document == {"config": {} if kept is None else {name: kept}}


def test_what_is_made_anew_is_left_out_in_any_case() -> None:
    gone = ["id", "parent", "parent_id", "layer_id", "Size", "size", "throwaway", "checksum", "rootfs", "History"]
    assert cleaned({**dict.fromkeys(gone, 1), "os": "linux", "OS": 1, "more": 2}, SHARED) == {"os": "linux", "more": 2}


def test_the_order_of_keys_changes_nothing() -> None:
    document: dict[str, Any] = {"b": {"z": 1, "a": "ü"}, "a": []}
    turned = {"a": [], "b": {"a": "ü", "z": 1}}
    assert canonical(document) == canonical(turned) == '{"a":[],"b":{"a":"ü","z":1}}'.encode()


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"a":1,"a":2}', b"\xff", b'"\\ud800"'])
def test_what_is_no_object_is_none(content: bytes) -> None:
    assert read_object(content) is None
    assert read_object(json.dumps({"a": 1}).encode()) == {"a": 1}
