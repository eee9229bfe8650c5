"""The kinds of value that a setting can have: how each is read from text or TOML, and shown again.

A kind is written beside the field, in its `Annotated` type. `read` raises a ValueError that says what is wrong and what
to write instead; `show` gives a value that TOML has and that `read` takes back.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from orlop.config.address import Address
from orlop.config.quantities import FreeFloor, format_duration, format_size, parse_duration, parse_size
from orlop.domain.access import Rule
from orlop.domain.retention import Retention, parse_pattern

Shown = str | bool | int | list[str]


class Kind(Protocol):
    """Reads and shows the values of one setting."""

    def read(self, value: object) -> Any:
        """The setting's value, from TOML data or from the text of a variable or option."""
        ...

    def show(self, value: Any) -> Shown:
        """The value as `read` takes it back."""
        ...


class Text:
    """Text of one line, perhaps empty; paths among it."""

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text in quotes")
        if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in value):
            raise ValueError("holds a control character or is not UTF-8")
        return value

    def show(self, value: str) -> str:
        return value


class Needed(Text):
    """Text that must not be empty."""

    def read(self, value: object) -> str:
        if value == "":
            raise ValueError("must not be empty; leave the setting out for its default")
        return super().read(value)


class Choice(Text):
    def __init__(self, *choices: str) -> None:
        self.choices = choices

    def read(self, value: object) -> str:
        if value not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}")
        return str(value)


class Flag:
    """True or false; variables and options also say yes, no, on, off, 1, 0."""

    words: Mapping[str, bool] = {
        "true": True, "yes": True, "on": True, "1": True,
        "false": False, "no": False, "off": False, "0": False,
    }  # fmt: skip

    def read(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in self.words:
            return self.words[value.lower()]
        raise ValueError("must be true or false")

    def show(self, value: bool) -> bool:
        return value


class Listen(Text):
    """An address to listen on, or empty where `optional`."""

    def __init__(self, *, optional: bool = False) -> None:
        self.optional = optional

    def read(self, value: object) -> str:
        text = super().read(value)
        return "" if self.optional and not text else str(Address.parse(text))


class Size:
    """Bytes, from `smallest` to `largest`."""

    def __init__(self, smallest: int, largest: int) -> None:
        self.smallest, self.largest = smallest, largest

    def read(self, value: object) -> int:
        size = parse_size(value)
        if not self.smallest <= size <= self.largest:
            raise ValueError(f"must be from {format_size(self.smallest)} to {format_size(self.largest)}")
        return size

    def show(self, value: int) -> str:
        return format_size(value)


class Duration:
    """Seconds, up to `longest`; `zero` says whether there may be none."""

    def __init__(self, *, zero: bool = False, longest: float | None = None) -> None:
        self.zero = zero
        self.longest = longest

    def read(self, value: object) -> float:
        seconds = parse_duration(value)
        if seconds == 0 and not self.zero:
            raise ValueError("must be more than 0")
        if self.longest is not None and seconds > self.longest:
            raise ValueError(f"must be {format_duration(self.longest)} at most")
        return seconds

    def show(self, value: float) -> str:
        return format_duration(value)


class Number:
    """A whole number, from `smallest` to `largest`."""

    def __init__(self, smallest: int, largest: int) -> None:
        self.smallest, self.largest = smallest, largest

    def read(self, value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("must be a whole number")
        if not self.smallest <= value <= self.largest:
            raise ValueError(f"must be from {self.smallest} to {self.largest}")
        return value

    def show(self, value: int) -> int:
        return value


class Texts:
    """A list of texts; in a variable or option, `;` or a new line stands between them."""

    def read(self, value: object) -> Any:
        if isinstance(value, str):
            value = [item for item in re.split(r"[;\n]", value) if item.strip()]
        if not isinstance(value, list):
            raise ValueError('must be a list, as ["…", "…"]')
        return tuple(self.item(Text().read(item).strip()) for item in value)

    def item(self, text: str) -> Any:
        return text

    def show(self, value: tuple[Any, ...]) -> list[str]:
        return [str(item) for item in value]


class Rules(Texts):
    """Rules of access."""

    def item(self, text: str) -> Rule:
        return Rule.parse(text)

    def show(self, value: tuple[Rule, ...]) -> list[str]:
        return [rule.text for rule in value]


class Retentions:
    """Rules of retention: tables with `repositories` and `untagged`, or texts as `ci/** untagged 30d`."""

    NEVER = "never"

    def read(self, value: object) -> tuple[Retention, ...]:
        if isinstance(value, str):
            value = [item for item in re.split(r"[;\n]", value) if item.strip()]
        if not isinstance(value, list):
            raise ValueError("must be tables: write [[retention]] with repositories and untagged below")
        return tuple(self._rule(item) for item in value)

    def _rule(self, item: object) -> Retention:
        if isinstance(item, dict):
            if unknown := sorted(item.keys() - {"repositories", "untagged"}):
                raise ValueError(f"a rule has repositories and untagged, but no {unknown[0]}")
            if missing := sorted({"repositories", "untagged"} - item.keys()):
                raise ValueError(f"a rule lacks {missing[0]}")
            pattern, age = item["repositories"], item["untagged"]
        else:
            words = Text().read(item).split()
            if len(words) != 3 or words[1] != "untagged":
                raise ValueError(f"{item!r} is no rule: write PATTERN untagged AGE, as in ci/** untagged 30d")
            pattern, age = words[0], words[2]
        if age == self.NEVER:
            seconds = None
        elif (seconds := parse_duration(age)) <= 0:
            raise ValueError("untagged must be more than 0; write never for what is to stay")
        shown = self.NEVER if seconds is None else format_duration(seconds)
        return Retention(parse_pattern(Text().read(pattern)), seconds, f"{pattern} untagged {shown}")

    def show(self, value: tuple[Retention, ...]) -> list[str]:
        return [rule.text for rule in value]


class Networks(Texts):
    """Addresses, or networks as `10.0.0.0/8`."""

    def item(self, text: str) -> str:
        try:
            return str(ipaddress.ip_network(text))
        except ValueError as error:
            raise ValueError(f"{text[:60]!r} is no address or network ({error})") from error


class Service(Text):
    """A name that goes into headers and tokens."""

    def read(self, value: object) -> str:
        text = super().read(value)
        if re.fullmatch(r"[A-Za-z0-9._:/-]{0,200}", text) is None:
            raise ValueError("must be letters, digits and . _ : / - only")
        return text


class Floor:
    def read(self, value: object) -> FreeFloor:
        return FreeFloor.parse(value)

    def show(self, value: FreeFloor) -> str:
        return str(value)


class PublicUrl(Text):
    """`https://host[:port]`: clients append `/v2/…` themselves, so a path or query could never work."""

    def read(self, value: object) -> str:
        text = super().read(value)
        if not text:
            return text
        form = "write https://HOST or https://HOST:PORT"
        if not re.fullmatch(r"https?://[!-~]+", text):
            raise ValueError(form)
        parts = urlsplit(text)
        if parts.path.strip("/") or "?" in text or "#" in text or parts.username is not None:
            raise ValueError(f"must have no path, query or user; {form}")
        default = 443 if parts.scheme == "https" else 80
        authority = parts.netloc if re.search(r":[0-9]*$", parts.netloc) else f"{parts.netloc}:{default}"
        Address.parse(authority)
        return f"{parts.scheme}://{parts.netloc}"


class StorageUrl(Text):
    """`file:PATH` or `memory:`; empty means the default beside the data."""

    def read(self, value: object) -> str:
        text = super().read(value)
        scheme, colon, rest = text.partition(":")
        if text in ("", "memory:"):
            return text
        if colon and scheme == "file":
            return f"file:{_path_of_url(rest, 'file')}"
        raise ValueError("unknown kind of storage; write file:PATH or memory:")


class DatabaseUrl(Text):
    """`sqlite:PATH`; empty means the default beside the data."""

    def read(self, value: object) -> str:
        text = super().read(value)
        scheme, colon, rest = text.partition(":")
        if not text:
            return text
        if colon and scheme == "sqlite":
            return f"sqlite:{_path_of_url(rest, 'sqlite')}"
        if scheme.partition("+")[0] in ("postgresql", "postgres"):
            raise ValueError("PostgreSQL is not built yet; write sqlite:PATH")
        raise ValueError("unknown kind of database; write sqlite:PATH")


def _path_of_url(rest: str, scheme: str) -> str:
    """The path after `scheme:`. Two slashes would begin a host, and tools disagree on what three or four mean."""
    if not rest:
        raise ValueError(f"no path; write {scheme}:PATH")
    if rest.startswith("//"):
        raise ValueError(f"the path follows the colon at once; write {scheme}:/{rest.lstrip('/')}")
    return rest


def redact(text: str) -> str:
    """The text without the passwords that URLs in it may hold."""
    return re.sub(r"(//[^/\s:@]*):[^/\s]*@", r"\1:***@", text)
