"""The extended headers of POSIX (pax Interchange Format): records `length key=value`, each with a line feed."""

from collections.abc import Iterator

from orlop.domain.errors import LayerInvalid

_INT64 = 1 << 63


def parse_records(content: bytes) -> dict[bytes, bytes]:
    """The records of one extended header, the last of each key, else LayerInvalid."""
    return dict(records(content))


def records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All of them, in their order."""
    at = 0
    while at < len(content):
        # A length has few digits: a search to the end for each record would make many records slow.
        space = content.find(b" ", at, at + 20)
        length = content[at:space] if space >= 0 else b""
        end = at + int(length) if length.isdigit() else -1
        # Behind the space, or the next record would be this one again, for ever.
        if not 0 <= space < end <= len(content) or content[end - 1] != 10:
            raise LayerInvalid("the archive is damaged: a record of an extended header does not end where it says")
        key, equals, value = content[space + 1 : end - 1].partition(b"=")
        if not key or not equals:
            raise LayerInvalid("the archive is damaged: a record of an extended header has no key")
        yield key, value
        at = end


def parse_integer(value: bytes) -> int:
    digits = value.removeprefix(b"-")
    if len(digits) > 19 or not digits.isdigit() or not -_INT64 <= int(value) < _INT64:
        raise LayerInvalid("the archive is damaged: a number in an extended header is none")
    return int(value)


def parse_seconds(value: bytes) -> int:
    """The whole seconds of a time, rounded down: -0.5 is in the second -1. Beyond nanoseconds digits do not count."""
    whole, point, fraction = value.partition(b".")
    seconds = parse_integer(whole)
    if point and fraction and not fraction.isdigit():
        raise LayerInvalid("the archive is damaged: a time in an extended header is none")
    return seconds - 1 if whole.startswith(b"-") and fraction[:9].strip(b"0") else seconds
