"""Request targets: the path and query of a request, taken apart once.

Segments are split before they are decoded, so that an encoded slash never makes two segments of one.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, unquote_to_bytes

from orlop.domain.errors import PageInvalid, ParameterInvalid

_NUMBER = re.compile(r"[0-9]+")  # ASCII digits only: int() also takes +, _ and the digits of other scripts
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

MAX_TARGET: Final = 16384


class Target:
    """A path's decoded segments and its query's parameters, in order."""

    __slots__ = ("path", "query", "segments")

    def __init__(self, raw: str) -> None:
        """ParameterInvalid: it is not UTF-8 or holds control characters."""
        path, _, query = raw.partition("?")
        self.path = path
        self.segments = [decode(segment) if "%" in segment else segment for segment in path.split("/")]
        self.query = _query(query) if query else ()

    def first(self, key: str) -> str | None:
        """The parameter's first value, None where it is absent."""
        for name, value in self.query:
            if name == key:
                return value
        return None

    def every(self, key: str) -> list[str]:
        return [value for name, value in self.query if name == key]

    def count(self, default: int, most: int) -> int:
        """The page size `n`: a whole number; more than `most` is taken as `most`."""
        text = self.first("n")
        if text is None:
            return default
        if _NUMBER.fullmatch(text) is None:
            raise PageInvalid("n must be a whole number", detail={"n": text[:40]})
        digits = text.lstrip("0") or "0"
        return most if len(digits) > 18 else min(int(digits), most)


def decode(text: str) -> str:
    """Percent-decoded text, else ParameterInvalid."""
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParameterInvalid("the request's address is not UTF-8") from error
    if _CONTROL.search(decoded):
        raise ParameterInvalid("the request's address holds control characters")
    return decoded


def _query(text: str) -> tuple[tuple[str, str], ...]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError as error:  # too many fields, or not UTF-8
        raise ParameterInvalid("the request's query cannot be read") from error
    if any(_CONTROL.search(name) or _CONTROL.search(value) for name, value in pairs):
        raise ParameterInvalid("the request's query holds control characters")
    return tuple(pairs)
