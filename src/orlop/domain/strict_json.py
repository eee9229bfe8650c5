"""JSON as RFC 8259 has it, and no more than that.

Python's own reader accepts NaN, duplicate keys, UTF-16, a byte order mark and lone surrogates, and each has been used
to make two readers see two documents in the same bytes.
"""

import json
from typing import Any

MAX_DEPTH = 64


class JsonInvalid(ValueError):
    """The bytes are not one strict JSON document; the message says why."""


def loads(content: bytes) -> Any:
    """The document in `content` (UTF-8), else JsonInvalid."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonInvalid("not UTF-8") from error
    if "\\u" in text:
        _refuse_lone_surrogates(text)
    try:
        document = _decoder.decode(text)
    except RecursionError as error:
        raise JsonInvalid("nested too deeply") from error
    except JsonInvalid:
        raise
    except ValueError as error:  # a syntax error, or an integer of thousands of digits
        raise JsonInvalid(str(error).partition(": line")[0][:200]) from error
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _refuse_depth(document)
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise JsonInvalid("an object names a key twice")
    return document


def _refuse_constant(name: str) -> float:
    raise JsonInvalid(f"{name} is no JSON value")


def _finite_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise JsonInvalid("a number is out of range")
    return value


def _refuse_lone_surrogates(text: str) -> None:
    try:
        # Keys are written out again as values are, so one encoding sees them all.
        json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise JsonInvalid("half of a surrogate pair") from error
    except (ValueError, RecursionError):
        return  # what is wrong with it is told by the reading proper


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite_float)


def _refuse_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        if not below:
            return
        level = below
    raise JsonInvalid(f"nested more than {MAX_DEPTH} levels deep")
