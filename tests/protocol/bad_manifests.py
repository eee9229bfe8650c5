"""Manifests that are none."""

import gzip
import json
from typing import Any


def bad_json(good: dict[str, Any]) -> dict[str, bytes]:
    text = json.dumps(good)
    return {
        "nothing": b"",
        "blank": b"  \n",
        "no json": b"hello",
        "html": b"<html></html>",
        "cut": text[:-1].encode(),
        "twice": (text + text).encode(),
        "trailing": (text + " x").encode(),
        "comment": ("/* a */" + text).encode(),
        "trailing comma": (text[:-1] + ",}").encode(),
        "single quotes": text.replace('"', "'").encode(),
        "null": b"null",
        "a number": b"1",
        "a string": b'"a"',
        "a list": f"[{text}]".encode(),
        "duplicate key": (text[:-1] + ', "layers": []}').encode(),
        "duplicate key escaped": (text[:-1] + ', "l\\u0061yers": []}').encode(),
        "duplicate key deep": (text[:-1] + ', "annotations": {"a": "1", "a": "2"}}').encode(),
        "nan": (text[:-1] + ', "x": NaN}').encode(),
        "infinity": (text[:-1] + ', "x": -Infinity}').encode(),
        "too large a number": (text[:-1] + ', "x": 1e999}').encode(),
        "five thousand digits": (text[:-1] + f', "x": {"9" * 5000}}}').encode(),
        "lone surrogate": (text[:-1] + ', "x": "\\ud800"}').encode(),
        "lone surrogate key": (text[:-1] + ', "\\udfff": 1}').encode(),
        "lone surrogate in bytes": text[:-1].encode() + b', "x": "\xed\xa0\x80"}',
        "latin-1": text[:-1].encode() + b', "x": "\xe4"}',
        "overlong": text[:-1].encode() + b', "x": "\xc0\xaf"}',
        "utf-16": text.encode("utf-16"),
        "utf-16-le": text.encode("utf-16-le"),
        "utf-32": text.encode("utf-32"),
        "byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "raw newline in a string": (text[:-1] + ', "x": "a\nb"}').encode(),
        "nul": text.encode() + b"\x00",
        "nested lists": (text[:-1] + f', "x": {"[" * 200}{"]" * 200}}}').encode(),
        "nested objects": (text[:-1] + ', "x": ' + '{"a":' * 200 + "1" + "}" * 200 + "}").encode(),
        "very deep": (text[:-1] + f', "x": {"[" * 1_000_000}').encode(),
        "leading zero": (text[:-1] + ', "x": 01}').encode(),
        "hexadecimal": (text[:-1] + ', "x": 0x1}').encode(),
        "plus": (text[:-1] + ', "x": +1}').encode(),
        "zipped": gzip.compress(text.encode()),
    }


ABSENT = object()


def changed(document: dict[str, Any], path: list[str | int], value: Any) -> dict[str, Any]:
    """A copy with another value at the path, or with none."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    at: Any = copy
    for step in path[:-1]:
        at = at[step]
    if value is ABSENT:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return copy


BAD_VALUES: list[tuple[list[str | int], list[Any]]] = [
    (["schemaVersion"], [ABSENT, 0, 3, "2", 2.0, True, None, [], -2]),
    (["config"], [ABSENT, None, 1, "x", [], {}]),
    (["layers"], [ABSENT, 1, "x", {}, [1], [None], ["x"], [[]], [{}]]),
    (["config", "digest"], [ABSENT, None, 1, "", "x", "sha256:", "md5:" + "a" * 32, "sha256:" + "A" * 64, "../x", []]),
    (["layers", 0, "digest"], [ABSENT, None, 1, "", "sha256:" + "a" * 63, "sha256:" + "a" * 64 + "\n", {}]),
    (["layers", 0, "size"], [ABSENT, None, -1, "1", 1.5, True, 2**63, 10**30, [], {}]),
    (["config", "size"], [ABSENT, -1, "1"]),
    (["layers", 0, "mediaType"], [ABSENT, None, 1, "", "x", "a/", "/b", "a/b/c", "a/b\r\nX: y", "a/\x00", "ä/b", []]),
    (["config", "mediaType"], [ABSENT, 1, "", "x"]),
    (["subject"], [1, "x", [], {}, {"digest": "x"}]),
    (["artifactType"], [1, [], {}, "x", "a b/c", "a/b\n"]),
    (["annotations"], [1, [], "x", {"a": 1}, {"a": None}, {"a": []}]),
    (["layers", 0, "annotations"], [1, [], {"a": 1}]),
]
